// SPDX-License-Identifier: GPL-2.0

//! Path walks, which look at objects without holding a reference to them.
//!
//! A walk begins in RCU mode: it takes no reference and no lock, and what it looks at may be torn down
//! on another CPU meanwhile. Where something has to sleep, or needs a reference, the answer is
//! `ECHILD`, and the VFS comes again in the other mode. The operations that a walk calls get a
//! [`Walk`], which says in which mode, and [`Walked`] objects, which cannot be referenced.
//!
//! Documentation: <https://docs.kernel.org/filesystems/path-lookup.html>.

use crate::{
    bindings,
    dentry::Dentry,
    inode::Inode, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::aref::ARef,
    types::{
        ForeignOwnable,
        NotThreadSafe, //
    },
};

/// The path walk that calls an operation, or another caller of one that a walk may call.
///
/// # Invariants
///
/// If it is not in RCU mode, the caller holds references to the objects it gave the operation. `'a` ends
/// with the operation, so it cannot be used with objects of another one.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// `LOOKUP_*`.
    flags: u32,
    _operation: PhantomData<&'a ()>,
    _not_send: NotThreadSafe,
}

impl Walk<'_> {
    /// For the operation tables of this crate.
    ///
    /// # Safety
    ///
    /// Unless `flags` have `LOOKUP_RCU`, the caller must hold references to the objects the operation
    /// gets, for the life of the value.
    #[inline]
    pub(crate) unsafe fn new(flags: u32) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            flags,
            _operation: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// As [`Walk::new`], for an operation that is told by `rcu` in which mode it is.
    ///
    /// # Safety
    ///
    /// As for [`Walk::new`].
    #[inline]
    pub(crate) unsafe fn in_mode(rcu: bool) -> Self {
        // SAFETY: By the caller's promise.
        unsafe { Self::new(if rcu { bindings::LOOKUP_RCU as u32 } else { 0 }) }
    }

    /// How names are looked up, `LOOKUP_*`.
    #[inline]
    pub(crate) fn flags(self) -> u32 {
        self.flags
    }

    /// Whether it is in RCU mode: nothing may sleep.
    #[inline]
    pub fn is_rcu(self) -> bool {
        self.flags & bindings::LOOKUP_RCU as u32 != 0
    }

    /// `mask` (`MAY_*`) with what this mode asks for.
    #[inline]
    pub(crate) fn access_mask(self, mask: i32) -> i32 {
        let may_not_block = bindings::MAY_NOT_BLOCK as i32;
        if self.is_rcu() {
            mask | may_not_block
        } else {
            mask & !may_not_block
        }
    }

    /// The object, as one that can be referenced.
    ///
    /// # Errors
    ///
    /// `ECHILD` in RCU mode.
    #[inline]
    pub fn referenced<'a, O>(self, object: &'a Walked<O>) -> Result<&'a O> {
        if self.is_rcu() {
            Err(ECHILD)
        } else {
            // By the type invariants somebody holds a reference.
            Ok(&object.0)
        }
    }
}

/// An object as a path walk sees it: valid memory, perhaps being torn down, perhaps without a
/// reference.
///
/// Every [`Inode`] and every [`Dentry`] can be taken for one.
///
/// # Invariants
///
/// The object is not freed for as long as the reference to it lives. It is one that the current
/// operation's caller reached, and referenced if that is not in RCU mode, or that is kept by such a
/// one.
#[repr(transparent)]
pub struct Walked<O>(pub(crate) O);

/// Private data of an inode or a dentry, whose referent outlives its release by an RCU grace period.
///
/// # Safety
///
/// What [`RcuRelease::borrow_walked`] returns must stay valid memory, readable in a way that tolerates
/// a concurrent teardown, until an RCU grace period has passed after the owned value was dropped.
pub unsafe trait RcuRelease: ForeignOwnable + Send + Sync {
    /// The data as a path walk sees it.
    type Walked<'a>;

    /// Borrows the data in a path walk.
    ///
    /// # Safety
    ///
    /// `ptr` must be of [`ForeignOwnable::into_foreign`], and not have been given back longer than an
    /// RCU grace period before the end of `'a`.
    unsafe fn borrow_walked<'a>(ptr: *mut kernel::ffi::c_void) -> Self::Walked<'a>;

    /// What is the same for two values that are the same data.
    ///
    /// # Safety
    ///
    /// As for [`RcuRelease::borrow_walked`].
    #[inline]
    unsafe fn identity(ptr: *mut kernel::ffi::c_void) -> *mut kernel::ffi::c_void {
        ptr
    }
}

// SAFETY: The VFS frees every inode after an RCU grace period (`destroy_inode`).
unsafe impl RcuRelease for ARef<Inode> {
    type Walked<'a> = &'a Walked<Inode>;

    #[inline]
    unsafe fn borrow_walked<'a>(ptr: *mut kernel::ffi::c_void) -> &'a Walked<Inode> {
        // SAFETY: By the caller's promise; the foreign pointer of an `ARef` is the object's.
        unsafe { Walked::<Inode>::from_raw(ptr.cast()) }
    }
}

// SAFETY: The VFS frees every dentry that a path walk can reach after an RCU grace period
// (`dentry_free`).
unsafe impl RcuRelease for ARef<Dentry> {
    type Walked<'a> = &'a Walked<Dentry>;

    #[inline]
    unsafe fn borrow_walked<'a>(ptr: *mut kernel::ffi::c_void) -> &'a Walked<Dentry> {
        // SAFETY: By the caller's promise; the foreign pointer of an `ARef` is the object's.
        unsafe { Walked::<Dentry>::from_raw(ptr.cast()) }
    }
}
