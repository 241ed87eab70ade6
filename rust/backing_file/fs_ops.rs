// SPDX-License-Identifier: GPL-2.0

//! The remaining operations on one file: seeking, syncing, space, advice.

use crate::{
    context::{
        Callbacks,
        Ctx,
        RawCtx,
        UserFile, //
    },
    range::{
        Range,
        Read, //
    },
    BackingFile, //
};
use kernel::{
    cred::Credential,
    error::to_result,
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    file::FlushOwner,
    inode::InodeGuard,
    with_creds, //
};

impl BackingFile {
    /// Moves the position of the user file as the backing filesystem defines it (`SEEK_DATA`,
    /// `SEEK_HOLE`, the end, the largest position) and returns the new one.
    ///
    /// `_lock` is the lock of the user inode, which keeps two users of one file apart.
    ///
    /// C: `vfs_llseek()` as `ovl_llseek()` uses it.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ENXIO` if there is no data or hole behind `offset`, `EOVERFLOW`.
    pub fn llseek<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        _lock: &InodeGuard<'_>,
        user: &UserFile,
        offset: Offset,
        whence: i32,
    ) -> Result<Offset> {
        let ctx = ctx.into_raw();
        // SAFETY: Both files are valid. The position of the backing file is used here only, and
        // that of the user file by whoever called its llseek.
        let pos = with_creds(ctx.cred, || unsafe {
            let (own, user) = (self.as_ptr(), user.as_ptr());
            (*own).f_pos = (*user).f_pos;
            let pos = bindings::vfs_llseek(own, offset, whence);
            (*user).f_pos = (*own).f_pos;
            pos
        });
        if pos < 0 {
            // CAST: An errno.
            return Err(Error::from_errno(pos as i32));
        }
        Ok(pos)
    }

    /// Writes the bytes from `start` to `end` (included) to stable storage. May sleep.
    ///
    /// C: `vfs_fsync_range()`.
    ///
    /// # Errors
    ///
    /// `EIO`, `ENOSPC`, `EDQUOT` for writes that failed since the last call, or what the filesystem
    /// returns.
    pub fn fsync(&self, cred: &Credential, start: Offset, end: Offset, datasync: bool) -> Result {
        with_creds(cred, || {
            // SAFETY: The file is valid.
            to_result(unsafe {
                bindings::vfs_fsync_range(self.as_ptr(), start, end, datasync.into())
            })
        })
    }

    /// Passes on that a descriptor of the user file is being closed. May sleep.
    ///
    /// C: `f_op->flush` as `ovl_flush()` calls it.
    ///
    /// # Errors
    ///
    /// What the filesystem reports of writes that failed.
    pub fn flush(&self, cred: &Credential, owner: FlushOwner) -> Result {
        let Some(flush) = self.operations().flush else {
            return Ok(());
        };
        with_creds(cred, || {
            // SAFETY: The file is valid, and the method its own.
            to_result(unsafe { flush(self.as_ptr(), owner.as_ptr().cast()) })
        })
    }

    /// Allocates, punches, moves or zeroes `len` bytes at `offset`; `mode` is `FALLOC_FL_*`. The
    /// hook runs for these bytes. `end_write` is told afterwards.
    ///
    /// `_lock` is the lock of the user inode. May sleep.
    ///
    /// C: `vfs_fallocate()` as `ovl_fallocate()` uses it.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem does not have this mode, `EPERM` for an append-only or
    /// immutable file or if a listener denies, `ENOSPC`, `EFBIG`, `EINVAL`, `EINTR`.
    pub fn fallocate<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        _lock: &InodeGuard<'_>,
        user: &UserFile,
        mode: i32,
        range: (Offset, Offset),
    ) -> Result {
        let ctx = ctx.into_raw();
        let (offset, len) = range;
        self.remove_privs(user)?;
        let result = with_creds(ctx.cred, || {
            // SAFETY: The file is valid.
            to_result(unsafe { bindings::vfs_fallocate(self.as_ptr(), mode, offset, len) })
        });
        // Even a call that failed may have changed the size.
        ctx.tell_end_write(user, self, offset, result.map(|()| len as usize));
        result
    }

    /// Takes advice (`POSIX_FADV_*`) on the use of `len` bytes at `offset`; 0 means to the end.
    ///
    /// Advice that reads content ahead is a read: the hook runs first, for the bytes of the file in
    /// the range, so nothing unfilled gets into the page cache. May sleep.
    ///
    /// C: `vfs_fadvise()`, which runs no hook.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ESPIPE`, `EPERM` or another errno if a listener denies.
    pub fn fadvise<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        user: &UserFile,
        offset: Offset,
        len: Offset,
        advice: i32,
    ) -> Result {
        let mut ctx = ctx.into_raw();
        self.follow_read_flags(user)?;
        if advice == bindings::POSIX_FADV_WILLNEED {
            self.verify_readahead(&mut ctx, offset, len)?;
        }
        with_creds(ctx.cred, || {
            // SAFETY: The file is valid.
            to_result(unsafe { bindings::vfs_fadvise(self.as_ptr(), offset, len, advice) })
        })
    }

    fn verify_readahead(&self, ctx: &mut RawCtx<'_>, offset: Offset, len: Offset) -> Result {
        // What is not a range `vfs_fadvise` refuses.
        let to_end = self.inode().size().saturating_sub(offset);
        let len = if len == 0 { to_end } else { len.min(to_end) };
        if offset < 0 || len <= 0 {
            return Ok(());
        }
        let range = Range {
            pos: offset,
            // CAST: Positive.
            len: len as usize,
        };
        with_creds(ctx.cred, || self.verify::<Read>(ctx.hooks, range).map(drop))
    }
}
