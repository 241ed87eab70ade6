// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! A hook while the filesystem is protected against freezing.

use backing_file::{
    BackingFile,
    Range,
    Write, //
};
use kernel::prelude::*;
use vfs::HookContext;

/// Verifies a second range under the guard of the first.
pub fn wrong(file: &BackingFile, hooks: &mut HookContext, range: Range) -> Result {
    let guard = file.verify::<Write>(hooks, range)?.start_write();
    let second = file.verify::<Write>(hooks, range).map(drop);
    drop(guard);
    second
}
