// SPDX-License-Identifier: GPL-2.0
//~ compiles

//! What the other programs do wrong, done right: they fail for their own reason, not for a setup
//! that would let nothing compile.

use backing_file::{
    BackingFile,
    Ctx,
    Range,
    Read,
    UserFile,
    Write, //
};
use kernel::{
    cred::Credential,
    fs::Kiocb,
    iov::IovIterDest,
    prelude::*,
    types::ForeignOwnable, //
};
use vfs::{
    HookContext,
    Mount, //
};

/// The hook first, then the guard, then hooks again.
pub fn order(file: &BackingFile, hooks: &mut HookContext, range: Range) -> Result {
    let verified = file.verify::<Write>(hooks, range)?;
    let guard = verified.start_write();
    drop(guard);
    file.verify::<Read>(hooks, range).map(drop)
}

/// Write access, given back before a hook.
pub fn mount_order(
    mount: &Mount,
    file: &BackingFile,
    hooks: &mut HookContext,
    range: Range,
) -> Result {
    let write = mount.want_write(hooks)?;
    drop(write);
    file.verify::<Read>(hooks, range).map(drop)
}

/// An iocb, submitted once.
pub fn submit<T: ForeignOwnable>(
    file: &BackingFile,
    hooks: &mut HookContext,
    cred: &Credential,
    iocb: Kiocb<'_, T>,
    iter: &mut IovIterDest<'_>,
) -> Result<usize> {
    let _pos = iocb.ki_pos();
    file.read_iter(Ctx::<()>::new(hooks, cred), iocb, iter)
}

/// A callback gets the user file.
pub fn callback(user: &UserFile) -> i64 {
    user.inode().size()
}
