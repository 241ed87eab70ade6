// SPDX-License-Identifier: GPL-2.0

//! Mounts, their id mappings, and write access to them.
//!
//! C header: `include/linux/mount.h`.

use crate::{
    bindings,
    dentry::Dentry,
    error::to_result,
    hooks::HookContext,
    super_block::SuperBlock, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

/// A mounted filesystem tree, `struct vfsmount`.
///
/// # Invariants
///
/// Reference-counted by `mntget` and `mntput`.
#[repr(transparent)]
pub struct Mount(Opaque<bindings::vfsmount>);

// SAFETY: A mount's reference may be dropped by any task, and the methods only call C functions
// that synchronise by themselves.
unsafe impl Send for Mount {}

// SAFETY: As for `Send`.
unsafe impl Sync for Mount {}

// SAFETY: By the type invariant the count keeps the mount alive.
unsafe impl AlwaysRefCounted for Mount {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: A shared reference means the count is not zero.
        unsafe { bindings::mntget(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `Mount` is a transparent wrapper.
        unsafe { bindings::mntput(obj.cast().as_ptr()) };
    }
}

impl Mount {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be a valid mount with a positive count for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::vfsmount) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::vfsmount {
        self.0.get()
    }

    /// The super block of the mounted filesystem.
    pub fn super_block(&self) -> &SuperBlock {
        // SAFETY: A mount keeps its super block.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).mnt_sb) }
    }

    /// Checks that `dentry` is of the mounted filesystem.
    ///
    /// # Errors
    ///
    /// `EXDEV` if not.
    #[inline]
    pub(crate) fn has(&self, dentry: &Dentry) -> Result {
        // SAFETY: Both are valid; `mnt_sb` and `d_sb` do not change.
        if unsafe { (*self.as_ptr()).mnt_sb == (*dentry.as_ptr()).d_sb } {
            Ok(())
        } else {
            Err(EXDEV)
        }
    }

    /// How ids of this mount's users translate to those of its filesystem.
    ///
    /// C: `mnt_idmap()`.
    #[inline]
    pub fn idmap(&self) -> &Idmap {
        // SAFETY: The mount holds a reference to its idmap for as long as it lives. What is behind
        // the pointer is read through it, so after it.
        unsafe { Idmap::from_raw((&raw const (*self.as_ptr()).mnt_idmap).read_volatile()) }
    }

    /// Whether ids of this mount's users are other ones than those of its filesystem.
    ///
    /// C: `is_idmapped_mnt()`.
    pub fn is_idmapped(&self) -> bool {
        // SAFETY: The mount is valid.
        unsafe { bindings::is_idmapped_mnt(self.as_ptr()) }
    }

    /// Gets write access to the mount and protects its filesystem against freezing until the
    /// returned guard is dropped. No hook can run while it lives.
    ///
    /// May sleep while the filesystem is frozen. A locked directory or inode of this filesystem
    /// must not be held: freezing takes its locks in the other order.
    ///
    /// C: `mnt_want_write()`.
    ///
    /// # Errors
    ///
    /// `EROFS` if the mount or its filesystem is read-only.
    pub fn want_write<'a>(&'a self, hooks: &'a mut HookContext) -> Result<MountWrite<'a>> {
        let _ = hooks;
        // SAFETY: The mount is valid.
        to_result(unsafe { bindings::mnt_want_write(self.as_ptr()) })?;
        debug_assert!(!cfg!(CONFIG_LOCKDEP) || self.super_block().write_started());
        // INVARIANT: Write access was just granted, and is given back once, on drop.
        Ok(MountWrite {
            mount: self.as_ptr(),
            _borrow: PhantomData,
        })
    }
}

/// Write access to a mount, with its filesystem protected against freezing.
///
/// # Invariants
///
/// Write access was granted to `mount` and not given back yet.
pub struct MountWrite<'a> {
    mount: *mut bindings::vfsmount,
    _borrow: PhantomData<(&'a Mount, &'a mut HookContext)>,
}

impl MountWrite<'_> {
    /// The mount that may be written to.
    pub fn mount(&self) -> &Mount {
        // SAFETY: The mount is borrowed for longer than this guard lives.
        unsafe { Mount::from_raw(self.mount) }
    }
}

impl Drop for MountWrite<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::mnt_drop_write(self.mount) };
    }
}

/// The id mapping of a mount, `struct mnt_idmap`.
///
/// # Invariants
///
/// Valid for as long as the reference; a mount keeps its mapping alive.
#[repr(transparent)]
pub struct Idmap(Opaque<bindings::mnt_idmap>);

impl Idmap {
    /// # Safety
    ///
    /// `ptr` must be a valid id mapping for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::mnt_idmap) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// Whether it leaves all ids as they are. C: `nop_mnt_idmap`.
    #[inline]
    pub(crate) fn is_nop(&self) -> bool {
        core::ptr::eq(self.as_ptr(), &raw const bindings::nop_mnt_idmap)
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }
}
