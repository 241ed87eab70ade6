// SPDX-License-Identifier: GPL-2.0

//! Allocating and freeing the space of a file.

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    range::Range,
    BackingFile, //
};
use kernel::{
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    inode::InodeGuard,
    with_creds, //
};

impl BackingFile {
    /// Allocates, punches, moves or zeroes `len` bytes at `offset`; `mode` is `FALLOC_FL_*`. The
    /// hook runs for these bytes. `end_write` is told afterwards.
    ///
    /// `lock` is the lock of the user inode. May sleep.
    ///
    /// C: `vfs_fallocate()` as `ovl_fallocate()` uses it.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem does not have this mode, `EPERM` for an append-only or
    /// immutable file or if a listener denies, `ETXTBSY` for a swap file, `ENOSPC`, `EFBIG`, `EINVAL`,
    /// `EBADF`, `EINTR`, and `EIO` if it is another lock.
    pub fn fallocate<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        user: &UserFile,
        mode: i32,
        range: (Offset, Offset),
    ) -> Result {
        lock.is_of(user.inode())?;
        let ctx = ctx.into_raw();
        let (offset, len) = range;
        self.may_fallocate(mode, offset, len)?;

        let range = Range {
            pos: offset,
            // CAST: Positive.
            len: len as usize,
        };
        let verified = self.verify_write(ctx.hooks, ctx.cred, range)?;
        self.remove_privs(user)?;
        let started = verified.start_write();
        let result = with_creds(ctx.cred, || started.fallocate(mode));
        // Even a call that failed may have changed the size.
        ctx.tell_end_write(user, self, offset + len, result);
        result.map(drop)
    }

    /// What the VFS asked of the user file and its inode, which need not be what is to be said of this
    /// one.
    fn may_fallocate(&self, mode: i32, offset: Offset, len: Offset) -> Result {
        let inode = self.inode();
        let only_allocates = mode & !(bindings::FALLOC_FL_KEEP_SIZE) == 0;
        if offset < 0 || len <= 0 {
            return Err(EINVAL);
        }
        if !self.can_write() {
            return Err(EBADF);
        }
        if inode.is_immutable() || inode.is_append_only() && !only_allocates {
            return Err(EPERM);
        }
        if inode.is_swapfile() {
            return Err(ETXTBSY);
        }
        match offset.checked_add(len) {
            Some(end) if end <= inode.max_size() => Ok(()),
            _ => Err(EFBIG),
        }
    }
}
