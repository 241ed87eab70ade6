// SPDX-License-Identifier: GPL-2.0
//~ E0521: borrowed data escapes outside of function

//! A path walk, kept for another operation's objects.

use vfs::Walk;

/// Keeps it.
pub fn wrong(walk: Walk<'_>) {
    keep(walk);
}

fn keep(_walk: Walk<'static>) {}
