// SPDX-License-Identifier: GPL-2.0
//~ E0599: no method named `start_write` found for struct `Verified<'_, backing_file::Read>`

//! A write on the strength of a read.

use backing_file::{
    BackingFile,
    Range,
    Read, //
};
use kernel::prelude::*;
use vfs::HookContext;

/// Starts a write of a range verified for reading.
pub fn wrong(file: &BackingFile, hooks: &mut HookContext, range: Range) -> Result {
    drop(file.verify::<Read>(hooks, range)?.start_write());
    Ok(())
}
