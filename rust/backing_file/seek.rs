// SPDX-License-Identifier: GPL-2.0

//! Moving the position of a file.

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
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
}
