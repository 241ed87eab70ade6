// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists, as they pass through a stacking filesystem.
//!
//! C headers: `include/linux/posix_acl.h`, `include/linux/posix_acl_xattr.h`.

use crate::{
    bindings,
    inode::Inode,
    mount::MountWrite,
    path::Path, //
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
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
#[must_use = "found for the VFS: return it"]
pub struct FoundAcl(*mut bindings::posix_acl);

impl FoundAcl {
    /// Nothing was found, because of `err`.
    pub fn error(err: Error) -> Self {
        Self(err.to_ptr())
    }

    pub(crate) fn into_raw(self) -> *mut bindings::posix_acl {
        self.0
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

impl Inode {
    /// Finds the list of this inode. With `rcu` it does not sleep and finds what is in memory; then
    /// what it found is valid for the walk in RCU mode that asks.
    ///
    /// C: `get_inode_acl()`, `get_cached_acl_rcu()`.
    pub fn find_acl(&self, kind: AclType, rcu: bool) -> FoundAcl {
        // SAFETY: The inode is valid.
        FoundAcl(unsafe {
            if rcu {
                bindings::get_cached_acl_rcu(self.as_ptr(), kind.as_raw())
            } else {
                bindings::get_inode_acl(self.as_ptr(), kind.as_raw())
            }
        })
    }
}

impl Path {
    /// Finds the list of the file. May sleep.
    ///
    /// C: `vfs_get_acl()`.
    pub fn find_acl(&self, kind: AclType) -> FoundAcl {
        if self.inode().is_none() {
            return FoundAcl::error(ENOENT);
        }
        // SAFETY: The path is valid and positive.
        FoundAcl(unsafe {
            bindings::vfs_get_acl(
                self.idmap().as_ptr(),
                self.dentry().as_ptr(),
                bindings::posix_acl_xattr_name(kind.as_raw()),
            )
        })
    }

    /// Sets or removes the list of the file. May sleep; takes the inode's lock.
    ///
    /// C: `vfs_set_acl()`, `vfs_remove_acl()`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`, `EPERM`, `ENOSPC`, `EROFS`, or what the filesystem returns.
    pub fn set_acl(&self, _write: &MountWrite<'_>, kind: AclType, acl: NewAcl<'_>) -> Result {
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
