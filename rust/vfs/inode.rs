// SPDX-License-Identifier: GPL-2.0

//! Inodes: being made, live, and locked.
//!
//! C header: `include/linux/fs.h`.

mod attributes;
mod copy_attr;
mod ops;

pub use self::attributes::Attributes;
pub use self::ops::{
    Operations,
    Ops,
    Rename,
    Tmpfile, //
};

use crate::{
    attr::FileType,
    bindings,
    error::to_result,
    file,
    fs::FileSystem,
    mount::Idmap,
    AnyFs,
    RcuRelease,
    SuperBlock,
    Walk,
    Walked, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    fs::Kiocb,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::{
        ForeignOwnable,
        NotThreadSafe,
        Opaque, //
    },
};

/// An inode of the filesystem `T`, or of any filesystem.
///
/// # Invariants
///
/// A live inode, reference-counted by `ihold` and `iput`, the count not being zero. If `T` is a
/// [`FileSystem`], its `i_private` is a [`FileSystem::InodeData`].
#[repr(transparent)]
pub struct Inode<T = AnyFs>(Opaque<bindings::inode>, PhantomData<fn() -> T>);

// SAFETY: References may be dropped by any task that may sleep, and everything below is
// synchronised by the VFS or by locks taken here.
unsafe impl<T> Send for Inode<T> {}

// SAFETY: As for `Send`.
unsafe impl<T> Sync for Inode<T> {}

// SAFETY: By the type invariant the count keeps the inode alive.
unsafe impl<T> AlwaysRefCounted for Inode<T> {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariant the count is not zero.
        unsafe { bindings::ihold(self.0.get()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `Inode` is a transparent wrapper.
        unsafe { bindings::iput(obj.cast().as_ptr()) };
    }
}

impl<T: FileSystem> Deref for Inode<T> {
    type Target = Inode;

    #[inline]
    fn deref(&self) -> &Inode {
        // SAFETY: Same object, weaker type invariant.
        unsafe { Inode::from_raw(self.0.get()) }
    }
}

impl<T> Inode<T> {
    /// Borrows an inode.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }
}

impl Deref for Inode {
    type Target = Walked<Inode>;

    #[inline]
    fn deref(&self) -> &Walked<Inode> {
        // SAFETY: An inode with references is one that a walk could have reached.
        unsafe { Walked::<Inode>::from_raw(self.0.get()) }
    }
}

impl<T: FileSystem> Inode<T> {
    /// The filesystem's data of this inode.
    #[inline]
    pub fn data(&self) -> <T::InodeData as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariant.
        unsafe { <T::InodeData as ForeignOwnable>::borrow((*self.as_ptr()).i_private) }
    }

    /// The super block of this inode.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: `i_sb` does not change and outlives the inode; it is of the same filesystem.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }
}

impl Inode {
    /// Whether the current task owns the file, as seen through `idmap`, or may act as its owner.
    ///
    /// C: `inode_owner_or_capable()`.
    pub fn is_owned_by_current(&self, idmap: &Idmap) -> bool {
        // SAFETY: Both are valid.
        unsafe { bindings::inode_owner_or_capable(idmap.as_ptr(), self.as_ptr()) }
    }

    /// Whether a change of the permissions by the current task takes the set-group-id bit away.
    ///
    /// C: `in_group_or_capable()`.
    pub fn loses_sgid(&self, idmap: &Idmap) -> bool {
        u32::from(self.mode()) & bindings::S_ISGID != 0
            // SAFETY: Both are valid.
            && !unsafe { bindings::inode_group_is_current(idmap.as_ptr(), self.as_ptr()) }
    }

    /// The lock of the inode.
    #[inline]
    fn rwsem(&self) -> *mut bindings::rw_semaphore {
        // SAFETY: The inode is valid.
        unsafe { &raw mut (*self.as_ptr()).i_rwsem }
    }

    /// Locks the inode exclusively. May sleep.
    ///
    /// C: `inode_lock()`.
    #[inline]
    pub fn lock(&self) -> InodeGuard<'_> {
        // SAFETY: The inode is valid.
        unsafe { bindings::down_write(self.rwsem()) };
        // INVARIANT: Just locked.
        InodeGuard {
            inode: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Locks the inode exclusively if that is possible at once.
    ///
    /// C: `inode_trylock()`.
    #[inline]
    pub fn try_lock(&self) -> Option<InodeGuard<'_>> {
        // SAFETY: The inode is valid.
        if unsafe { bindings::down_write_trylock(self.rwsem()) } == 0 {
            return None;
        }
        // INVARIANT: Just locked.
        Some(InodeGuard {
            inode: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Locks the inode exclusively for the request `iocb`, which may have been made on the condition
    /// that it does not sleep.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the request must not sleep and the lock is taken.
    #[inline]
    pub fn lock_for<T: ForeignOwnable>(&self, iocb: &Kiocb<'_, T>) -> Result<InodeGuard<'_>> {
        // SAFETY: The iocb was not submitted yet.
        if unsafe { (*iocb.as_raw()).ki_flags } & bindings::IOCB_NOWAIT != 0 {
            self.try_lock().ok_or(EAGAIN)
        } else {
            Ok(self.lock())
        }
    }

    /// Checks whether the current credentials may access the inode in the ways of `mask`
    /// (`MAY_*`), with the inode's own permission method. May sleep.
    ///
    /// C: `inode_permission()`.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EPERM` or `EROFS` if not.
    #[inline]
    pub fn permission(&self, idmap: &Idmap, mask: i32) -> Result {
        // SAFETY: Both are valid.
        to_result(unsafe { bindings::inode_permission(idmap.as_ptr(), self.as_ptr(), mask) })
    }
}

impl<T> Walked<Inode<T>> {
    /// Borrows an inode.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`; of an inode of `T`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // SAFETY: By the caller's promise; the types are transparent wrappers.
        unsafe { &*ptr.cast() }
    }
}

impl<T: FileSystem> Deref for Walked<Inode<T>> {
    type Target = Walked<Inode>;

    #[inline]
    fn deref(&self) -> &Walked<Inode> {
        // SAFETY: Same object, weaker type invariant.
        unsafe { Walked::<Inode>::from_raw(self.0 .0.get()) }
    }
}

impl<T: FileSystem> Walked<Inode<T>> {
    /// The filesystem's data of this inode.
    #[inline]
    pub fn data(&self) -> <T::InodeData as RcuRelease>::Walked<'_> {
        // SAFETY: The pointer stays when the data is released, which is before the inode is freed.
        unsafe { T::InodeData::borrow_walked((*self.as_ptr()).i_private) }
    }

    /// The super block of this inode.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: `i_sb` does not change; a super block of `T` and its data are released an RCU
        // grace period after the last inode (`kill_sb`).
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }
}

impl Walked<Inode> {
    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0 .0.get()
    }

    /// The number of the inode, unique in its filesystem.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: `i_ino` does not change in a live inode.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// What kind of file this is.
    #[inline]
    pub fn file_type(&self) -> FileType {
        FileType::of_mode(self.mode())
    }

    /// Type and permission bits, as of now.
    #[inline]
    pub fn mode(&self) -> bindings::umode_t {
        // SAFETY: Read at once; the C side reads it without a lock as well.
        unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() }
    }

    /// The size of the file in bytes, as of now.
    ///
    /// C: `i_size_read()`.
    #[inline]
    pub fn size(&self) -> kernel::fs::file::Offset {
        // SAFETY: The inode is valid.
        unsafe { bindings::i_size_read(self.as_ptr()) }
    }

    #[inline]
    fn flags(&self) -> u32 {
        // SAFETY: Read at once; the C side reads it without a lock as well.
        unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() }
    }

    /// Whether the file may only be appended to. C: `IS_APPEND()`.
    #[inline]
    pub fn is_append_only(&self) -> bool {
        self.flags() & bindings::S_APPEND != 0
    }

    /// Whether the file may not be changed. C: `IS_IMMUTABLE()`.
    #[inline]
    pub fn is_immutable(&self) -> bool {
        self.flags() & bindings::S_IMMUTABLE != 0
    }

    /// Whether the file is in use for swapping. C: `IS_SWAPFILE()`.
    #[inline]
    pub fn is_swapfile(&self) -> bool {
        self.flags() & bindings::S_SWAPFILE != 0
    }

    /// The largest size that a file of this filesystem can have, in bytes. C: `s_maxbytes`.
    #[inline]
    pub fn max_size(&self) -> kernel::fs::file::Offset {
        // SAFETY: An inode keeps its super block, whose limit does not change.
        unsafe { (*(*self.as_ptr()).i_sb).s_maxbytes }
    }

    /// Whether it is known that a write has no privilege to take away: no set-id bits, no file
    /// capabilities. C: `IS_NOSEC()`.
    #[inline]
    pub fn is_nosec(&self) -> bool {
        self.flags() & bindings::S_NOSEC != 0
    }

    /// Whether the two are of one mounted filesystem.
    pub fn same_super_block(&self, other: &Inode) -> bool {
        // SAFETY: An inode keeps its super block.
        unsafe { (*self.as_ptr()).i_sb == (*other.as_ptr()).i_sb }
    }

    /// Whether it is an inode of a stacking filesystem itself.
    #[inline]
    pub fn is_stacked(&self) -> bool {
        // SAFETY: An inode keeps its super block, whose depth does not change.
        unsafe { (*(*self.as_ptr()).i_sb).s_stack_depth > 0 }
    }

    /// Whether names in this directory are compared without regard to case.
    pub fn is_casefolded(&self) -> bool {
        self.flags() & bindings::S_CASEFOLD != 0
    }

    /// Checks whether the current credentials may access the inode in the ways of `mask`
    /// (`MAY_*`), with the inode's own permission method. Sleeps only if `walk` may.
    ///
    /// C: `inode_permission()`.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EPERM` or `EROFS` if not, `ECHILD` if it cannot tell without sleeping.
    #[inline]
    pub fn permission(&self, walk: Walk<'_>, idmap: &Idmap, mask: i32) -> Result {
        let mask = walk.access_mask(mask);
        // SAFETY: Both are valid, and the mask has `MAY_NOT_BLOCK` in RCU mode.
        to_result(unsafe { bindings::inode_permission(idmap.as_ptr(), self.as_ptr(), mask) })
    }

    /// As [`Self::permission`], but by mode, owner and ACL of this inode alone.
    ///
    /// C: `generic_permission()`.
    ///
    /// # Errors
    ///
    /// `EACCES` if not, `ECHILD` if it cannot tell without sleeping.
    #[inline]
    pub fn generic_permission(&self, walk: Walk<'_>, idmap: &Idmap, mask: i32) -> Result {
        let mask = walk.access_mask(mask);
        // SAFETY: As for `permission`.
        to_result(unsafe { bindings::generic_permission(idmap.as_ptr(), self.as_ptr(), mask) })
    }

    /// Whether the owner, the group and everybody else may access the inode in the ways of `mask`
    /// (`MAY_*`), and no access control list can take that away: [`Self::generic_permission`] would allow
    /// it to every task.
    ///
    /// Its own permission method, which may be stricter, is not asked.
    #[inline]
    pub fn allows_everybody(&self, mask: i32) -> bool {
        // `MAY_EXEC`, `MAY_WRITE` and `MAY_READ` are the bits of each class.
        // CAST: Three bits.
        let wanted = (mask & 0o7) as bindings::umode_t * 0o111;
        wanted & !self.mode() == 0 && self.has_no_acl()
    }

    /// Whether it is known that the inode has no list for access to it.
    #[inline]
    fn has_no_acl(&self) -> bool {
        // SAFETY: Read at once; the pointer says whether there is a list, and is not followed.
        #[cfg(CONFIG_FS_POSIX_ACL)]
        let acl = unsafe { (&raw const (*self.as_ptr()).i_acl).read_volatile() };
        #[cfg(not(CONFIG_FS_POSIX_ACL))]
        let acl = core::ptr::null_mut::<bindings::posix_acl>();
        acl.is_null()
    }
}

/// Evidence that the current task holds the exclusive lock of an inode.
///
/// # Invariants
///
/// The lock of `inode` is held by this task until the guard is dropped.
pub struct InodeGuard<'a> {
    inode: &'a Inode,
    _not_send: NotThreadSafe,
}

impl InodeGuard<'_> {
    /// The locked inode.
    #[inline]
    pub fn inode(&self) -> &Inode {
        self.inode
    }

    /// # Errors
    ///
    /// `EIO` if it is the lock of another inode than `inode`.
    #[inline]
    pub fn is_of(&self, inode: &Inode) -> Result {
        if core::ptr::eq(self.inode, inode) {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

impl Drop for InodeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock.
        unsafe { bindings::up_write(self.inode.rwsem()) };
    }
}

/// An inode that nobody else can use yet: new in its super block's table, and locked.
///
/// Dropped without [`NewInode::publish`], it fails: whoever waits for it sees `EIO` and the next
/// lookup makes another one.
///
/// # Invariants
///
/// `inode` is owned, in state `I_NEW`, and its `i_private` is a [`FileSystem::InodeData`].
pub struct NewInode<T: FileSystem> {
    inode: ManuallyDrop<ARef<Inode<T>>>,
    _not_send: NotThreadSafe,
}

impl<T: FileSystem> NewInode<T> {
    /// # Safety
    ///
    /// `inode` must satisfy the type invariants.
    pub(crate) unsafe fn from_raw(inode: NonNull<bindings::inode>) -> Self {
        // The mode of whoever had the memory before may still be there.
        // SAFETY: By the caller's promise nobody else uses the inode.
        unsafe { (*inode.as_ptr()).i_mode = 0 };
        // INVARIANT: By the caller's promise.
        Self {
            // SAFETY: The caller passes the reference on.
            inode: ManuallyDrop::new(unsafe { ARef::from_raw(inode.cast()) }),
            _not_send: NotThreadSafe,
        }
    }

    fn raw(&self) -> *mut bindings::inode {
        self.inode.as_ptr()
    }

    /// The inode, of which data and attributes can be read and attributes be copied.
    pub fn inode(&self) -> &Inode<T> {
        &self.inode
    }

    /// Sets the inode number.
    #[must_use]
    pub fn ino(self, ino: u64) -> Self {
        // SAFETY: By the type invariant nobody else uses the inode.
        unsafe { (*self.raw()).i_ino = ino };
        self
    }

    /// Leaves the file's times to the backing filesystem: the VFS updates neither the access time
    /// nor the change time of this inode by itself.
    #[must_use]
    pub fn times_from_below(self) -> Self {
        // SAFETY: By the type invariant nobody else uses the inode.
        unsafe { (*self.raw()).i_flags |= bindings::S_NOATIME | bindings::S_NOCMTIME };
        self
    }

    /// Leaves access control lists to the backing inode, which has them in memory.
    ///
    /// C: `ACL_DONT_CACHE`.
    #[must_use]
    pub fn acl_from_below(self) -> Self {
        // SAFETY: By the type invariant nobody else uses the inode.
        unsafe { bindings::inode_do_not_cache_acl(self.raw()) };
        self
    }

    /// Sets the inode's own operations.
    #[must_use]
    pub fn ops(self, ops: Ops<T>) -> Self {
        // SAFETY: By the type invariant nobody else uses the inode; the table is static and of the
        // same filesystem.
        unsafe { (*self.raw()).i_op = ops.as_ptr() };
        self
    }

    /// Sets the operations of the files opened from this inode.
    #[must_use]
    pub fn file_ops(self, ops: file::Ops<T>) -> Self {
        // SAFETY: As for `ops`.
        unsafe { (*self.raw()).__bindgen_anon_3.i_fop = ops.as_ptr() };
        self
    }

    /// Makes it a device, a pipe or a socket with mode and device number of `from`.
    ///
    /// C: `init_special_inode()`.
    #[must_use]
    pub fn special(self, from: &Inode) -> Self {
        // SAFETY: By the type invariant nobody else uses the inode; `i_rdev` does not change.
        unsafe {
            bindings::init_special_inode(self.raw(), from.mode(), (*from.as_ptr()).i_rdev);
        }
        self
    }

    /// Lets everybody use the inode.
    ///
    /// C: `unlock_new_inode()`.
    pub fn publish(self) -> ARef<Inode<T>> {
        let mut this = ManuallyDrop::new(self);
        if cfg!(CONFIG_LOCKDEP) {
            // The lock of a stacked inode is held while that of the inode below is taken: for
            // lockdep they are of different classes, and a nesting in the wrong order is not.
            // SAFETY: By the type invariant the inode is valid and nobody else locks it yet.
            unsafe { bindings::set_inode_lock_class(this.raw()) };
        }
        // SAFETY: By the type invariant the inode is in state I_NEW.
        unsafe { bindings::unlock_new_inode(this.raw()) };
        // SAFETY: `this` is not used again.
        unsafe { ManuallyDrop::take(&mut this.inode) }
    }
}

impl<T: FileSystem> Drop for NewInode<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the inode is in state I_NEW and the reference ours.
        unsafe { bindings::iget_failed(self.raw()) };
    }
}
