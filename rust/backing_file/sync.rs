// SPDX-License-Identifier: GPL-2.0

//! Getting content to stable storage.

use crate::BackingFile;
use kernel::{
    cred::Credential,
    ffi::c_int,
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    error::to_result,
    file::FlushOwner,
    with_creds, //
};

/// The method `f_op->flush`.
type FlushMethod = unsafe extern "C" fn(*mut bindings::file, bindings::fl_owner_t) -> c_int;

impl BackingFile {
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
    #[inline]
    pub fn flush(&self, cred: &Credential, owner: FlushOwner) -> Result {
        match self.operations().flush {
            Some(flush) => self.flush_with(flush, cred, owner),
            None => Ok(()),
        }
    }

    /// Apart, so that files without this method, which most are, cost no stack frame.
    #[inline(never)]
    fn flush_with(&self, flush: FlushMethod, cred: &Credential, owner: FlushOwner) -> Result {
        with_creds(cred, || {
            // SAFETY: The file is valid, and the method its own.
            to_result(unsafe { flush(self.as_ptr(), owner.as_ptr().cast()) })
        })
    }
}
