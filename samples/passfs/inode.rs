// SPDX-License-Identifier: GPL-2.0

//! Names and attributes.
//!
//! Everything goes to the filesystem below with the credentials of the mounter, except that what is
//! created belongs to who creates it. Whether the task may do it was decided before, by the VFS,
//! with the task's own credentials and the attributes that a passfs inode shares with its backing
//! inode.

use crate::{
    file::PassFile,
    super_block::{
        backing_path,
        inode_for,
        inode_from,
        PassFs, //
    },
};
use backing_file::BackingFile;
use kernel::{
    cred::Credential,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    acl::{
        AclType,
        FoundAcl,
        NewAcl, //
    },
    attr::{
        mode,
        Extents,
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
    file::Opening,
    inode::{
        Attributes,
        Operations,
        Rename,
        Tmpfile, //
    },
    with_creds,
    xattr::{
        Buffer,
        FileAttr, //
    },
    CredBuilder,
    Dentry,
    HookContext,
    Idmap,
    Inode,
    MountWrite,
    Path,
    StableDentry,
    Walk,
    Walked, //
};

/// Operations of a directory's inode.
pub(crate) struct PassDirInode;

/// Operations of the inode of a regular or special file.
pub(crate) struct PassFileInode;

/// Operations of a symbolic link's inode.
pub(crate) struct PassSymlinkInode;

/// Takes the attributes of the backing inode over.
fn refresh(inode: &Inode<PassFs>) {
    inode.copy_attr(inode.data(), inode.super_block().data().lower().mount());
}

/// Credentials to make `dentry` with: the mounter's, but it belongs to the task.
fn creator(idmap: &Idmap, dentry: &StableDentry<PassFs>, mode: u16) -> Result<ARef<Credential>> {
    let new = with_creds(cred(dentry), CredBuilder::from_current)?;
    Ok(new.creating_as_current(idmap, dentry, mode)?.build())
}

/// Makes a name below with `make`, for the current task, and returns its inode.
fn make(
    hooks: &mut HookContext,
    idmap: &Idmap,
    dir: &Inode<PassFs>,
    dentry: &StableDentry<PassFs>,
    mode: u16,
    make: impl FnOnce(Creating<'_>) -> Result<Option<ARef<Dentry>>>,
) -> Result<Option<ARef<Inode<PassFs>>>> {
    let instance = dir.super_block().data();
    let cred = creator(idmap, dentry, mode)?;
    let (parent, child) = (dentry.parent().data()?, dentry.data()?);
    // Taken before: what is made below stays made.
    let spare = dir.super_block().spare_inode()?;

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
        Some(backing) => inode_from(dir.super_block(), spare, backing).map(Some),
        None => Ok(None),
    }
}

/// Removes a name below with `remove`.
fn remove(
    hooks: &mut HookContext,
    dir: &Inode<PassFs>,
    dentry: &StableDentry<PassFs>,
    remove: impl FnOnce(Removing<'_>) -> Result,
) -> Result {
    let instance = dir.super_block().data();
    let (parent, child) = (dentry.parent().data()?, dentry.data()?);
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

/// Attributes, the same way for every kind of file.
pub(crate) struct PassAttributes;

#[vtable]
impl Attributes for PassAttributes {
    type Fs = PassFs;

    #[inline]
    fn permission(
        walk: Walk<'_>,
        idmap: &Idmap,
        inode: &Walked<Inode<PassFs>>,
        mask: i32,
    ) -> Result {
        let backing = inode.data();
        let instance = inode.super_block().data();
        let below = instance.lower().mount();
        // The task with its own credentials, as of now; then the mounter with his.
        if !inode.is_as_accessible(backing) {
            inode.refresh(walk, backing, below)?;
        }
        // Owner, mode and list are those of the backing inode.
        if !backing.allows_everybody(mask) {
            inode.generic_permission(walk, idmap, mask)?;
        }
        if BackingFile::checks_at_open(backing, mask) {
            return Ok(());
        }
        with_creds(instance.cred(), || {
            backing.permission(walk, below.idmap(), mask)
        })
    }

    #[inline]
    fn getattr(
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        let inode = dentry.inode().ok_or(ENOENT)?;
        let instance = dentry.super_block().data();
        let path = instance.path_of(dentry)?;
        with_creds(instance.cred(), || path.getattr(stat, mask, flags))?;
        inode.refresh(inode.data(), instance.lower().mount());
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
        refresh(inode);
        attr.drop_privs_with_size(idmap, inode);
        let attr = attr.prepare(idmap, dentry)?.restack(idmap, inode);
        let path = backing_path(dentry)?;
        let result = backing_file::set_attributes(hooks, cred(dentry), &path, attr);
        refresh(inode);
        result
    }

    fn get_inode_acl<'a>(
        walk: Walk<'_>,
        inode: &'a Walked<Inode<PassFs>>,
        kind: AclType,
    ) -> FoundAcl<'a> {
        with_creds(inode.super_block().data().cred(), || {
            inode.data().find_acl(walk, kind)
        })
    }

    fn get_acl(dentry: &Dentry<PassFs>, kind: AclType) -> FoundAcl<'_> {
        match backing_path(dentry) {
            Ok(path) => with_creds(cred(dentry), || path.find_acl(kind)),
            Err(err) => FoundAcl::error(err),
        }
    }

    fn set_acl(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dentry: &Dentry<PassFs>,
        acl: NewAcl<'_>,
        kind: AclType,
    ) -> Result {
        let inode = dentry.inode().ok_or(ENOENT)?;
        refresh(inode);
        if !inode.is_owned_by_current(idmap) {
            return Err(EPERM);
        }
        // Below, the mounter sets it, who may keep the bit; the task may not.
        if kind == AclType::Access && inode.loses_sgid(idmap) {
            Self::setattr(hooks, idmap, dentry, &mut SetAttr::kill_sgid())?;
        }
        change(hooks, dentry, |path, write| path.set_acl(write, kind, acl))
    }

    fn listxattr(dentry: &Dentry<PassFs>, buffer: Buffer<'_>) -> Result<usize> {
        with_creds(cred(dentry), || backing_path(dentry)?.listxattr(buffer))
    }

    fn fiemap(inode: &Inode<PassFs>, extents: &mut Extents, start: u64, len: u64) -> Result {
        with_creds(inode.super_block().data().cred(), || {
            inode.data().fiemap(extents, start, len)
        })
    }

    fn fileattr_get(dentry: &Dentry<PassFs>, attr: &mut FileAttr) -> Result {
        with_creds(cred(dentry), || backing_path(dentry)?.fileattr(attr))
    }

    fn fileattr_set(
        hooks: &mut HookContext,
        dentry: &Dentry<PassFs>,
        attr: &mut FileAttr,
    ) -> Result {
        change(hooks, dentry, |path, write| path.set_fileattr(write, attr))
    }
}

/// On whose behalf the filesystem below is accessed.
fn cred(dentry: &Dentry<PassFs>) -> &Credential {
    dentry.super_block().data().cred()
}

/// Changes the file below with `change`.
pub(crate) fn change(
    hooks: &mut HookContext,
    dentry: &Dentry<PassFs>,
    change: impl FnOnce(&Path, &MountWrite<'_>) -> Result,
) -> Result {
    let path = backing_path(dentry)?;
    let result = with_creds(cred(dentry), || {
        change(&path, &path.mount().want_write(hooks)?)
    });
    if let Some(inode) = dentry.inode() {
        refresh(inode);
    }
    result
}

#[vtable]
impl Operations for PassDirInode {
    type Fs = PassFs;
    type Attributes = PassAttributes;
    type File = PassFile;

    fn lookup(
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
    ) -> Result<(ARef<Dentry>, Option<ARef<Inode<PassFs>>>)> {
        let parent = backing_path(dentry.parent())?;
        let backing = with_creds(dir.super_block().data().cred(), || {
            dirop::lookup(&parent, dentry.name())
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
        dentry: &StableDentry<PassFs>,
        mode: u16,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, mode | mode::REGULAR, |name| {
            name.create(mode).map(|()| None)
        })
    }

    fn mkdir(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
        mode: u16,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, mode | mode::DIRECTORY, |name| {
            name.mkdir(mode).map(Some)
        })
    }

    fn symlink(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
        target: &CStr,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, mode::SYMLINK, |name| {
            name.symlink(target).map(|()| None)
        })
    }

    fn mknod(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
        mode: u16,
        dev: u32,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        make(hooks, idmap, dir, dentry, mode, |name| {
            name.mknod(mode, dev).map(|()| None)
        })
    }

    fn link(
        hooks: &mut HookContext,
        old: &Dentry<PassFs>,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
    ) -> Result<Option<ARef<Inode<PassFs>>>> {
        let backing = old.data()?;
        let instance = dir.super_block().data();
        let (parent, child) = (dentry.parent().data()?, dentry.data()?);
        with_creds(instance.cred(), || {
            let write = instance.lower().mount().want_write(hooks)?;
            Creating::start(write, parent, child)?.link(backing)
        })?;
        refresh(dir);
        let inode = old.inode().ok_or(ENOENT)?;
        refresh(inode);
        Ok(Some(inode.into()))
    }

    fn tmpfile(
        hooks: &mut HookContext,
        idmap: &Idmap,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
        file: &Opening<'_, PassFs>,
        mode: u16,
    ) -> Result<Tmpfile<Self>> {
        let cred = creator(idmap, dentry, mode)?;
        let parent = backing_path(dentry.parent())?;
        let backing = BackingFile::tmpfile(hooks, file, &parent, mode, &cred)?;
        Ok(Tmpfile {
            dentry: backing.dentry().into(),
            inode: inode_for(dir.super_block(), backing.inode())?,
            file: backing,
        })
    }

    fn unlink(
        hooks: &mut HookContext,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
    ) -> Result {
        remove(hooks, dir, dentry, |name| name.unlink())
    }

    fn rmdir(
        hooks: &mut HookContext,
        dir: &Inode<PassFs>,
        dentry: &StableDentry<PassFs>,
    ) -> Result {
        remove(hooks, dir, dentry, |name| name.rmdir())
    }

    fn rename(hooks: &mut HookContext, names: Rename<'_, PassFs>) -> Result {
        let instance = names.old_dir.super_block().data();
        let from = End {
            parent: names.old.parent().data()?,
            child: names.old.data()?,
        };
        let to = End {
            parent: names.new.parent().data()?,
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
}

#[vtable]
impl Operations for PassFileInode {
    type Fs = PassFs;
    type Attributes = PassAttributes;
    type File = PassFile;
}

#[vtable]
impl Operations for PassSymlinkInode {
    type Fs = PassFs;
    type Attributes = PassAttributes;
    type File = PassFile;

    fn get_link(dentry: &Dentry<PassFs>) -> Result<LinkTarget<'_>> {
        with_creds(dentry.super_block().data().cred(), || {
            dirop::get_link(backing_path(dentry)?)
        })
    }
}
