// SPDX-License-Identifier: GPL-2.0
//~ E0624: associated function `new` is private

//! Evidence that hooks may run, made up.

use backing_file::{
    BackingFile,
    Range,
    Write, //
};
use kernel::prelude::*;
use vfs::HookContext;

/// Goes round the guard's borrow.
pub fn wrong(file: &BackingFile, hooks: &mut HookContext, range: Range) -> Result {
    let guard = file.verify::<Write>(hooks, range)?.start_write();
    let second = file
        .verify::<Write>(&mut HookContext::new(), range)
        .map(drop);
    drop(guard);
    second
}
