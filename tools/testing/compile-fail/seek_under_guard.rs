// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! Seeking in a backing file under freeze protection: lock order of nested stacks (B17).

use backing_file::{
    BackingFile,
    Ctx,
    Range,
    UserFile,
    Write, //
};
use kernel::{
    cred::Credential,
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    inode::InodeGuard,
    HookContext, //
};

/// Looks for the end of a file under the guard of a write.
pub fn wrong(
    file: &BackingFile,
    user: &UserFile,
    lock: &InodeGuard<'_>,
    hooks: &mut HookContext,
    cred: &Credential,
    range: Range,
) -> Result<Offset> {
    let guard = file.verify::<Write>(hooks, range)?.start_write();
    let end = file.llseek(Ctx::<()>::new(hooks, cred), lock, user, 0, 2);
    drop(guard);
    end
}
