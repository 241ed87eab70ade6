// SPDX-License-Identifier: GPL-2.0

//! Reading and writing with an iocb, synchronous; what is asynchronous goes on in [`crate::aio`].

use crate::{
    aio,
    context::{
        Callbacks,
        Ctx,
        RawCtx,
        UserFile, //
    },
    flags::IocbFlags,
    range::{
        Range,
        Read, //
    },
    BackingFile, //
};
use kernel::{
    fs::{
        file::Offset,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    types::ForeignOwnable, //
};
use vfs::{
    attr::Stat,
    bindings,
    error::to_result,
    inode::InodeGuard,
    with_creds, //
};

impl BackingFile {
    /// Reads from the position of `iocb` into `iter`.
    ///
    /// The iocb is used up: with `Err(EIOCBQUEUED)` it completes later, perhaps has already. The
    /// backing file's hook runs for the bytes asked for. Flags of the iocb that reach the backing
    /// filesystem: `NOWAIT`, `HIPRI`, `DIRECT`, and for writes `DSYNC`, `SYNC`, `APPEND`, `ATOMIC`.
    ///
    /// May sleep.
    ///
    /// C: `backing_file_read_iter()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for direct I/O where the backing file has none, `EPERM` or another errno if a
    /// listener denies, `ENOMEM` if an asynchronous request cannot be set up (nothing was
    /// started), `EAGAIN` with `NOWAIT`, or what the filesystem returns.
    #[inline]
    pub fn read_iter<T: ForeignOwnable, C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        iocb: Kiocb<'_, T>,
        iter: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        // SAFETY: The iocb and the iterator are valid, and handed over.
        unsafe { read(self, ctx.into_raw(), iocb.as_raw(), iter.as_raw()) }
    }

    /// Writes `iter` at the position of `iocb`.
    ///
    /// As [`BackingFile::read_iter`]. Set-id bits and file capabilities that a write takes away are
    /// taken from the user file when the hook has allowed the write. With `APPEND`, the hook runs for the
    /// bytes behind the end of the file, as that is when the hook runs. `end_write` runs when the position
    /// is final.
    ///
    /// `lock` is the lock of the user inode.
    ///
    /// C: `backing_file_write_iter()`.
    ///
    /// # Errors
    ///
    /// As [`BackingFile::read_iter`], and `EIO` if it is another lock, `EPERM` if the backing inode is
    /// append-only and the request does not append, `ENOSPC`, `EDQUOT`, `EFBIG`, `EROFS`.
    #[inline]
    pub fn write_iter<T: ForeignOwnable, C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        iocb: Kiocb<'_, T>,
        iter: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        // SAFETY: The iocb, and so its file, is valid.
        lock.is_of(unsafe { UserFile::from_raw((*iocb.as_raw()).ki_filp) }.inode())?;
        // SAFETY: The iocb and the iterator are valid, and handed over.
        unsafe { write(self, ctx.into_raw(), iocb.as_raw(), iter.as_raw()) }
    }

    /// Lets the user inode know of changes that were made underneath. C: `ovl_copyattr()`.
    fn refresh(&self, user: &UserFile) -> Result {
        self.ask_below()?;
        user.inode().refresh(self.inode(), self.mount());
        Ok(())
    }

    /// Lets the backing inode know of changes that were made underneath it, if it is a stacked one itself.
    fn ask_below(&self) -> Result {
        if self.inode().is_stacked() {
            self.path()
                .getattr(&mut Stat::new(), bindings::STATX_BASIC_STATS, 0)?;
        }
        Ok(())
    }

    /// The size of the file in bytes, as of now, through all layers. Acts with the current credentials.
    pub(crate) fn current_size(&self) -> Result<Offset> {
        self.ask_below()?;
        Ok(self.inode().size())
    }

    /// Whether a write under `flags` leaves the backing inode append-only, if it is.
    ///
    /// `F_SETFL` and `RWF_NOAPPEND` take append mode off the user file and ask its inode alone.
    #[inline]
    pub(crate) fn may_write(&self, flags: IocbFlags) -> Result {
        if !flags.is_append() && self.lost_append() {
            return Err(EPERM);
        }
        Ok(())
    }

    /// Whether the file was opened to append only, and has to stay so. For a user file that does not
    /// append any more; one that was opened before the inode was made append-only goes on writing.
    #[inline]
    pub(crate) fn lost_append(&self) -> bool {
        self.flags() & bindings::O_APPEND != 0 && self.inode().is_append_only()
    }

    /// Takes set-id bits and file capabilities off the user file, as a change of its content by the
    /// current task does.
    ///
    /// The lock of the user inode must be held. Nothing to do if the backing inode, whose state is
    /// the true one, is known to have none.
    ///
    /// C: `file_remove_privs()`.
    #[inline]
    pub(crate) fn remove_privs(&self, user: &UserFile) -> Result {
        if self.inode().is_nosec() {
            return Ok(());
        }
        self.refresh(user)?;
        // SAFETY: The user file is valid.
        to_result(unsafe { bindings::file_remove_privs(user.as_ptr()) })
    }
}

/// How many bytes `iter` has left. C: `iov_iter_count()`.
///
/// # Safety
///
/// `iter` must be valid.
#[inline]
pub(crate) unsafe fn count(iter: *const bindings::iov_iter) -> usize {
    // SAFETY: By the caller's promise.
    unsafe { (*iter).__bindgen_anon_1.__bindgen_anon_1.as_ref().count }
}

/// Whether the submitter waits for the request itself. C: `is_sync_kiocb()`.
///
/// # Safety
///
/// `iocb` must be valid and not submitted yet.
#[inline]
unsafe fn is_sync(iocb: *const bindings::kiocb) -> bool {
    // SAFETY: By the caller's promise.
    unsafe { (*iocb).ki_complete.is_none() }
}

/// An iocb for the backing file that does what `user` asks for, under `flags`, at its position.
///
/// # Safety
///
/// `user` must be valid and not submitted yet.
#[inline]
pub(crate) unsafe fn clone_iocb(
    backing: &BackingFile,
    user: *const bindings::kiocb,
    flags: i32,
) -> bindings::kiocb {
    // SAFETY: By the caller's promise.
    unsafe {
        bindings::kiocb {
            ki_filp: backing.as_ptr(),
            ki_pos: (*user).ki_pos,
            ki_flags: flags,
            ki_ioprio: (*user).ki_ioprio,
            ..pin_init::zeroed()
        }
    }
}

/// Runs `f` while `iocb` is a request for `backing` under `flags`, at its position.
///
/// For a request that is waited for: it is its submitter's again before that looks at it. What is
/// not waited for may complete meanwhile, and needs an iocb of its own ([`clone_iocb`]).
///
/// # Safety
///
/// `iocb` must be valid, synchronous, and that of an operation being submitted.
#[inline]
unsafe fn lend_iocb<R>(
    iocb: *mut bindings::kiocb,
    backing: &BackingFile,
    flags: i32,
    f: impl FnOnce() -> R,
) -> R {
    // SAFETY: By the caller's promise nobody else uses the iocb until `f` returns.
    unsafe {
        let (user, user_flags) = ((*iocb).ki_filp, (*iocb).ki_flags);
        (*iocb).ki_filp = backing.as_ptr();
        (*iocb).ki_flags = flags;
        let result = f();
        (*iocb).ki_filp = user;
        (*iocb).ki_flags = user_flags;
        result
    }
}

/// The core of [`BackingFile::read_iter`].
///
/// # Safety
///
/// As [`submit_read`].
#[inline]
unsafe fn read(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> Result<usize> {
    // SAFETY: By the caller's promise.
    unsafe {
        if count(iter) == 0 {
            return Ok(0);
        }
        backing.follow_read_flags(UserFile::from_raw((*iocb).ki_filp))?;
        submit_read(backing, ctx, iocb, iter, IocbFlags::of((*iocb).ki_flags))
    }
}

/// Reads under `flags`. Whatever else is in the user file's and the iocb's flags was seen to.
///
/// # Safety
///
/// `iocb` and `iter` must be valid; the iocb must be that of an operation being submitted, and is
/// not the caller's any more after an error `EIOCBQUEUED`.
#[inline]
pub(crate) unsafe fn submit_read(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
    flags: IocbFlags,
) -> Result<usize> {
    // SAFETY: By the caller's promise.
    unsafe {
        let user = UserFile::from_raw((*iocb).ki_filp);
        if flags.is_direct() && !backing.can_direct() {
            return Err(EINVAL);
        }

        // Asked first: no hook runs for what cannot work.
        backing.may_read()?;

        if !is_sync(iocb) {
            let RawCtx {
                hooks,
                cred,
                accessed,
                ..
            } = ctx;
            return aio::read(backing, hooks, cred, accessed, iocb, iter, flags);
        }
        let range = Range {
            pos: (*iocb).ki_pos,
            len: count(iter),
        };
        let result = with_creds(ctx.cred, || {
            let verified = backing.verify::<Read>(ctx.hooks, range)?;
            lend_iocb(iocb, backing, flags.bits(), || {
                verified.read_iter(iocb, iter)
            })
        });
        ctx.tell_accessed(user, backing);
        result
    }
}

/// The core of [`BackingFile::write_iter`].
///
/// # Safety
///
/// As [`submit_write`].
#[inline]
unsafe fn write(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> Result<usize> {
    // SAFETY: By the caller's promise.
    unsafe {
        if count(iter) == 0 {
            return Ok(0);
        }
        let flags = IocbFlags::of((*iocb).ki_flags);
        backing.may_write(flags)?;
        submit_write(backing, ctx, iocb, iter, flags)
    }
}

/// Writes under `flags`. Whatever else is in the user file's flags was seen to.
///
/// # Safety
///
/// As [`submit_read`]; the lock of the user inode must be held.
#[inline]
pub(crate) unsafe fn submit_write(
    backing: &BackingFile,
    ctx: RawCtx<'_>,
    iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
    flags: IocbFlags,
) -> Result<usize> {
    // SAFETY: By the caller's promise.
    unsafe {
        let user = UserFile::from_raw((*iocb).ki_filp);
        if flags.is_direct() && !backing.can_direct() {
            return Err(EINVAL);
        }
        if flags.is_append() {
            // The filesystem does this under its own lock; done here as well, the hook is told
            // where the bytes will go.
            (*iocb).ki_pos = with_creds(ctx.cred, || backing.current_size())?;
        }

        let range = Range {
            pos: (*iocb).ki_pos,
            len: count(iter),
        };
        let verified = backing.verify_write(ctx.hooks, ctx.cred, range)?;
        ctx.privs.remove(backing, user)?;
        if !is_sync(iocb) {
            return aio::write(verified, ctx.cred, ctx.end_write, iocb, iter, flags);
        }
        let write_flags = flags.bits() | bindings::IOCB_WRITE as i32;
        let started = verified.start_write();
        let result = lend_iocb(iocb, backing, write_flags, || {
            with_creds(ctx.cred, || started.write_iter(iocb, iter))
        });
        ctx.tell_end_write(user, backing, (*iocb).ki_pos, result);
        result
    }
}

#[kunit_tests(backing_file_iter)]
mod tests {
    use super::*;

    #[test]
    fn an_iocb_without_completion_is_synchronous() {
        unsafe extern "C" fn complete(_iocb: *mut bindings::kiocb, _result: kernel::ffi::c_long) {}

        let mut iocb: bindings::kiocb = pin_init::zeroed();
        // SAFETY: Valid, and never submitted.
        assert!(unsafe { is_sync(&iocb) });
        iocb.ki_complete = Some(complete);
        // SAFETY: As above.
        assert!(!unsafe { is_sync(&iocb) });
    }
}
