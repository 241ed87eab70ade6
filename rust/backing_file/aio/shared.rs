// SPDX-License-Identifier: GPL-2.0

//! Memory for asynchronous requests: slab caches of their own, which cost half of what the allocator for
//! objects of any size does.
//!
//! C header: `include/linux/slab.h`.

use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    ffi::c_uint,
    prelude::*, //
};
use vfs::bindings;

/// What is shared, and where its memory comes from.
pub(crate) trait Shareable {
    /// The name of the cache, as `/proc/slabinfo` shows it.
    const CACHE: &'static CStr;

    /// Where the cache is remembered; one for each type.
    fn slab() -> &'static Slab;

    /// Whether one of the two references is gone.
    fn half_gone(&self) -> &AtomicBool;
}

/// Where a [`Cache`] is remembered.
pub(crate) struct Slab(AtomicPtr<bindings::kmem_cache>);

impl Slab {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline]
    fn get(&self) -> *mut bindings::kmem_cache {
        self.0.load(Ordering::Relaxed)
    }
}

/// The slab cache of a `T`, for as long as the module is loaded.
///
/// # Invariants
///
/// What `T` remembers is a cache of objects with its size and alignment, until the value is dropped.
pub(crate) struct Cache<T: Shareable>(PhantomData<T>);

impl<T: Shareable> Cache<T> {
    /// Makes the cache, for the init function of the module.
    ///
    /// C: `KMEM_CACHE()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let mut args = bindings::kmem_cache_args {
            // CAST: A few bytes.
            align: align_of::<T>() as c_uint,
            ..pin_init::zeroed()
        };
        // SAFETY: The name is static, and the arguments are not used any more when it returns.
        let slab = unsafe {
            bindings::__kmem_cache_create_args(
                T::CACHE.as_char_ptr(),
                // CAST: As above.
                size_of::<T>() as c_uint,
                &mut args,
                bindings::SLAB_HWCACHE_ALIGN,
            )
        };
        if slab.is_null() {
            return Err(ENOMEM);
        }
        T::slab().0.store(slab, Ordering::Relaxed);
        // INVARIANT: Just made.
        Ok(Self(PhantomData))
    }
}

impl<T: Shareable> Drop for Cache<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. What uses requests keeps the module.
        unsafe { bindings::kmem_cache_destroy(T::slab().get()) };
    }
}

/// One of the two references to a request: the submission's or the completion's.
///
/// # Invariants
///
/// A valid request from the slab cache. There is no more than one other reference, and none if it is half gone.
pub(super) struct Shared<T: Shareable>(NonNull<T>);

impl<T: Shareable> Shared<T> {
    /// Makes a request, of which nothing is gone, where both can use it. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline]
    pub(super) fn new(make: impl FnOnce() -> T) -> Result<(Self, Self)> {
        // SAFETY: The cache is there as long as code of this module runs.
        let new =
            unsafe { bindings::kmem_cache_alloc_noprof(T::slab().get(), bindings::GFP_KERNEL) };
        let new = NonNull::new(new.cast::<T>()).ok_or(ENOMEM)?;
        // SAFETY: New, and room for a request.
        unsafe { new.write(make()) };
        // INVARIANT: These two.
        Ok((Self(new), Self(new)))
    }

    /// Gives the reference to C.
    #[inline]
    pub(super) fn into_raw(self) -> *mut T {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// Takes it back.
    ///
    /// # Safety
    ///
    /// `ptr` must be from [`Shared::into_raw`], and not have been taken back yet.
    #[inline]
    pub(super) unsafe fn from_raw(ptr: *mut T) -> Self {
        // INVARIANT: By the caller's promise.
        // SAFETY: As above; it was not null.
        Self(unsafe { NonNull::new_unchecked(ptr) })
    }
}

impl<T: Shareable> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Shareable> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        // What the other one did with the request comes before it is freed.
        if !self.half_gone().swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: By the type invariant it is valid, and nobody else uses it any more; the cache is there
        // as long as code of this module runs.
        unsafe {
            self.0.drop_in_place();
            bindings::kmem_cache_free(T::slab().get(), self.0.as_ptr().cast());
        }
    }
}
