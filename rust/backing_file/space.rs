// SPDX-License-Identifier: GPL-2.0

//! Allocating and freeing the space of a file.

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    BackingFile, //
};
use kernel::{
    error::to_result,
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
    /// immutable file or if a listener denies, `ENOSPC`, `EFBIG`, `EINVAL`, `EINTR`.
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
        self.remove_privs(user)?;
        let result = with_creds(ctx.cred, || {
            // SAFETY: The file is valid.
            to_result(unsafe { bindings::vfs_fallocate(self.as_ptr(), mode, offset, len) })
        });
        // Even a call that failed may have changed the size.
        ctx.tell_end_write(
            user,
            self,
            offset.saturating_add(len),
            result.map(|()| len as usize),
        );
        result
    }
}
