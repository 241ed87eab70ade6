// SPDX-License-Identifier: GPL-2.0
//~ E0277: cannot be sent between threads safely

//! Freeze protection ended by another task than the one that took it.

use backing_file::WriteStarted;

fn elsewhere<T: Send>(_: T) {}

/// Sends the guard away.
pub fn wrong(guard: WriteStarted<'_>) {
    elsewhere(guard);
}
