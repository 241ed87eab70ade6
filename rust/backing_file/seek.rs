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

const SEEK_DATA: i32 = bindings::SEEK_DATA as i32;
const SEEK_HOLE: i32 = bindings::SEEK_HOLE as i32;

impl BackingFile {
    /// Moves the position of the user file as the backing filesystem defines it (`SEEK_DATA`,
    /// `SEEK_HOLE`, the end, the largest position) and returns the new one.
    ///
    /// All of a file with a pre-content watcher is data, since a hole may be content to be filled.
    ///
    /// `lock` is the lock of the user inode, which keeps two users of one file apart.
    ///
    /// C: `vfs_llseek()` as `ovl_llseek()` uses it.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ENXIO` if there is no data or hole behind `offset`, `EOVERFLOW`.
    pub fn llseek<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        user: &UserFile,
        offset: Offset,
        whence: i32,
    ) -> Result<Offset> {
        lock.is_of(user.inode())?;
        if self.has_pre_content_watch() && (whence == SEEK_DATA || whence == SEEK_HOLE) {
            return self.seek_in_watched(user, offset, whence);
        }
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
        // Whoever asks for the end may go on with something the VFS checks against the user inode.
        user.inode().refresh(self.inode(), self.idmap());
        if pos < 0 {
            // CAST: An errno.
            return Err(Error::from_errno(pos as i32));
        }
        Ok(pos)
    }

    /// A hole in a watched file may be content that was not filled yet, and nobody can be asked
    /// without a range: all of the file is data.
    fn seek_in_watched(&self, user: &UserFile, offset: Offset, whence: i32) -> Result<Offset> {
        let size = self.inode().size();
        if !(0..size).contains(&offset) {
            return Err(ENXIO);
        }
        let pos = if whence == SEEK_DATA { offset } else { size };
        // SAFETY: As in `llseek`.
        unsafe { (*user.as_ptr()).f_pos = pos };
        Ok(pos)
    }
}
