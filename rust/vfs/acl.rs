// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists, as they pass through a stacking filesystem.
//!
//! C headers: `include/linux/posix_acl.h`, `include/linux/posix_acl_xattr.h`.

use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    inode::Inode,
    mount::MountWrite,
    path::Path,
    Walk,
    Walked, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop, //
};
use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// Which of the two lists of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclType {
    /// The one that decides on access to the file.
    Access,
    /// The one that new files in the directory get.
    Default,
}

impl AclType {
    pub(crate) fn from_raw(raw: c_int) -> Self {
        if raw == bindings::ACL_TYPE_DEFAULT {
            Self::Default
        } else {
            Self::Access
        }
    }

    fn as_raw(self) -> c_int {
        match self {
            Self::Access => bindings::ACL_TYPE_ACCESS,
            Self::Default => bindings::ACL_TYPE_DEFAULT,
        }
    }
}

/// What a search for a list found, for the VFS to use: a list, none, or an error.
///
/// # Invariants
///
/// `acl` is null, an error pointer, or a list: one that the value owns a reference to if `owned`, or
/// else one that is valid for `'a`, the operation of a path walk in RCU mode.
#[must_use = "found for the VFS: return it"]
pub struct FoundAcl<'a> {
    acl: *mut bindings::posix_acl,
    owned: bool,
    _walk: PhantomData<&'a ()>,
}

impl FoundAcl<'_> {
    /// Nothing was found, because of `err`.
    pub fn error(err: Error) -> Self {
        // INVARIANT: An error pointer.
        Self {
            acl: err.to_ptr(),
            owned: false,
            _walk: PhantomData,
        }
    }

    /// What the C function found whose caller gets a reference.
    ///
    /// # Safety
    ///
    /// `acl` must be null, an error pointer, or a list with a reference for the new value.
    unsafe fn owned(acl: *mut bindings::posix_acl) -> Self {
        // INVARIANT: By the caller's promise; neither null nor an error is a list to give back.
        Self {
            acl,
            owned: from_err_ptr(acl).is_ok_and(|acl| !acl.is_null()),
            _walk: PhantomData,
        }
    }

    /// Passes it on to the VFS.
    pub(crate) fn into_raw(self) -> *mut bindings::posix_acl {
        ManuallyDrop::new(self).acl
    }
}

impl Drop for FoundAcl<'_> {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: By the type invariant the reference is ours.
            unsafe { bindings::posix_acl_release(self.acl) };
        }
    }
}

/// A list that is being set; `None` removes.
pub struct NewAcl<'a>(*mut bindings::posix_acl, PhantomData<&'a ()>);

impl NewAcl<'_> {
    /// # Safety
    ///
    /// `ptr` must be null, or valid for the life of the value and the current task's to change.
    pub(crate) unsafe fn from_raw(ptr: *mut bindings::posix_acl) -> Self {
        Self(ptr, PhantomData)
    }
}

impl Walked<Inode> {
    /// Finds the list of this inode. If `walk` is in RCU mode it does not sleep and finds what is in
    /// memory.
    ///
    /// C: `get_inode_acl()`, `get_cached_acl_rcu()`.
    pub fn find_acl(&self, walk: Walk<'_>, kind: AclType) -> FoundAcl<'_> {
        if walk.is_rcu() {
            // INVARIANT: Lists are freed after an RCU grace period.
            return FoundAcl {
                // SAFETY: The inode is valid, and the walk in an RCU critical section.
                acl: unsafe { bindings::get_cached_acl_rcu(self.as_ptr(), kind.as_raw()) },
                owned: false,
                _walk: PhantomData,
            };
        }
        // SAFETY: The inode is referenced by who called the operation of the walk; the C function
        // returns a reference.
        unsafe { FoundAcl::owned(bindings::get_inode_acl(self.as_ptr(), kind.as_raw())) }
    }
}

impl Path {
    /// Finds the list of the file. May sleep.
    ///
    /// C: `vfs_get_acl()`.
    pub fn find_acl(&self, kind: AclType) -> FoundAcl<'static> {
        if self.inode().is_none() {
            return FoundAcl::error(ENOENT);
        }
        // SAFETY: The path is valid and positive; the C function returns a reference.
        unsafe {
            FoundAcl::owned(bindings::vfs_get_acl(
                self.idmap().as_ptr(),
                self.dentry().as_ptr(),
                bindings::posix_acl_xattr_name(kind.as_raw()),
            ))
        }
    }

    /// Sets or removes the list of the file. May sleep; takes the inode's lock.
    ///
    /// C: `vfs_set_acl()`, `vfs_remove_acl()`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`, `EPERM`, `ENOSPC`, `EROFS`, `EXDEV` if `write` is of another filesystem, or what
    /// the filesystem returns.
    pub fn set_acl(&self, write: &MountWrite<'_>, kind: AclType, acl: NewAcl<'_>) -> Result {
        write.mount().has(self.dentry())?;
        self.inode().ok_or(ENOENT)?;
        let (idmap, dentry) = (self.idmap().as_ptr(), self.dentry().as_ptr());
        // SAFETY: The path is valid and positive, and the list, whose ids the C function translates,
        // is this task's.
        to_result(unsafe {
            let name = bindings::posix_acl_xattr_name(kind.as_raw());
            if acl.0.is_null() {
                bindings::vfs_remove_acl(idmap, dentry, name)
            } else {
                bindings::vfs_set_acl(idmap, dentry, name, acl.0)
            }
        })
    }
}
