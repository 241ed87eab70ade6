// SPDX-License-Identifier: GPL-2.0

//! Dentries: names in the cache of the VFS.
//!
//! C header: `include/linux/dcache.h`.

use crate::{
    bindings,
    fs::FileSystem,
    inode::Inode,
    AnyFs,
    RcuRelease,
    SuperBlock,
    Walk,
    Walked, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    slice,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    ffi::c_void,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        barrier, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// A dentry of the filesystem `T`, or of any filesystem.
///
/// # Invariants
///
/// A live dentry, reference-counted by `dget` and `dput`, the count not being zero. If `T` is a
/// [`FileSystem`], its `d_fsdata` is null or a [`FileSystem::DentryData`].
#[repr(transparent)]
pub struct Dentry<T = AnyFs>(Opaque<bindings::dentry>, PhantomData<fn() -> T>);

// SAFETY: References may be dropped by any task that may sleep, and everything below is
// synchronised by the VFS.
unsafe impl<T> Send for Dentry<T> {}

// SAFETY: As for `Send`.
unsafe impl<T> Sync for Dentry<T> {}

// SAFETY: By the type invariant the count keeps the dentry alive.
unsafe impl<T> AlwaysRefCounted for Dentry<T> {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariant the count is not zero.
        unsafe { bindings::dget(self.0.get()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `Dentry` is a transparent wrapper.
        unsafe { bindings::dput(obj.cast().as_ptr()) };
    }
}

impl<T: FileSystem> Deref for Dentry<T> {
    type Target = Dentry;

    #[inline]
    fn deref(&self) -> &Dentry {
        // SAFETY: Same object, weaker type invariant.
        unsafe { Dentry::from_raw(self.0.get()) }
    }
}

impl<T> Dentry<T> {
    /// Borrows a dentry.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::dentry) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }
}

impl Deref for Dentry {
    type Target = Walked<Dentry>;

    #[inline]
    fn deref(&self) -> &Walked<Dentry> {
        // SAFETY: A dentry with references is one that a walk could have reached.
        unsafe { Walked::<Dentry>::from_raw(self.0.get()) }
    }
}

impl<T: FileSystem> Dentry<T> {
    /// The filesystem's data of this dentry.
    ///
    /// # Errors
    ///
    /// `ESTALE` if a lookup has not given it any yet.
    #[inline]
    pub fn data(&self) -> Result<<T::DentryData as ForeignOwnable>::Borrowed<'_>> {
        let data = self.raw_data();
        if data.is_null() {
            return Err(ESTALE);
        }
        // SAFETY: By the type invariant.
        Ok(unsafe { <T::DentryData as ForeignOwnable>::borrow(data) })
    }

    /// The dentry as a path walk sees it, of its filesystem.
    #[inline]
    fn walked(&self) -> &Walked<Dentry<T>> {
        // SAFETY: A dentry with references is one that a walk could have reached.
        unsafe { Walked::<Dentry<T>>::from_raw(self.as_ptr()) }
    }

    /// Gives the dentry its data if it has none.
    pub(crate) fn set_data_once(&self, data: T::DentryData) {
        let data = data.into_foreign();
        self.walked().set_checked(Version::UNKNOWN);
        let set = self.data_field().compare_exchange(
            ptr::null_mut(),
            data,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if set.is_err() {
            // SAFETY: From `into_foreign`; it was not stored.
            drop(unsafe { T::DentryData::from_foreign(data) });
        }
    }

    /// Gives the dentry its data, once.
    ///
    /// # Safety
    ///
    /// The dentry must not be published yet: it is a root being made, or under lookup, by us.
    pub(crate) unsafe fn set_data(&self, data: T::DentryData) {
        self.walked().set_checked(Version::UNKNOWN);
        // SAFETY: By the caller's promise nobody else reads or writes the field.
        unsafe { (*self.as_ptr()).d_fsdata = data.into_foreign() };
    }

    /// The inode, if the name exists.
    #[inline]
    pub fn inode(&self) -> Option<&Inode<T>> {
        let inode = self.raw_inode();
        // SAFETY: A referenced dentry holds a reference to its inode, of the same filesystem.
        (!inode.is_null()).then(|| unsafe { Inode::from_raw(inode) })
    }

    /// The super block.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: `d_sb` does not change and outlives the dentry; it is of the same filesystem.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }
}

impl Dentry {
    /// The inode, if the name exists.
    ///
    /// A name that exists keeps its inode while the dentry is referenced; one that does not may
    /// get one at any time.
    #[inline]
    pub fn inode(&self) -> Option<&Inode> {
        let inode = self.raw_inode();
        // SAFETY: A referenced dentry holds a reference to its inode.
        (!inode.is_null()).then(|| unsafe { Inode::from_raw(inode) })
    }

    /// The dentry in which this one ends, through all layers; `kind` says whether its content or its
    /// attributes are asked for. C: `d_real()`.
    pub(crate) fn real(&self, kind: bindings::d_real_type) -> *mut bindings::dentry {
        // SAFETY: The dentry is valid, and its operations, if it has any, are static.
        let (flags, operations) = unsafe {
            let dentry = self.as_ptr();
            ((*dentry).d_flags, (*dentry).d_op.as_ref())
        };
        match operations.and_then(|ops| ops.d_real) {
            // SAFETY: As the VFS calls it.
            Some(real) if flags & bindings::DCACHE_OP_REAL != 0 => unsafe {
                real(self.as_ptr(), kind)
            },
            _ => self.as_ptr(),
        }
    }

    /// The parent, as of now. C: `dget_parent()`.
    pub fn current_parent(&self) -> ARef<Dentry> {
        // SAFETY: The dentry is valid and has a parent, perhaps itself; the reference is ours.
        unsafe {
            let parent = bindings::dget_parent(self.as_ptr());
            ARef::from_raw(NonNull::new_unchecked(parent.cast()))
        }
    }
}

/// A dentry of `T` whose name and parent cannot change: the current task holds the lock of its
/// directory, or the dentry is new and nobody else's.
///
/// # Invariants
///
/// As [`Dentry`]; `d_name` and `d_parent` do not change for as long as the reference to it lives.
#[repr(transparent)]
pub struct StableDentry<T>(Dentry<T>);

impl<T> Deref for StableDentry<T> {
    type Target = Dentry<T>;

    #[inline]
    fn deref(&self) -> &Dentry<T> {
        &self.0
    }
}

impl<T: FileSystem> StableDentry<T> {
    /// Borrows a dentry.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::dentry) -> &'a Self {
        // SAFETY: By the caller's promise; the types are transparent wrappers.
        unsafe { &*ptr.cast() }
    }

    /// The dentry of its directory.
    #[inline]
    pub fn parent(&self) -> &Dentry<T> {
        // SAFETY: By the type invariant it stays the parent, and a dentry holds its parent.
        unsafe { Dentry::from_raw((*self.as_ptr()).d_parent) }
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> Name<'_> {
        // SAFETY: By the type invariant it does not change.
        unsafe { Name::from_raw(&raw const (*self.as_ptr()).__bindgen_anon_1.d_name) }
    }
}

impl<T> Walked<Dentry<T>> {
    /// Borrows a dentry.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`; of a dentry of `T`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::dentry) -> &'a Self {
        // SAFETY: By the caller's promise; the types are transparent wrappers.
        unsafe { &*ptr.cast() }
    }
}

impl<T: FileSystem> Deref for Walked<Dentry<T>> {
    type Target = Walked<Dentry>;

    #[inline]
    fn deref(&self) -> &Walked<Dentry> {
        // SAFETY: Same object, weaker type invariant.
        unsafe { Walked::<Dentry>::from_raw(self.0 .0.get()) }
    }
}

impl<T: FileSystem> Walked<Dentry<T>> {
    /// The filesystem's data of this dentry.
    ///
    /// # Errors
    ///
    /// `ESTALE` if a lookup has not given it any yet.
    #[inline]
    pub fn data(&self) -> Result<<T::DentryData as RcuRelease>::Walked<'_>> {
        let data = self.raw_data();
        if data.is_null() {
            return Err(ESTALE);
        }
        // SAFETY: The pointer stays when the data is released, which is before the dentry is freed.
        Ok(unsafe { T::DentryData::borrow_walked(data) })
    }

    /// Remembers that this dentry was found to be right when the one below had the version
    /// `version`.
    ///
    /// C: `d_time`.
    #[inline]
    pub fn set_checked(&self, version: Version) {
        // SAFETY: Written at once, by tasks that each checked; the VFS leaves the field to the
        // filesystem.
        unsafe { (&raw mut (*self.as_ptr()).d_time).write_volatile(version.0) };
    }

    /// Whether `below` is as it was when this dentry, which has data, was last checked against it.
    #[inline]
    pub fn is_checked(&self, below: &Walked<Dentry>) -> bool {
        // SAFETY: Read at once; set before the data was.
        let checked = unsafe { (&raw const (*self.as_ptr()).d_time).read_volatile() };
        checked == below.sequence()
    }

    /// The inode, if the name exists.
    #[inline]
    pub fn inode(&self) -> Option<&Walked<Inode<T>>> {
        let inode = self.raw_inode();
        // SAFETY: An inode that a dentry had is freed an RCU grace period later than the dentry lost
        // it, and is of the same filesystem.
        (!inode.is_null()).then(|| unsafe { Walked::<Inode<T>>::from_raw(inode) })
    }
}

impl Walked<Dentry> {
    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::dentry {
        self.0 .0.get()
    }

    /// Set once: mostly before the dentry is published, but see [`Dentry::set_data_once`].
    #[inline]
    fn data_field(&self) -> &AtomicPtr<c_void> {
        // SAFETY: The dentry is valid; the field changes while it is shared by this alone.
        unsafe { AtomicPtr::from_ptr(&raw mut (*self.as_ptr()).d_fsdata) }
    }

    #[inline]
    fn raw_data(&self) -> *mut c_void {
        self.data_field().load(Ordering::Acquire)
    }

    #[inline]
    fn raw_inode(&self) -> *mut bindings::inode {
        // SAFETY: Read at once; a dentry that others refer to as well does not lose its inode, and
        // one without can get one at any time.
        unsafe { (&raw const (*self.as_ptr()).d_inode).read_volatile() }
    }

    /// The inode, if the name exists.
    #[inline]
    pub fn inode(&self) -> Option<&Walked<Inode>> {
        let inode = self.raw_inode();
        // SAFETY: An inode that a dentry had is freed an RCU grace period later than the dentry lost
        // it.
        (!inode.is_null()).then(|| unsafe { Walked::<Inode>::from_raw(inode) })
    }

    /// What changes whenever the dentry gets another name, parent or inode, or leaves the cache.
    ///
    /// What is read of the dentry afterwards is of this version or a later one.
    ///
    /// C: `d_seq`.
    #[inline]
    pub fn version(&self) -> Version {
        let count = self.sequence();
        barrier::smp_mb(barrier::Read);
        // An odd one is that of a change that has not ended.
        if count % 2 == 0 {
            Version(count)
        } else {
            Version::UNKNOWN
        }
    }

    #[inline]
    fn sequence(&self) -> usize {
        // SAFETY: The dentry is valid; the count is read at once.
        let count =
            unsafe { (&raw const (*self.as_ptr()).d_seq.seqcount.sequence).read_volatile() };
        count as usize
    }

    /// Whether the name was removed, or found to be no longer this one. C: `d_unhashed()`.
    #[inline]
    pub fn is_unhashed(&self) -> bool {
        // SAFETY: The dentry is valid.
        unsafe { bindings::d_unhashed(self.as_ptr()) }
    }

    /// Whether this dentry is what looking up `name` in `dir` would find in the cache, as of now.
    /// Does not sleep.
    #[inline]
    pub fn is_child(&self, dir: &Walked<Inode>, name: Name<'_>) -> bool {
        let _rcu = kernel::sync::rcu::read_lock();
        // SAFETY: The dentry is valid. A parent, its inode pointer and a name that a rename replaces
        // meanwhile stay valid memory until the end of the RCU critical section.
        unsafe {
            let parent = (&raw const (*self.as_ptr()).d_parent).read_volatile();
            !self.is_unhashed()
                && (&raw const (*parent).d_inode).read_volatile() == dir.as_ptr()
                && bindings::d_same_name(self.as_ptr(), parent, name.as_ptr())
        }
    }

    /// Whether its filesystem compares names in a way of its own, such as without regard to case, in every
    /// directory. Where each directory has its way, [`Walked::<Inode>::is_casefolded`] says so.
    ///
    /// C: `DCACHE_OP_HASH`, `DCACHE_OP_COMPARE`.
    pub fn has_own_comparison(&self) -> bool {
        const OWN: u32 = bindings::DCACHE_OP_HASH | bindings::DCACHE_OP_COMPARE;
        // SAFETY: The dentry is valid; the bits are set when it is made, and the super block's encoding when
        // that is.
        unsafe {
            #[cfg(CONFIG_UNICODE)]
            let of_directories = !(*(*self.as_ptr()).d_sb).s_encoding.is_null();
            #[cfg(not(CONFIG_UNICODE))]
            let of_directories = false;
            (*self.as_ptr()).d_flags & OWN != 0 && !of_directories
        }
    }

    /// Whether its filesystem must be asked if it is still right. C: `DCACHE_OP_REVALIDATE`.
    #[inline]
    pub fn needs_revalidation(&self) -> bool {
        // SAFETY: The dentry is valid; the bit is set when the dentry is made.
        unsafe { (*self.as_ptr()).d_flags & bindings::DCACHE_OP_REVALIDATE != 0 }
    }

    /// Asks its filesystem whether `name` in `dir` is still this dentry. Sleeps only if `walk` may.
    ///
    /// # Errors
    ///
    /// `ECHILD` if it cannot tell without sleeping, or what the filesystem returns.
    pub fn revalidate(&self, walk: Walk<'_>, dir: &Walked<Inode>, name: Name<'_>) -> Result<bool> {
        // SAFETY: The dentry is valid, and its operations, if it has any, are static.
        let operations = unsafe { (*self.as_ptr()).d_op.as_ref() };
        let Some(revalidate) = operations.and_then(|ops| ops.d_revalidate) else {
            return Ok(true);
        };
        // SAFETY: As the path walk calls it: the arguments are valid, and the flags are its own.
        let ret = unsafe { revalidate(dir.as_ptr(), name.as_ptr(), self.as_ptr(), walk.flags()) };
        kernel::error::to_result(ret)?;
        Ok(ret != 0)
    }
}

/// A state of a dentry's name, parent and inode.
#[derive(Clone, Copy)]
pub struct Version(usize);

impl Version {
    /// No state: larger than any sequence count.
    const UNKNOWN: Self = Self(usize::MAX);
}

/// A name in a directory, `struct qstr`.
#[derive(Clone, Copy)]
pub struct Name<'a>(&'a bindings::qstr);

impl<'a> Name<'a> {
    /// # Safety
    ///
    /// `ptr` must be a valid name that does not change for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: *const bindings::qstr) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { &*ptr })
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(self) -> *const bindings::qstr {
        self.0
    }

    /// The bytes of the name.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        // SAFETY: A valid name has as many bytes as it says.
        unsafe {
            let len = self.0.__bindgen_anon_1.__bindgen_anon_1.len;
            slice::from_raw_parts(self.0.name, len as usize)
        }
    }
}
