// SPDX-License-Identifier: GPL-2.0

//! What a filesystem keeps of an inode or a dentry besides the one below.

use crate::walk::RcuRelease;
use core::{
    marker::PhantomData,
    mem,
    ptr::NonNull, //
};
use kernel::{
    ffi::c_void,
    prelude::*,
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// The inode or dentry below (`D`) and something of the filesystem's own (`P`): a key, a counter,
/// flags.
///
/// A path walk may look at either after both were released, so `P` is something that needs no drop;
/// what changes in it is atomic. Two boxes are the same data if what is below is.
///
/// ```ignore
/// type InodeData = RcuBox<ARef<Inode>, Atomic<u64>>;
///
/// inode.data().own().fetch_add(1, Relaxed);
/// ```
///
/// # Invariants
///
/// `slot` is from a `KBox`, and owned.
pub struct RcuBox<D: RcuRelease, P: Send + Sync + 'static> {
    slot: NonNull<Slot<P>>,
    _below: PhantomData<D>,
}

/// # Invariants
///
/// `below` is a foreign `D` of the box that this is in; owned until that is dropped.
struct Slot<P> {
    below: *mut c_void,
    own: P,
    rcu: Opaque<kernel::bindings::kvfree_rcu_head>,
}

// SAFETY: It owns a `D`, which can be sent and shared, and a `P`, which can as well.
unsafe impl<D: RcuRelease, P: Send + Sync + 'static> Send for RcuBox<D, P> {}
// SAFETY: As above.
unsafe impl<D: RcuRelease, P: Send + Sync + 'static> Sync for RcuBox<D, P> {}

impl<D: RcuRelease, P: Send + Sync + 'static> RcuBox<D, P> {
    /// Keeps `own` with what is `below`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(below: D, own: P) -> Result<Self> {
        const { assert!(!mem::needs_drop::<P>(), "a path walk may look at it later") };
        // Memory first: without it `below` is dropped as what it is.
        let slot = KBox::<Slot<P>>::new_uninit(GFP_KERNEL)?;
        let slot = KBox::write(
            slot,
            // INVARIANT: Foreign from here on.
            Slot {
                below: below.into_foreign(),
                own,
                rcu: Opaque::uninit(),
            },
        );
        Ok(Self {
            // INVARIANT: Just made, and given up by the `KBox`.
            slot: NonNull::from(KBox::leak(slot)),
            _below: PhantomData,
        })
    }
}

impl<D: RcuRelease, P: Send + Sync + 'static> Drop for RcuBox<D, P> {
    fn drop(&mut self) {
        let slot = self.slot.as_ptr();
        // SAFETY: By the type invariants. A path walk in RCU mode may be looking at the slot, which
        // is freed when that is over and has nothing to be dropped.
        unsafe {
            drop(D::from_foreign((*slot).below));
            kernel::bindings::kvfree_call_rcu((*slot).rcu.get(), slot.cast());
        }
    }
}

/// What is in an [`RcuBox`].
///
/// # Invariants
///
/// The slot is that of a box of `D` and `P` that is not dropped before the end of `'a`.
pub struct RcuBoxRef<'a, D: RcuRelease, P> {
    slot: &'a Slot<P>,
    _below: PhantomData<&'a D>,
}

impl<'a, D: RcuRelease, P> RcuBoxRef<'a, D, P> {
    /// What is below.
    #[inline]
    pub fn below(&self) -> D::Borrowed<'a>
    where
        D: 'a,
    {
        // SAFETY: By the type invariants of this and of `Slot`.
        unsafe { D::borrow(self.slot.below) }
    }

    /// The filesystem's own.
    #[inline]
    pub fn own(&self) -> &'a P {
        &self.slot.own
    }
}

/// What is in an [`RcuBox`], as a path walk sees it.
///
/// # Invariants
///
/// The slot is that of a box of `D` and `P` that was dropped, if at all, no longer than an RCU grace period
/// before the end of `'a`.
pub struct RcuBoxWalked<'a, D: RcuRelease, P> {
    slot: &'a Slot<P>,
    _below: PhantomData<fn() -> D>,
}

impl<'a, D: RcuRelease, P> RcuBoxWalked<'a, D, P> {
    /// What is below.
    #[inline]
    pub fn below(&self) -> D::Walked<'a> {
        // SAFETY: By the type invariants of this and of `Slot`: it is dropped with the box.
        unsafe { D::borrow_walked(self.slot.below) }
    }

    /// The filesystem's own.
    #[inline]
    pub fn own(&self) -> &'a P {
        &self.slot.own
    }
}

// SAFETY: The pointer is that of the slot, which is valid until the box is dropped.
unsafe impl<D: RcuRelease, P: Send + Sync + 'static> ForeignOwnable for RcuBox<D, P> {
    const FOREIGN_ALIGN: usize = mem::align_of::<Slot<P>>();

    type Borrowed<'a>
        = RcuBoxRef<'a, D, P>
    where
        Self: 'a;
    type BorrowedMut<'a>
        = RcuBoxRef<'a, D, P>
    where
        Self: 'a;

    #[inline]
    fn into_foreign(self) -> *mut c_void {
        mem::ManuallyDrop::new(self).slot.as_ptr().cast()
    }

    #[inline]
    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        Self {
            // INVARIANT: By the caller's promise it is from `into_foreign`.
            // SAFETY: As above.
            slot: unsafe { NonNull::new_unchecked(ptr.cast()) },
            _below: PhantomData,
        }
    }

    #[inline]
    unsafe fn borrow<'a>(ptr: *mut c_void) -> RcuBoxRef<'a, D, P> {
        // INVARIANT: By the caller's promise.
        RcuBoxRef {
            // SAFETY: As above.
            slot: unsafe { &*ptr.cast() },
            _below: PhantomData,
        }
    }

    #[inline]
    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> RcuBoxRef<'a, D, P> {
        // SAFETY: By the caller's promise, which is more than that of `borrow`.
        unsafe { Self::borrow(ptr) }
    }
}

// SAFETY: The slot is freed an RCU grace period after the box was dropped, and so, as `D` promises, is
// what is below.
unsafe impl<D: RcuRelease, P: Send + Sync + 'static> RcuRelease for RcuBox<D, P> {
    type Walked<'a> = RcuBoxWalked<'a, D, P>;

    #[inline]
    unsafe fn borrow_walked<'a>(ptr: *mut c_void) -> RcuBoxWalked<'a, D, P> {
        // INVARIANT: By the caller's promise.
        RcuBoxWalked {
            // SAFETY: As above.
            slot: unsafe { &*ptr.cast() },
            _below: PhantomData,
        }
    }

    #[inline]
    unsafe fn identity(ptr: *mut c_void) -> *mut c_void {
        // SAFETY: By the caller's promise.
        unsafe { D::identity((*ptr.cast::<Slot<P>>()).below) }
    }
}
