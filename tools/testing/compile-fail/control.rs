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
    sync::aref::ARef,
    types::ForeignOwnable, //
};
use vfs::{
    acl::{
        AclType,
        FoundAcl, //
    },
    FileSystem,
    HookContext,
    Inode,
    Mount,
    StableDentry,
    Walk,
    Walked, //
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

/// A reference, in a walk that allows it.
pub fn reference<T: FileSystem>(
    walk: Walk<'_>,
    inode: &Walked<Inode<T>>,
) -> Result<ARef<Inode<T>>> {
    Ok(walk.referenced(inode)?.into())
}

/// A name that cannot change.
pub fn name<T: FileSystem>(dentry: &StableDentry<T>) -> usize {
    dentry.name().as_bytes().len()
}

/// An access control list, for the walk that asks.
pub fn acl<'a>(walk: Walk<'_>, inode: &'a Walked<Inode>) -> FoundAcl<'a> {
    inode.find_acl(walk, AclType::Access)
}
