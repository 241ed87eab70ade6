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
    prelude::*,
    types::NotThreadSafe, //
};
use vfs::{
    bindings,
    inode::InodeGuard,
    with_creds, //
};

const SEEK_DATA: i32 = bindings::SEEK_DATA as i32;
const SEEK_HOLE: i32 = bindings::SEEK_HOLE as i32;

/// Evidence that the current task holds the lock of a backing file's position.
///
/// # Invariants
///
/// The lock is held by this task until the guard is dropped.
pub(crate) struct PositionGuard<'a> {
    file: &'a BackingFile,
    _not_send: NotThreadSafe,
}

impl Drop for PositionGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::file_pos_unlock(self.file.as_ptr()) };
    }
}

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
        let ctx = ctx.into_raw();
        if self.has_pre_content_watch() && (whence == SEEK_DATA || whence == SEEK_HOLE) {
            let size = with_creds(ctx.cred, || self.current_size())?;
            return seek_in_watched(user, size, offset, whence);
        }
        let position = self.lock_position();
        // SAFETY: Both files are valid. The position of the backing file is locked, and that of the
        // user file used by whoever called its llseek.
        let pos = with_creds(ctx.cred, || unsafe {
            let (own, user) = (self.as_ptr(), user.as_ptr());
            (*own).f_pos = (*user).f_pos;
            let pos = bindings::vfs_llseek(own, offset, whence);
            (*user).f_pos = (*own).f_pos;
            pos
        });
        drop(position);
        // Whoever asks for the end may go on with something the VFS checks against the user inode.
        user.inode().refresh(self.inode(), self.mount());
        if pos < 0 {
            // CAST: An errno.
            return Err(Error::from_errno(pos as i32));
        }
        Ok(pos)
    }

    /// Locks the position of the backing file, and what the filesystem keeps for the position of an
    /// open directory. The user file's lock does not do: another user file may have the same backing
    /// file. Files that are neither regular nor directories have none.
    ///
    /// C: `fdget_pos()`.
    pub(crate) fn lock_position(&self) -> PositionGuard<'_> {
        // SAFETY: The file is valid.
        unsafe { bindings::file_pos_lock(self.as_ptr()) };
        // INVARIANT: Just locked.
        PositionGuard {
            file: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// A hole in a watched file, which has `size` bytes, may be content that was not filled yet, and nobody can
/// be asked without a range: all of the file is data.
fn seek_in_watched(user: &UserFile, size: Offset, offset: Offset, whence: i32) -> Result<Offset> {
    if !(0..size).contains(&offset) {
        return Err(ENXIO);
    }
    let pos = if whence == SEEK_DATA { offset } else { size };
    // SAFETY: The user file is valid, and its position used by whoever called its llseek.
    unsafe { (*user.as_ptr()).f_pos = pos };
    Ok(pos)
}
