// SPDX-License-Identifier: GPL-2.0

//! Names and attributes.
//!
//! Everything goes to the filesystem below with the credentials of the mounter, except that what is
//! created belongs to who creates it. Whether the task may do it was decided before, by the VFS,
//! with the task's own credentials and the attributes that a passfs inode shares with its backing
//! inode.

use crate::super_block::{
    backing_path,
    inode_for,
    PassFs, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    attr::{
        SetAttr,
        Stat, //
    },
    dirop::{
        self,
        Creating,
        End,
        LinkTarget,
        Removing, //
    },
    inode::{
        Operations,
        Rename, //
    },
    with_creds,
    CredBuilder,
    Dentry,
    HookContext,
    Idmap,
    Inode, //
};

/// Operations of a directory's inode.
pub(crate) struct PassDirInode;

/// Operations of the inode of a regular or special file.
pub(crate) struct PassFileInode;

/// Operations of a symbolic link's inode.
pub(crate) struct PassSymlinkInode;

/// Takes the attributes of the backing inode over.
fn refresh(inode: &Inode<PassFs>) {
    inode.copy_attr(inode.data(), inode.super_block().data().lower().idmap());
}

/// Makes a name below with `make`, for the current task, and returns its inode.
fn make(
    hooks: &mut HookContext,
    idmap: &Idmap,
    dir: &Inode<PassFs>,
    dentry: &Dentry<PassFs>,
    make: impl FnOnce(Creating<'_>) -> Result<Option<ARef<Dentry>>>,
) -> Result<Option<ARef<Inode<PassFs>>>> {
    let instance = dir.super_block().data();
    let cred = with_creds(instance.cred(), CredBuilder::from_current)?;
    let cred = cred.creating_as_current(idmap, dir).build();
    let (parent, child) = (dentry.locked_parent().data()?, dentry.data()?);

    let made = with_creds(&cred, || {
        let write = instance.lower().mount().want_write(hooks)?;
        make(Creating::start(write, parent, child)?)
    })?;
    refresh(dir);
    // A filesystem may put another dentry in place of the one that was looked up.
    if made.is_some_and(|made| !core::ptr::eq(&*made, child)) {
        return Ok(None);
    }
    match child.inode() {
        Some(backing) => inode_for(dir.super_block(), backing).map(Some),
        None => Ok(None),
    }
}

/// Removes a name below with `remove`.
fn remove(
    hooks: &mut HookContext,
    dir: &Inode<PassFs>,
    dentry: &Dentry<PassFs>,
    remove: impl FnOnce(Removing<'_>) -> Result,
) -> Result {
    let instance = dir.super_block().data();
    let (parent, child) = (dentry.locked_parent().data()?, dentry.data()?);
    with_creds(instance.cred(), || {
        let write = instance.lower().mount().want_write(hooks)?;
        remove(Removing::start(write, parent, child)?)
    })?;
    refresh(dir);
    if let Some(inode) = dentry.inode() {
        refresh(inode);
    }
    Ok(())
}

fn permission(idmap: &Idmap, inode: &Inode<PassFs>, mask: i32) -> Result {
    let backing = inode.data();
    let instance = inode.super_block().data();
    let below = instance.lower().idmap();
    // The task with its own credentials, as of now; then the mounter with his.
    inode.refresh_owner_and_mode(backing, below);
    inode.generic_permission(idmap, mask)?;
    with_creds(instance.cred(), || backing.permission(below, mask))
}

fn getattr(
    idmap: &Idmap,
    dentry: &Dentry<PassFs>,
    stat: &mut Stat,
    mask: u32,
    flags: u32,
) -> Result {
    let inode = dentry.inode().ok_or(ENOENT)?;
    with_creds(inode.super_block().data().cred(), || {
        backing_path(dentry)?.getattr(stat, mask, flags)
    })?;
    stat.restack(inode, idmap);
    Ok(())
}

fn setattr(
    hooks: &mut HookContext,
    idmap: &Idmap,
    dentry: &Dentry<PassFs>,
    attr: &mut SetAttr,
) -> Result {
    let inode = dentry.inode().ok_or(ENOENT)?;
    attr.prepare(idmap, dentry)?;
    attr.restack(idmap, inode);
    let cred = inode.super_block().data().cred();
    let path = backing_path(dentry)?;
    let result = backing_file::set_attributes(hooks, cred, &path, attr);
    refresh(inode);
    result
}

#[vtable]
impl Operations for PassDirInode {
    type Fs = PassFs;

    fn lookup(
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
    ) -> Result<(ARef<Dentry>, Option<ARef<Inode<PassFs>>>)> {
        let parent = backing_path(dentry.locked_parent())?;
        let backing = with_creds(dir.super_block().data().cred(), || {
            dirop::lookup(&parent, &dentry.stable_name())
        })?;
        let inode = match backing.inode() {
            Some(inode) => Some(inode_for(dir.super_block(), inode)?),
            None => None,
        };
        Ok((backing, inode))
    }

    fn create(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
        mode: u16,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, |name| {
            name.create(mode).map(|()| None)
        })
    }

    fn mkdir(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
        mode: u16,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, |name| name.mkdir(mode).map(Some))
    }

    fn symlink(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
        target: &CStr,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, |name| {
            name.symlink(target).map(|()| None)
        })
    }

    fn mknod(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
        mode: u16,
        dev: u32,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, |name| {
            name.mknod(mode, dev).map(|()| None)
        })
    }

    fn link(
        hooks: &mut HookContext,
        old: &Dentry<PassFs>,
        dir: &Inode<PassFs>,
        dentry: &Dentry<PassFs>,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        let backing = old.data()?;
        let instance = dir.super_block().data();
        let (parent, child) = (dentry.locked_parent().data()?, dentry.data()?);
        with_creds(instance.cred(), || {
            let write = instance.lower().mount().want_write(hooks)?;
            Creating::start(write, parent, child)?.link(backing)
        })?;
        refresh(dir);
        let inode = old.inode().ok_or(ENOENT)?;
        refresh(inode);
        Ok(Some(inode.into()))
    }

    fn unlink(hooks: &mut HookContext, dir: &Inode<PassFs>, dentry: &Dentry<PassFs>) -> Result {
        remove(hooks, dir, dentry, |name| name.unlink())
    }

    fn rmdir(hooks: &mut HookContext, dir: &Inode<PassFs>, dentry: &Dentry<PassFs>) -> Result {
        remove(hooks, dir, dentry, |name| name.rmdir())
    }

    fn rename(hooks: &mut HookContext, names: Rename<'_, PassFs>) -> Result {
        let instance = names.old_dir.super_block().data();
        let from = End {
            parent: names.old.locked_parent().data()?,
            child: names.old.data()?,
        };
        let to = End {
            parent: names.new.locked_parent().data()?,
            child: names.new.data()?,
        };
        with_creds(instance.cred(), || {
            let write = instance.lower().mount().want_write(hooks)?;
            dirop::rename(&write, from, to, names.flags)
        })?;
        refresh(names.old_dir);
        refresh(names.new_dir);
        for inode in [names.old.inode(), names.new.inode()].into_iter().flatten() {
            refresh(inode);
        }
        Ok(())
    }

    fn permission(idmap: &Idmap, inode: &Inode<PassFs>, mask: i32) -> Result {
        permission(idmap, inode, mask)
    }

    fn setattr(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        attr: &mut SetAttr,
    ) -> Result {
        setattr(hooks, idmap, dentry, attr)
    }

    fn getattr(
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        getattr(idmap, dentry, stat, mask, flags)
    }
}

#[vtable]
impl Operations for PassFileInode {
    type Fs = PassFs;

    fn permission(idmap: &Idmap, inode: &Inode<PassFs>, mask: i32) -> Result {
        permission(idmap, inode, mask)
    }

    fn setattr(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        attr: &mut SetAttr,
    ) -> Result {
        setattr(hooks, idmap, dentry, attr)
    }

    fn getattr(
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        getattr(idmap, dentry, stat, mask, flags)
    }
}

#[vtable]
impl Operations for PassSymlinkInode {
    type Fs = PassFs;

    fn get_link(dentry: &Dentry<PassFs>) -> Result<LinkTarget<'_>> {
        with_creds(dentry.super_block().data().cred(), || {
            dirop::get_link(backing_path(dentry)?)
        })
    }

    fn permission(idmap: &Idmap, inode: &Inode<PassFs>, mask: i32) -> Result {
        permission(idmap, inode, mask)
    }

    fn setattr(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        attr: &mut SetAttr,
    ) -> Result {
        setattr(hooks, idmap, dentry, attr)
    }

    fn getattr(
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        getattr(idmap, dentry, stat, mask, flags)
    }
}
