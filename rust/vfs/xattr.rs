// SPDX-License-Identifier: GPL-2.0

//! Extended attributes and file attributes of a file below.
//!
//! C headers: `include/linux/xattr.h`, `include/linux/fileattr.h`.

use crate::{
    bindings,
    error::{
        to_result,
        to_size, //
    },
    mount::MountWrite,
    path::Path, //
};
use core::marker::PhantomData;
use kernel::{
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// The name of an extended attribute: to be passed on. Unlike a [`CStr`] it does not know its length, which
/// would have to be counted.
///
/// # Invariants
///
/// The pointer is to a nul-terminated string that does not change for `'a`.
#[derive(Clone, Copy)]
pub struct Name<'a>(*const c_char, PhantomData<&'a CStr>);

impl<'a> Name<'a> {
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: *const c_char) -> Self {
        // INVARIANT: By the caller's promise.
        Self(ptr, PhantomData)
    }
}

impl<'a> From<&'a CStr> for Name<'a> {
    #[inline]
    fn from(name: &'a CStr) -> Self {
        // INVARIANT: As a `CStr` is.
        Self(name.as_char_ptr(), PhantomData)
    }
}

/// Where a value, or a list of names, goes to. A caller that only asks for the size has no room.
pub struct Buffer<'a> {
    ptr: *mut c_void,
    size: usize,
    _buffer: PhantomData<&'a mut [u8]>,
}

impl Buffer<'_> {
    /// No room: for asking whether something is there, and how large it is.
    pub fn none() -> Self {
        // SAFETY: Null.
        unsafe { Self::from_raw(core::ptr::null_mut(), 0) }
    }

    /// # Safety
    ///
    /// `ptr` must be null, or valid for writes of `size` bytes for the life of the value.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: *mut c_void, size: usize) -> Self {
        Self {
            ptr,
            size,
            _buffer: PhantomData,
        }
    }
}

/// File attributes as `FS_IOC_GETFLAGS`, `FS_IOC_FSGETXATTR` and their setters know them, `struct
/// file_kattr`: to be passed on.
#[repr(transparent)]
pub struct FileAttr(Opaque<bindings::file_kattr>);

impl FileAttr {
    /// # Safety
    ///
    /// `ptr` must be valid and exclusive for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::file_kattr) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }
}

impl Path {
    /// Reads the extended attribute `name`, or its size. May sleep.
    ///
    /// C: `vfs_getxattr()`.
    ///
    /// # Errors
    ///
    /// `ENODATA`, `ERANGE` if there is not enough room, `EOPNOTSUPP`, or what the filesystem or a
    /// security module returns.
    #[inline]
    pub fn getxattr(&self, name: Name<'_>, buffer: Buffer<'_>) -> Result<usize> {
        self.inode().ok_or(ENOENT)?;
        // SAFETY: The path is valid and positive, the name nul-terminated, and the buffer writable.
        to_size(unsafe {
            bindings::vfs_getxattr(
                self.idmap().as_ptr(),
                self.dentry().as_ptr(),
                name.0,
                buffer.ptr,
                buffer.size,
            )
        })
    }

    /// Lists the names of the extended attributes, or the size of the list. May sleep.
    ///
    /// C: `vfs_listxattr()`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if there is not enough room, or what the filesystem or a security module returns.
    pub fn listxattr(&self, buffer: Buffer<'_>) -> Result<usize> {
        self.inode().ok_or(ENOENT)?;
        // SAFETY: The path is valid and positive, and the buffer writable.
        to_size(unsafe {
            bindings::vfs_listxattr(self.dentry().as_ptr(), buffer.ptr.cast(), buffer.size)
        })
    }

    /// Sets the extended attribute `name`, or removes it if there is no value. `flags` are
    /// `XATTR_*`. May sleep; takes the inode's lock.
    ///
    /// C: `vfs_setxattr()`, `vfs_removexattr()`.
    ///
    /// # Errors
    ///
    /// `EEXIST` or `ENODATA` as the flags ask, `EPERM`, `ENOSPC`, `EDQUOT`, `E2BIG`, `EOPNOTSUPP`,
    /// `EXDEV` if `write` is of another filesystem, or what the filesystem or a security module returns.
    pub fn setxattr(
        &self,
        write: &MountWrite<'_>,
        name: Name<'_>,
        value: Option<&[u8]>,
        flags: i32,
    ) -> Result {
        write.mount().has(self.dentry())?;
        self.inode().ok_or(ENOENT)?;
        let (idmap, dentry) = (self.idmap().as_ptr(), self.dentry().as_ptr());
        // SAFETY: The path is valid and positive, the name nul-terminated, and the value readable.
        to_result(unsafe {
            match value {
                Some(value) => bindings::vfs_setxattr(
                    idmap,
                    dentry,
                    name.0,
                    value.as_ptr().cast(),
                    value.len(),
                    flags as c_int,
                ),
                None => bindings::vfs_removexattr(idmap, dentry, name.0),
            }
        })
    }

    /// Reads the file attributes. May sleep.
    ///
    /// C: `vfs_fileattr_get()`.
    ///
    /// # Errors
    ///
    /// `ENOIOCTLCMD` if the filesystem has none, or what it returns.
    pub fn fileattr(&self, attr: &mut FileAttr) -> Result {
        self.inode().ok_or(ENOENT)?;
        // SAFETY: The path is valid and positive, and `attr` writable.
        to_result(unsafe { bindings::vfs_fileattr_get(self.dentry().as_ptr(), attr.0.get()) })
    }

    /// Sets the file attributes. May sleep; takes the inode's lock.
    ///
    /// C: `vfs_fileattr_set()`.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EOPNOTSUPP` for an attribute the filesystem does not have, `ENOIOCTLCMD` if it has
    /// none, `EXDEV` if `write` is of another filesystem, or what it returns.
    pub fn set_fileattr(&self, write: &MountWrite<'_>, attr: &mut FileAttr) -> Result {
        write.mount().has(self.dentry())?;
        self.inode().ok_or(ENOENT)?;
        // SAFETY: The path is valid and positive, and `attr` exclusive.
        to_result(unsafe {
            bindings::vfs_fileattr_set(self.idmap().as_ptr(), self.dentry().as_ptr(), attr.0.get())
        })
    }
}
