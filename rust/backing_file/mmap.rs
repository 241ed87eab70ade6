// SPDX-License-Identifier: GPL-2.0

//! Mapping a backing file.

use crate::{
    context::UserFile,
    BackingFile, //
};
use kernel::{
    cred::Credential,
    error::to_result,
    mm::virt::{
        self,
        VmaNew, //
    },
    prelude::*, //
};
use vfs::{
    bindings,
    with_creds, //
};

impl BackingFile {
    /// Makes `vma`, a mapping of the user file that is being set up, one of the backing file.
    ///
    /// The pages are the backing file's: what is written through the mapping is seen by readers of
    /// either file. `accessed` of the callbacks is the caller's to call.
    ///
    /// The lock of the address space is held for writing, so nothing here waits for user space: no
    /// hook can run, and none is asked for.
    ///
    /// C: `backing_file_mmap()`.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the backing file cannot be mapped, `EACCES` for a shared mapping of an
    /// append-only file or if a security module denies, or what the filesystem returns.
    pub fn mmap(&self, cred: &Credential, user: &UserFile, vma: &VmaNew) -> Result {
        // SAFETY: The file is valid.
        if !unsafe { bindings::can_mmap_file(self.as_ptr()) } {
            return Err(ENODEV);
        }
        // The caller's check of append mode asked the user inode.
        if vma.flags() & virt::flags::SHARED != 0 && self.inode().is_append_only() {
            return Err(EACCES);
        }
        // SAFETY: The mapping is being set up, so its file may be set; the reference to the user
        // file that this drops is not the last, `user` is borrowed.
        unsafe { bindings::vma_set_file(vma.as_ptr(), self.as_ptr()) };
        with_creds(cred, || {
            // SAFETY: All arguments are valid.
            to_result(unsafe {
                bindings::security_mmap_backing_file(vma.as_ptr(), self.as_ptr(), user.as_ptr())
            })?;
            // SAFETY: As above, and the security modules agreed.
            to_result(unsafe { bindings::vfs_mmap(self.as_ptr(), vma.as_ptr()) })
        })
    }
}
