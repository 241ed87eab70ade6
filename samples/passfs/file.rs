// SPDX-License-Identifier: GPL-2.0

//! Open regular files: each operation is that of the backing file.

use crate::super_block::PassFs;
use backing_file::{
    BackingFile,
    Callbacks,
    Ctx,
    Side,
    UserFile, //
};
use kernel::{
    cred::Credential,
    fs::{
        file::Offset,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    file::{
        remap,
        FlushOwner,
        OpenFile,
        Opening,
        Operations,
        Pipe, //
    },
    HookContext,
    Inode, //
};

/// Operations of an open regular file.
pub(crate) struct PassFile;

/// A passfs inode shares size and times with its backing inode.
struct Changed;

#[vtable]
impl Callbacks for Changed {
    fn end_write(user: &UserFile, backing: &BackingFile, _pos: Offset, _result: Result<usize>) {
        user.inode().copy_attr(backing.inode(), backing.mount());
    }
}

/// On whose behalf the files of this filesystem are accessed.
fn cred(file: &OpenFile<PassFile>) -> &Credential {
    file.inode().super_block().data().cred()
}

#[vtable]
impl Operations for PassFile {
    type Fs = PassFs;
    type Data = ARef<BackingFile>;

    const LEASES: bool = true;

    #[inline]
    fn open(
        hooks: &mut HookContext,
        inode: &Inode<PassFs>,
        file: &Opening<'_, PassFs>,
    ) -> Result<ARef<BackingFile>> {
        let instance = inode.super_block().data();
        let path = instance.path_of(file.dentry())?;
        let backing = BackingFile::open(hooks, file, &path, instance.cred())?;
        backing.verify_open(
            Ctx::<()>::new(hooks, instance.cred()),
            instance.map_policy(),
        )?;
        inode.refresh(backing.inode(), backing.mount());
        Ok(backing)
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
        let lock = file.inode().lock();
        let ctx = Ctx::<()>::new(hooks, cred(file));
        file.data()
            .llseek(ctx, &lock, UserFile::new(file), offset, whence)
    }

    #[inline]
    fn read_iter(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        iocb: Kiocb<'_, Self::Data>,
        iter: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let ctx = Ctx::<()>::new(hooks, cred(file));
        file.data().read_iter(ctx, iocb, iter)
    }

    #[inline]
    fn write_iter(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        iocb: Kiocb<'_, Self::Data>,
        iter: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        let lock = file.inode().lock_for(&iocb)?;
        let ctx = Ctx::<Changed>::new(hooks, cred(file));
        file.data().write_iter(ctx, &lock, iocb, iter)
    }

    #[inline]
    fn splice_read(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        pos: &mut Offset,
        pipe: &mut Pipe,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        let ctx = Ctx::<()>::new(hooks, cred(file));
        file.data()
            .splice_read(ctx, UserFile::new(file), pos, pipe, len, flags)
    }

    #[inline]
    fn splice_write(
        hooks: &mut HookContext,
        pipe: &mut Pipe,
        file: &OpenFile<Self>,
        pos: &mut Offset,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        let lock = file.inode().lock();
        let ctx = Ctx::<Changed>::new(hooks, cred(file));
        file.data()
            .splice_write(ctx, &lock, pipe, UserFile::new(file), pos, len, flags)
    }

    #[inline]
    fn mmap(file: &OpenFile<Self>, vma: &VmaNew) -> Result {
        let policy = file.inode().super_block().data().map_policy();
        file.data()
            .mmap::<()>(cred(file), UserFile::new(file), vma, policy)
    }

    fn fsync(file: &OpenFile<Self>, start: Offset, end: Offset, datasync: bool) -> Result {
        file.data().fsync(cred(file), start, end, datasync)
    }

    #[inline]
    fn flush(file: &OpenFile<Self>, owner: FlushOwner) -> Result {
        file.data().flush(cred(file), owner)
    }

    fn fallocate(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        mode: i32,
        offset: Offset,
        len: Offset,
    ) -> Result {
        let lock = file.inode().lock();
        let ctx = Ctx::<Changed>::new(hooks, cred(file));
        file.data()
            .fallocate(ctx, &lock, UserFile::new(file), mode, (offset, len))
    }

    fn fadvise(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        offset: Offset,
        len: Offset,
        advice: i32,
    ) -> Result {
        let ctx = Ctx::<()>::new(hooks, cred(file));
        file.data()
            .fadvise(ctx, UserFile::new(file), offset, len, advice)
    }

    fn copy_file_range(
        hooks: &mut HookContext,
        from: (&OpenFile<Self>, Offset),
        to: (&OpenFile<Self>, Offset),
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        let lock = to.0.inode().lock();
        let ctx = Ctx::<Changed>::new(hooks, cred(to.0));
        let from = (side(from), cred(from.0));
        BackingFile::copy_range(ctx, &lock, from, side(to), len, flags)
    }

    fn remap_file_range(
        hooks: &mut HookContext,
        from: (&OpenFile<Self>, Offset),
        to: (&OpenFile<Self>, Offset),
        len: Offset,
        flags: u32,
    ) -> Result<Offset> {
        if flags & !(remap::DEDUP | remap::ADVISORY) != 0 {
            return Err(EINVAL);
        }
        let lock = to.0.inode().lock();
        let ctx = Ctx::<Changed>::new(hooks, cred(to.0));
        if flags & remap::DEDUP != 0 {
            BackingFile::dedupe_range(ctx, &lock, side(from), side(to), len, flags)
        } else {
            let from = (side(from), cred(from.0));
            BackingFile::clone_range(ctx, &lock, from, side(to), len, flags)
        }
    }
}

/// One side of a copy.
fn side<'a>((file, pos): (&'a OpenFile<PassFile>, Offset)) -> Side<'a> {
    Side {
        user: UserFile::new(file),
        backing: file.data(),
        pos,
    }
}
