// SPDX-License-Identifier: GPL-2.0

//! Paths: a dentry and the mount through which it is reached.
//!
//! C headers: `include/linux/path.h`, `include/linux/namei.h`.

use crate::{
    attr::{
        Stat,
        StatFs, //
    },
    bindings,
    dentry::Dentry,
    error::to_result,
    hooks::HookContext,
    inode::Inode,
    mount::{
        Idmap,
        Mount, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    fs::file::Offset,
    prelude::*, //
};

/// A place in the namespace, `struct path`, with a reference to its mount and its dentry.
///
/// # Invariants
///
/// Both pointers are valid, and the value owns a reference to what each points to.
#[repr(transparent)]
pub struct Path(bindings::path);

// SAFETY: The references may be dropped by any task; the objects synchronise by themselves.
unsafe impl Send for Path {}

// SAFETY: As for `Send`.
unsafe impl Sync for Path {}

impl Path {
    /// Resolves the name of a directory in the current task's namespace, following symbolic links.
    ///
    /// May sleep. Uses the current credentials.
    ///
    /// C: `kern_path()` with `LOOKUP_FOLLOW | LOOKUP_DIRECTORY`.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no such name, `ENOTDIR` if it is not a directory, `EACCES` if a
    /// directory on the way may not be searched, or what the filesystem returns.
    pub fn lookup_dir(name: &CStr) -> Result<Self> {
        let flags = (bindings::LOOKUP_FOLLOW | bindings::LOOKUP_DIRECTORY) as u32;
        let mut path = bindings::path::default();
        // SAFETY: `name` is nul-terminated and `path` is writable.
        to_result(unsafe { bindings::kern_path(name.as_char_ptr(), flags, &mut path) })?;
        // INVARIANT: On success `kern_path` took both references for us.
        Ok(Self(path))
    }

    /// Borrows a `struct path`.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a path whose mount and dentry are valid, and that does not change, for
    /// `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::path) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper. A shared reference
        // never drops the references of the path.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *const bindings::path {
        &self.0
    }

    /// The mount.
    #[inline]
    pub fn mount(&self) -> &Mount {
        // SAFETY: By the type invariant.
        unsafe { Mount::from_raw(self.0.mnt) }
    }

    /// The dentry.
    #[inline]
    pub fn dentry(&self) -> &Dentry {
        // SAFETY: By the type invariant.
        unsafe { Dentry::from_raw(self.0.dentry) }
    }

    /// The inode of the dentry, if it has one.
    #[inline]
    pub fn inode(&self) -> Option<&Inode> {
        self.dentry().inode()
    }

    /// The id mapping of the mount.
    #[inline]
    pub fn idmap(&self) -> &Idmap {
        self.mount().idmap()
    }

    /// Reads the attributes in `mask` (`STATX_*`) of the file into `stat`.
    ///
    /// `flags` are the `AT_STATX_*` of the caller. May sleep. Makes no permission check.
    ///
    /// C: `vfs_getattr_nosec()`.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the dentry has no inode, or what the filesystem returns.
    #[inline]
    pub fn getattr(&self, stat: &mut Stat, mask: u32, flags: u32) -> Result {
        self.inode().ok_or(ENOENT)?;
        // SAFETY: The path is valid and has an inode; `stat` is writable.
        to_result(unsafe { bindings::vfs_getattr_nosec(self.as_ptr(), stat.as_ptr(), mask, flags) })
    }

    /// Reads the usage figures of the filesystem into `buf`. May sleep.
    ///
    /// C: `vfs_statfs()`.
    ///
    /// # Errors
    ///
    /// What the filesystem or a security module returns; `ENOSYS` if it has no figures.
    pub fn statfs(&self, buf: &mut StatFs) -> Result {
        // SAFETY: The path is valid and `buf` is writable.
        to_result(unsafe { bindings::vfs_statfs(self.as_ptr(), buf.as_ptr()) })
    }

    /// Sets the size of a regular file to `size` bytes. May sleep.
    ///
    /// The pre-content hook runs first, then the mount is asked for write access: an event listener
    /// that fills the file never waits for a freeze that waits for us.
    ///
    /// No lock of the file's inode may be held.
    ///
    /// C: `vfs_truncate()`.
    ///
    /// # Errors
    ///
    /// `EISDIR` or `EINVAL` if it is not a regular file, `EACCES` if the current credentials may
    /// not write to it, `EPERM` if it is append-only or immutable or a listener denies, `EROFS`,
    /// `ETXTBSY` if it is being executed, `EFBIG`, `ENOSPC`, `EINTR` if a fatal signal arrives, or
    /// what a listener or the filesystem returns.
    pub fn truncate(&self, _hooks: &mut HookContext, size: Offset) -> Result {
        self.inode().ok_or(ENOENT)?;
        // The kernel checks this order for the other hooks, not for this one.
        debug_assert!(self.mount().super_block().write_not_started());
        // SAFETY: The path is valid and has an inode.
        to_result(unsafe { bindings::vfs_truncate(self.as_ptr(), size) })
    }
}

impl Clone for Path {
    fn clone(&self) -> Self {
        // SAFETY: The path is valid.
        unsafe { bindings::path_get(self.as_ptr()) };
        // INVARIANT: `path_get` took both references for the copy.
        Self(self.0)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariant both references are ours.
        unsafe { bindings::path_put(&self.0) };
    }
}

/// A [`Path`] made of a borrowed mount and a borrowed dentry: costs no reference.
pub struct PathRef<'a> {
    // Never dropped: the references are not ours.
    path: ManuallyDrop<Path>,
    _borrow: PhantomData<(&'a Mount, &'a Dentry)>,
}

impl<'a> PathRef<'a> {
    /// The place `dentry`, reached through `mount`.
    ///
    /// # Errors
    ///
    /// `EXDEV` if the dentry is not of the filesystem mounted there.
    #[inline]
    pub fn new(mount: &'a Mount, dentry: &'a Dentry) -> Result<Self> {
        mount.has(dentry)?;
        // INVARIANT: Valid for `'a`, during which the owners keep their references.
        Ok(Self {
            path: ManuallyDrop::new(Path(bindings::path {
                mnt: mount.as_ptr(),
                dentry: dentry.as_ptr(),
            })),
            _borrow: PhantomData,
        })
    }
}

impl Deref for PathRef<'_> {
    type Target = Path;

    #[inline]
    fn deref(&self) -> &Path {
        &self.path
    }
}
