// SPDX-License-Identifier: GPL-2.0

//! Ranges of a backing file: verified first, written to afterwards.
//!
//! What changes content is called here directly and not through the functions of the VFS
//! (`vfs_iocb_iter_write` and the like), because two things have to happen between the hook and the
//! change: privileges are taken off the user file, but only if the hook has allowed the change; and
//! only then the backing filesystem is protected against freezing. Some of those functions do not run
//! the hook at all.

mod copy;

use crate::BackingFile;
use core::marker::PhantomData;
use kernel::{
    cred::Credential,
    ffi::c_uint,
    fs::file::Offset,
    prelude::*,
    types::NotThreadSafe, //
};
use vfs::{
    bindings,
    error::{
        to_result,
        to_size, //
    },
    file::Pipe,
    with_creds,
    HookContext, //
};

/// `len` bytes of a file at `pos`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub pos: Offset,
    /// How many bytes.
    pub len: usize,
}

/// How a range is accessed: [`Read`] or [`Write`].
pub trait Access: sealed::Sealed {
    #[doc(hidden)]
    const DIRECTION: i32;
}

/// The content is read.
pub struct Read(());

/// The content is changed.
pub struct Write(());

impl Access for Read {
    const DIRECTION: i32 = bindings::READ as i32;
}

impl Access for Write {
    const DIRECTION: i32 = bindings::WRITE as i32;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Read {}
    impl Sealed for super::Write {}
}

/// `f_op->splice_read`
type SpliceRead = unsafe extern "C" fn(
    *mut bindings::file,
    *mut Offset,
    *mut bindings::pipe_inode_info,
    usize,
    c_uint,
) -> isize;

/// Proof that the hooks allowed an access to a range of a file.
///
/// # Invariants
///
/// The hooks ran for `range` of `file`, and since then no freeze protection was taken that is still held:
/// `hooks` is borrowed.
pub struct Verified<'a, A: Access> {
    file: &'a BackingFile,
    range: Range,
    hooks: &'a mut HookContext,
    _access: PhantomData<A>,
}

impl BackingFile {
    /// Runs the permission hooks for an access to `range`: the security modules', and the
    /// pre-content event that lets a storage manager fill it.
    ///
    /// May sleep, for as long as a listener takes. Acts with the current credentials. The kernel
    /// tells listeners whole pages.
    ///
    /// C: `rw_verify_area()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range is not one, `EPERM` or another errno if a listener denies, `EACCES` if
    /// a security module does, `EINTR` if a fatal signal ends the wait.
    #[inline]
    pub fn verify<'a, A: Access>(
        &'a self,
        hooks: &'a mut HookContext,
        range: Range,
    ) -> Result<Verified<'a, A>> {
        debug_assert!(self.write_not_started());
        let Range { pos, len } = range;
        // SAFETY: The file is valid.
        to_result(unsafe { bindings::rw_verify_area(A::DIRECTION, self.as_ptr(), &pos, len) })?;
        // INVARIANT: They ran, and `hooks` is borrowed from now on.
        Ok(Verified {
            file: self,
            range,
            hooks,
            _access: PhantomData,
        })
    }

    /// Runs the hooks for reading `range` on behalf of `cred`; see [`BackingFile::verify`].
    pub(crate) fn verify_read(
        &self,
        hooks: &mut HookContext,
        cred: &Credential,
        range: Range,
    ) -> Result {
        with_creds(cred, || self.verify::<Read>(hooks, range).map(drop))
    }

    /// Runs the hooks for changing `range` on behalf of `cred`; see [`BackingFile::verify`].
    #[inline]
    pub(crate) fn verify_write<'a>(
        &'a self,
        hooks: &'a mut HookContext,
        cred: &Credential,
        range: Range,
    ) -> Result<Verified<'a, Write>> {
        with_creds(cred, || self.verify(hooks, range))
    }

    /// Whether the current task is known to protect this file's filesystem against freezing. False
    /// in doubt, which without lockdep is always.
    ///
    /// C: `file_write_started() > 0` of a lockdep kernel.
    pub fn write_started(&self) -> bool {
        cfg!(CONFIG_LOCKDEP)
            // SAFETY: The file is valid.
            && unsafe { bindings::file_write_started(self.as_ptr()) }
    }

    /// Whether the current task may be without freeze protection of this file's filesystem. True in
    /// doubt, which without lockdep is always.
    ///
    /// C: `file_write_not_started()`.
    #[inline]
    pub fn write_not_started(&self) -> bool {
        // SAFETY: The file is valid.
        !cfg!(CONFIG_LOCKDEP) || unsafe { bindings::file_write_not_started(self.as_ptr()) }
    }
}

impl Verified<'_, Read> {
    /// Reads the verified range with the file's own method.
    ///
    /// With `Err(EIOCBQUEUED)` the iocb completes later.
    ///
    /// C: `vfs_iocb_iter_read()` without its hook.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the file has no such method, or what the filesystem returns.
    ///
    /// # Safety
    ///
    /// `iocb` and `iter` must be valid, and `iocb` one of the file, not submitted yet, that completes the
    /// request of the current operation.
    #[inline]
    pub(crate) unsafe fn read_iter(
        self,
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> Result<usize> {
        let read_iter = self.file.operations().read_iter.ok_or(EINVAL)?;
        // SAFETY: The file's own method, as the VFS calls it; by the caller's promise.
        let result = to_size(unsafe { read_iter(iocb, iter) });
        match result {
            // SAFETY: The file is valid.
            Ok(_) => unsafe { bindings::fsnotify_access(self.file.as_ptr()) },
            // SAFETY: The filesystem has it, and by the caller's promise it is that of the operation.
            Err(err) if err == EIOCBQUEUED => unsafe { self.hooks.set_queued() },
            Err(_) => {}
        }
        result
    }

    /// Moves bytes of the verified range into `pipe`, which is locked, with the file's own method.
    ///
    /// C: `vfs_splice_read()` without its hook.
    ///
    /// # Errors
    ///
    /// `EBADF` if the file was not opened for reading, `EINVAL` if it has no such method, or what the
    /// filesystem returns.
    #[inline]
    pub(crate) fn splice_read(
        self,
        pos: &mut Offset,
        pipe: &mut Pipe,
        flags: u32,
    ) -> Result<usize> {
        let file = self.file;
        if !file.can_read() {
            return Err(EBADF);
        }
        let len = self.range.len.min(pipe.room()).min(bindings::MAX_RW_COUNT);
        if len == 0 {
            return Ok(0);
        }
        let splice_read = if file.is_uncached() {
            Some(bindings::copy_splice_read as SpliceRead)
        } else {
            file.operations().splice_read
        };
        let splice_read = splice_read.ok_or(EINVAL)?;
        // SAFETY: The file's own method, or the one for any file, as the VFS calls it.
        to_size(unsafe { splice_read(file.as_ptr(), pos, pipe.as_ptr(), len, flags) })
    }
}

impl<'a> Verified<'a, Write> {
    /// The file that may be changed.
    #[inline]
    pub(crate) fn file(&self) -> &'a BackingFile {
        self.file
    }

    /// The same proof, for one of several attempts at what was verified.
    fn once_more(&mut self) -> Verified<'_, Write> {
        // INVARIANT: As of `self`, which is borrowed until this proof, and the guard made of it, are gone.
        Verified {
            file: self.file,
            range: self.range,
            hooks: self.hooks,
            _access: PhantomData,
        }
    }

    /// Protects the file's filesystem against freezing, for a change of the verified range.
    ///
    /// May sleep while the filesystem is frozen. Until the guard is dropped no hook can run.
    ///
    /// C: `file_start_write()`.
    #[inline]
    pub fn start_write(self) -> WriteStarted<'a> {
        // SAFETY: The file is valid.
        unsafe { bindings::file_start_write(self.file.as_ptr()) };
        // INVARIANT: Just started.
        WriteStarted {
            file: self.file,
            range: self.range,
            hooks: self.hooks,
            _not_send: NotThreadSafe,
        }
    }
}

/// Freeze protection of a backing file's filesystem, for a change of a verified range.
///
/// If it is leaked, the filesystem cannot be frozen any more.
///
/// # Invariants
///
/// The hooks allowed a change of `range` of `file`, and after that this task protected its
/// filesystem, until the guard is dropped.
pub struct WriteStarted<'a> {
    file: &'a BackingFile,
    range: Range,
    hooks: &'a mut HookContext,
    _not_send: NotThreadSafe,
}

impl WriteStarted<'_> {
    /// Moves bytes out of `pipe` to the verified range, with the file's own method; returns the new
    /// position as well.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the file has no such method, or what the filesystem returns.
    #[inline]
    pub(crate) fn splice_write(self, pipe: &mut Pipe, flags: u32) -> (Offset, Result<usize>) {
        debug_assert!(!cfg!(CONFIG_LOCKDEP) || self.file.write_started());
        let mut pos = self.range.pos;
        let Some(splice_write) = self.file.operations().splice_write else {
            return (pos, Err(EINVAL));
        };
        // SAFETY: The file's own method, under freeze protection as the VFS calls it.
        let ret = unsafe {
            splice_write(
                pipe.as_ptr(),
                self.file.as_ptr(),
                &mut pos,
                self.range.len,
                flags,
            )
        };
        let result = to_size(ret);
        self.tell_watchers(result);
        (pos, result)
    }

    /// Writes to the verified range with the file's own method.
    ///
    /// With `Err(EIOCBQUEUED)` the freeze protection is not ended here: it is the request's, whose
    /// completion ends it with `kiocb_end_write`.
    ///
    /// C: `vfs_iocb_iter_write()` without its hook.
    ///
    /// # Errors
    ///
    /// `EBADF` if the file cannot be written to, or what the filesystem returns.
    ///
    /// # Safety
    ///
    /// `iocb` and `iter` must be valid, and `iocb` one of the file, not submitted yet, that completes the
    /// request of the current operation.
    #[inline]
    pub(crate) unsafe fn write_iter(
        self,
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> Result<usize> {
        let file = self.file;
        let write_iter = file.operations().write_iter.filter(|_| file.can_write());
        let write_iter = write_iter.ok_or(EBADF)?;
        // SAFETY: The file's own method, under freeze protection as the VFS calls it; by the caller's
        // promise.
        let result = to_size(unsafe { write_iter(iocb, iter) });
        if result == Err(EIOCBQUEUED) {
            // Another task ends it, which lockdep is not to take for a mistake of this one.
            // SAFETY: By the type invariant it is held. The filesystem has the request, which by the caller's
            // promise is that of the operation.
            unsafe {
                bindings::sb_writers_release(file.as_ptr());
                self.hooks.set_queued();
            }
            core::mem::forget(self);
        } else {
            self.tell_watchers(result);
        }
        result
    }

    /// Allocates or frees the verified range with the file's own method; `mode` is `FALLOC_FL_*`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the file has no such method, or what the filesystem returns.
    #[inline]
    pub(crate) fn fallocate(self, mode: i32) -> Result<usize> {
        let Range { pos, len } = self.range;
        let fallocate = self.file.operations().fallocate.ok_or(EOPNOTSUPP)?;
        // SAFETY: The file's own method, under freeze protection as the VFS calls it.
        // CAST: The length was an `Offset`.
        let ret = unsafe { fallocate(self.file.as_ptr(), mode, pos, len as Offset) };
        // CAST: Zero or an errno.
        let result = to_result(ret as i32).map(|()| len);
        self.tell_watchers(result);
        result
    }

    /// Lets listeners know that the file was changed, if it was. C: `fsnotify_modify()`.
    #[inline]
    fn tell_watchers(&self, result: Result<usize>) {
        if matches!(result, Ok(n) if n > 0) {
            // SAFETY: The file is valid.
            unsafe { bindings::fsnotify_modify(self.file.as_ptr()) };
        }
    }
}

impl Drop for WriteStarted<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::file_end_write(self.file.as_ptr()) };
    }
}
