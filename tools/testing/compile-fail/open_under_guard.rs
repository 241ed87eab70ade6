// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! Opening a backing file under the freeze protection of a write to another: lock order of nested stacks (B17).

use backing_file::{
    BackingFile,
    Range,
    Write, //
};
use kernel::{
    cred::Credential,
    prelude::*, //
};
use vfs::{
    file::Opening,
    HookContext,
    Path, //
};

/// Opens a file under the guard of a write.
pub fn wrong(
    file: &BackingFile,
    user: &Opening<'_>,
    path: &Path,
    cred: &Credential,
    hooks: &mut HookContext,
    range: Range,
) -> Result {
    let guard = file.verify::<Write>(hooks, range)?.start_write();
    let opened = BackingFile::open(hooks, user, path, cred).map(drop);
    drop(guard);
    opened
}
