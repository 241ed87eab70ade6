// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! Opening a file below under freeze protection: lock order of nested stacks.

use backing_file::BackingFile;
use kernel::{
    cred::Credential,
    prelude::*, //
};
use vfs::{
    file::Opening,
    HookContext,
    Path, //
};

/// Opens with write access held.
pub fn wrong(
    user: &Opening<'_>,
    path: &Path,
    cred: &Credential,
    hooks: &mut HookContext,
) -> Result {
    let write = path.mount().want_write(hooks)?;
    let opened = BackingFile::open(hooks, user, path, cred).map(drop);
    drop(write);
    opened
}
