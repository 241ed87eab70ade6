// SPDX-License-Identifier: GPL-2.0

//! Moving bytes between a backing file and a pipe.

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
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    file::Pipe,
    inode::InodeGuard,
    with_creds, //
};

impl BackingFile {
    /// Moves up to `len` bytes at `pos` into `pipe`, which is locked, with the backing filesystem's
    /// own method. The hook runs for the bytes asked for.
    ///
    /// May sleep.
    ///
    /// C: `backing_file_splice_read()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the file cannot be spliced from, `EPERM` or another errno if a listener denies,
    /// or what the filesystem returns.
    #[inline]
    pub fn splice_read<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        user: &UserFile,
        pos: &mut Offset,
        pipe: &mut Pipe,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        self.follow_read_flags(user)?;
        read(self, ctx.into_raw(), user, pos, pipe, len, flags)
    }

    /// Moves up to `len` bytes out of `pipe`, which is not locked, to `pos`, with the backing
    /// filesystem's own method.
    ///
    /// The hook runs for the bytes announced, before the backing filesystem is protected against
    /// freezing and before the pipe is locked. `lock` is the lock of the user inode.
    ///
    /// A stacking filesystem must not use `iter_file_splice_write` as its own method instead: that
    /// locks the pipe first and the files after it, against the order of a write.
    ///
    /// May sleep.
    ///
    /// C: `backing_file_splice_write()`, which runs no hook.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the file cannot be spliced to, `EPERM` if it is append-only and append mode was
    /// taken away, or if a listener denies (or the errno it gives), or what the filesystem returns.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    pub fn splice_write<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        pipe: &mut Pipe,
        user: &UserFile,
        pos: &mut Offset,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        lock.is_of(user.inode())?;
        may_write(self)?;
        self.follow_flags(user)?;
        write(self, ctx.into_raw(), pipe, user, pos, len, flags)
    }
}

/// The core of [`BackingFile::splice_read`]. The user file's flags were seen to.
#[inline]
pub(crate) fn read(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    user: &UserFile,
    pos: &mut Offset,
    pipe: &mut Pipe,
    len: usize,
    flags: u32,
) -> Result<usize> {
    let range = Range { pos: *pos, len };
    let result = with_creds(ctx.cred, || {
        let verified = backing.verify::<Read>(ctx.hooks, range)?;
        verified.splice_read(pos, pipe, flags)
    });
    ctx.tell_accessed(user, backing);
    result
}

/// Whether bytes can be moved to the file. Asked first: nothing may happen, no hook and no loss of
/// set-id bits, for what cannot work.
#[inline]
pub(crate) fn may_write(backing: &BackingFile) -> Result {
    if backing.operations().splice_write.is_none() {
        return Err(EINVAL);
    }
    // Splice refuses a user file in append mode, so append mode was taken away.
    if backing.lost_append() {
        return Err(EPERM);
    }
    Ok(())
}

/// The core of [`BackingFile::splice_write`]. It was asked whether that may be, and the user file's
/// flags were seen to.
#[inline]
pub(crate) fn write(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    pipe: &mut Pipe,
    user: &UserFile,
    pos: &mut Offset,
    len: usize,
    flags: u32,
) -> Result<usize> {
    let verified = backing.verify_write(ctx.hooks, ctx.cred, Range { pos: *pos, len })?;
    ctx.privs.remove(backing, user)?;
    let started = verified.start_write();
    let (end, result) = with_creds(ctx.cred, || started.splice_write(pipe, flags));
    *pos = end;
    ctx.tell_end_write(user, backing, end, result);
    result
}
