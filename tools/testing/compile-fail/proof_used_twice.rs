// SPDX-License-Identifier: GPL-2.0
//~ E0382: use of moved value: `verified`

//! One verification, two writes.

use backing_file::{
    BackingFile,
    Range,
    Write, //
};
use kernel::prelude::*;
use vfs::HookContext;

/// Starts a write twice.
pub fn wrong(file: &BackingFile, hooks: &mut HookContext, range: Range) -> Result {
    let verified = file.verify::<Write>(hooks, range)?;
    drop(verified.start_write());
    drop(verified.start_write());
    Ok(())
}
