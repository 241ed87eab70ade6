// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! An operation that raises a hook by itself, while the filesystem is protected against freezing.

use backing_file::{
    BackingFile,
    Ctx,
    Range,
    UserFile,
    Write, //
};
use kernel::{
    cred::Credential,
    prelude::*, //
};
use vfs::HookContext;

/// Reads ahead under the guard of a write.
pub fn wrong(
    file: &BackingFile,
    user: &UserFile,
    hooks: &mut HookContext,
    cred: &Credential,
    range: Range,
) -> Result {
    let guard = file.verify::<Write>(hooks, range)?.start_write();
    let read = file.fadvise(Ctx::<()>::new(hooks, cred), user, 0, 0, 3);
    drop(guard);
    read
}
