// SPDX-License-Identifier: GPL-2.0

//! Open directories.

use crate::super_block::{
    backing_path,
    PassFs, //
};
use backing_file::{
    BackingFile,
    Ctx,
    UserFile, //
};
use kernel::{
    fs::file::Offset,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    file::{
        DirContext,
        OpenFile,
        Opening,
        Operations, //
    },
    HookContext,
    Inode, //
};

/// Operations of an open directory.
pub(crate) struct PassDir;

#[vtable]
impl Operations for PassDir {
    type Fs = PassFs;
    type Data = ARef<BackingFile>;

    fn open(
        hooks: &mut HookContext,
        inode: &Inode<PassFs>,
        file: &Opening<'_, PassFs>,
    ) -> Result<ARef<BackingFile>> {
        let path = backing_path(file.dentry())?;
        BackingFile::open(hooks, file, &path, inode.super_block().data().cred())
    }

    fn release(backing: ARef<BackingFile>) {
        BackingFile::close(backing);
    }

    fn llseek(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        offset: Offset,
        whence: i32,
    ) -> Result<Offset> {
        let inode = file.inode();
        let lock = inode.lock();
        let ctx = Ctx::<()>::new(hooks, inode.super_block().data().cred());
        file.data()
            .llseek(ctx, &lock, UserFile::new(file), offset, whence)
    }

    fn iterate_shared(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        to: &mut DirContext,
    ) -> Result {
        let ctx = Ctx::<()>::new(hooks, file.inode().super_block().data().cred());
        file.data().iterate(ctx, UserFile::new(file), to)
    }

    fn fsync(file: &OpenFile<Self>, start: Offset, end: Offset, datasync: bool) -> Result {
        let cred = file.inode().super_block().data().cred();
        file.data().fsync(cred, start, end, datasync)
    }
}
