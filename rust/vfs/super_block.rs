// SPDX-License-Identifier: GPL-2.0

//! Super blocks: a mounted instance of a filesystem.
//!
//! C header: `include/linux/fs/super_types.h`.

use crate::{
    bindings,
    dentry::Dentry,
    error::to_result,
    export,
    fs::FileSystem,
    inode::{
        Inode,
        NewInode, //
    },
    walk::RcuRelease,
    AnyFs, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// A super block of the filesystem `T`, or of any filesystem.
///
/// # Invariants
///
/// Alive for as long as the reference. If `T` is a [`FileSystem`], its `s_fs_info` is a
/// [`FileSystem::SuperData`].
#[repr(transparent)]
pub struct SuperBlock<T = AnyFs>(Opaque<bindings::super_block>, PhantomData<fn() -> T>);

// SAFETY: Only ever borrowed; what the methods reach does not change while it is mounted.
unsafe impl<T> Sync for SuperBlock<T> {}

impl<T: FileSystem> Deref for SuperBlock<T> {
    type Target = SuperBlock;

    #[inline]
    fn deref(&self) -> &SuperBlock {
        // SAFETY: Same object, weaker type invariant.
        unsafe { SuperBlock::from_raw(self.0.get()) }
    }
}

impl<T> SuperBlock<T> {
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::super_block) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }
}

impl SuperBlock {
    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// Whether the current task is known to protect this filesystem against freezing. False in
    /// doubt, which without lockdep is always.
    ///
    /// C: `__sb_write_started() > 0`; `sb_write_started()` says true in doubt.
    pub fn write_started(&self) -> bool {
        cfg!(CONFIG_LOCKDEP)
            // SAFETY: The super block is alive.
            && unsafe { bindings::sb_write_started(self.as_ptr()) }
    }

    /// Whether the current task may be without freeze protection of this filesystem. True in doubt,
    /// which without lockdep is always.
    ///
    /// C: `sb_write_not_started()`.
    pub fn write_not_started(&self) -> bool {
        // SAFETY: The super block is alive.
        !cfg!(CONFIG_LOCKDEP) || unsafe { bindings::sb_write_not_started(self.as_ptr()) }
    }

    /// Writes the filesystem out and waits for that. May sleep.
    ///
    /// C: `sync_filesystem()`.
    ///
    /// # Errors
    ///
    /// What the filesystem returns.
    pub fn sync(&self) -> Result {
        let sb = self.as_ptr();
        // SAFETY: The super block is mounted; its `s_umount` is what the C function wants held.
        unsafe {
            // Called from the same of a filesystem stacked on this one.
            bindings::down_read_umount(sb);
            let result = to_result(bindings::sync_filesystem(sb));
            bindings::up_read(&raw mut (*sb).s_umount);
            result
        }
    }
}

/// Which failed writes of the filesystem below a stacked one has told about.
pub struct WriteErrors(Atomic<bindings::errseq_t>);

impl WriteErrors {
    /// Those that `below` has told about so far.
    pub fn of(below: &SuperBlock) -> Self {
        // SAFETY: `below` is mounted.
        Self(Atomic::new(unsafe {
            bindings::errseq_sample(&raw mut (*below.as_ptr()).s_wb_err)
        }))
    }

    /// Makes what failed on `below` since the last call an error of `sb`: `syncfs(2)` returns it,
    /// once for each file that is open. To be called when `sb` was synchronised.
    ///
    /// C: `errseq_check_and_advance()`, `errseq_set()`.
    pub fn pass_on(&self, below: &SuperBlock, sb: &SuperBlock) {
        let mut since = self.0.load(Relaxed);
        // SAFETY: Both are mounted; these fields are changed by these functions, which are atomic.
        unsafe {
            let errors = &raw mut (*below.as_ptr()).s_wb_err;
            let err = bindings::errseq_check_and_advance(errors, &mut since);
            if err != 0 {
                bindings::errseq_set(&raw mut (*sb.as_ptr()).s_wb_err, err);
            }
        }
        // Two at the same time tell the same error, which is better than none.
        self.0.store(since, Relaxed);
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// The filesystem's data of this instance.
    #[inline]
    pub fn data(&self) -> <T::SuperData as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariant.
        unsafe { <T::SuperData as ForeignOwnable>::borrow((*self.as_ptr()).s_fs_info) }
    }

    /// The inode with this data: the live one if there is one, or else a new one, finished by
    /// `init`. Two values are the same data if what they stand for below is ([`RcuRelease::identity`]).
    ///
    /// May sleep. `init` runs without a lock, and nobody sees the inode before it returns.
    ///
    /// C: `iget5_locked()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what `init` returns.
    pub fn inode(
        &self,
        data: T::InodeData,
        init: impl FnOnce(NewInode<T>) -> Result<ARef<Inode<T>>>,
    ) -> Result<ARef<Inode<T>>> {
        // SAFETY: The super block is valid, and the callbacks are for what is passed to them.
        self.obtain(data, init, |hash, make| unsafe {
            bindings::iget5_locked(
                self.as_ptr(),
                hash,
                Some(Make::<T>::is_same),
                Some(Make::<T>::set),
                make,
            )
        })
    }

    /// Allocates an inode ahead, for [`SuperBlock::inode_from`]. May sleep.
    ///
    /// C: `new_inode()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn spare_inode(&self) -> Result<SpareInode<T>> {
        // SAFETY: The super block is valid.
        let inode = unsafe { bindings::new_inode(self.as_ptr()) };
        // INVARIANT: New, and the reference is ours.
        Ok(SpareInode {
            inode: NonNull::new(inode).ok_or(ENOMEM)?,
            _fs: PhantomData,
        })
    }

    /// As [`SuperBlock::inode`], but a new inode is made of `spare`, so that memory cannot be missing
    /// any more: for what was changed below already.
    ///
    /// C: `inode_insert5()`.
    ///
    /// # Errors
    ///
    /// What `init` returns.
    pub fn inode_from(
        &self,
        spare: SpareInode<T>,
        data: T::InodeData,
        init: impl FnOnce(NewInode<T>) -> Result<ARef<Inode<T>>>,
    ) -> Result<ARef<Inode<T>>> {
        self.obtain(data, init, |hash, make| {
            let ptr = spare.inode.as_ptr();
            // SAFETY: The spare inode is ours, and the callbacks are for what is passed to them.
            let inode = unsafe {
                bindings::inode_insert5(
                    ptr,
                    hash,
                    Some(Make::<T>::is_same),
                    Some(Make::<T>::set),
                    make,
                )
            };
            if inode == ptr {
                // Its reference is the one that is returned.
                core::mem::forget(spare);
            }
            inode
        })
    }

    /// Finishes what `insert` found or made, which gets the hash of `data` and a [`Make`].
    fn obtain(
        &self,
        data: T::InodeData,
        init: impl FnOnce(NewInode<T>) -> Result<ARef<Inode<T>>>,
        insert: impl FnOnce(u64, *mut c_void) -> *mut bindings::inode,
    ) -> Result<ARef<Inode<T>>> {
        let data = data.into_foreign();
        // SAFETY: Just made foreign.
        let identity = unsafe { T::InodeData::identity(data) };
        let mut made = Make::<T> {
            data,
            identity,
            used: false,
            _fs: PhantomData,
        };
        let inode = insert(identity as u64, (&raw mut made).cast());
        let Some(inode) = NonNull::new(inode) else {
            // SAFETY: From `into_foreign` above; no inode took it.
            drop(unsafe { T::InodeData::from_foreign(data) });
            return Err(ENOMEM);
        };
        // `set` runs once, and for the inode that is returned.
        if made.used {
            // SAFETY: New, ours, and `set` gave it the data.
            return init(unsafe { NewInode::from_raw(inode) });
        }
        // SAFETY: From `into_foreign` above; the inode that was found has its own.
        drop(unsafe { T::InodeData::from_foreign(data) });
        // SAFETY: The reference is ours; it is an inode of this super block.
        Ok(unsafe { ARef::from_raw(inode.cast()) })
    }
}

/// An inode that is nothing yet: memory for one to come.
///
/// An operation that makes a file below takes one before, because it cannot be undone when memory
/// for the stacked inode is missing afterwards.
///
/// # Invariants
///
/// An inode of the filesystem `T` that has no data and is in no hash table; the value owns a
/// reference to it, the only one.
pub struct SpareInode<T: FileSystem> {
    inode: NonNull<bindings::inode>,
    _fs: PhantomData<fn() -> T>,
}

impl<T: FileSystem> Drop for SpareInode<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::iput(self.inode.as_ptr()) };
    }
}

/// What the callbacks of `iget5_locked` and `inode_insert5` need.
struct Make<T> {
    data: *mut c_void,
    identity: *mut c_void,
    used: bool,
    _fs: PhantomData<fn() -> T>,
}

impl<T: FileSystem> Make<T> {
    /// # Safety
    ///
    /// As those functions call it: a hashed inode and the `Make` passed with it.
    unsafe extern "C" fn is_same(inode: *mut bindings::inode, make: *mut c_void) -> c_int {
        // SAFETY: By the caller's promise, which found the inode hashed under RCU or the lock of the hash
        // table: its data is released after it has left that.
        unsafe {
            let identity = T::InodeData::identity((*inode).i_private);
            c_int::from(identity == (*make.cast::<Self>()).identity)
        }
    }

    /// # Safety
    ///
    /// As those functions call it: a new inode and the `Make` passed with it.
    unsafe extern "C" fn set(inode: *mut bindings::inode, make: *mut c_void) -> c_int {
        // SAFETY: By the caller's promise.
        unsafe {
            let make = make.cast::<Self>();
            (*inode).i_private = (*make).data;
            (*make).used = true;
        }
        0
    }
}

/// A super block being made.
///
/// # Invariants
///
/// The current task fills the super block, and nobody else uses it.
pub struct NewSuperBlock<'a, T: FileSystem> {
    sb: *mut bindings::super_block,
    _sb: PhantomData<&'a SuperBlock<T>>,
}

impl<'a, T: FileSystem> NewSuperBlock<'a, T> {
    /// # Safety
    ///
    /// `sb` must satisfy the type invariants for `'a`.
    pub(crate) unsafe fn from_raw(sb: *mut bindings::super_block) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            sb,
            _sb: PhantomData,
        }
    }

    /// Takes block size, largest file size, time granularity and range, and ACL support from the
    /// filesystem `below`, and stacks one level higher than it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that would be deeper than the kernel's stacks allow.
    pub fn stack_on(&mut self, below: &SuperBlock) -> Result {
        let (sb, below) = (self.sb, below.as_ptr());
        // SAFETY: By the type invariant `sb` is ours; `below` is mounted.
        unsafe {
            if (*below).s_stack_depth >= bindings::FILESYSTEM_MAX_STACK_DEPTH as c_int {
                return Err(EINVAL);
            }
            (*sb).s_stack_depth = (*below).s_stack_depth + 1;
            (*sb).s_blocksize = (*below).s_blocksize;
            (*sb).s_blocksize_bits = (*below).s_blocksize_bits;
            (*sb).s_maxbytes = (*below).s_maxbytes;
            (*sb).s_time_gran = (*below).s_time_gran;
            (*sb).s_time_min = (*below).s_time_min;
            (*sb).s_time_max = (*below).s_time_max;
            (*sb).s_flags |= (*below).s_flags & bindings::SB_POSIXACL;
            if cfg!(CONFIG_LOCKDEP) {
                // Freeze protection and renames nest in those of the filesystem stacked on top, which
                // may be of the same type: for lockdep they are of different classes.
                bindings::set_super_lock_classes(sb);
            }
            // sync(2) comes to the filesystem below by itself.
            (*sb).s_iflags |= bindings::SB_I_SKIP_SYNC as usize;
        }
        Ok(())
    }

    /// Sets the filesystem's magic number.
    pub fn magic(&mut self, magic: u32) {
        // SAFETY: By the type invariant.
        unsafe { (*self.sb).s_magic = magic as usize };
    }

    /// Makes it a filesystem that cannot be written to.
    pub fn read_only(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { (*self.sb).s_flags |= bindings::SB_RDONLY };
    }

    /// Lets storage managers watch files of this filesystem itself with pre-content events.
    ///
    /// C: `SB_I_ALLOW_HSM`.
    pub fn allow_pre_content_events(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { (*self.sb).s_iflags |= bindings::SB_I_ALLOW_HSM as usize };
    }

    /// Keeps names from showing the file below: [`FileSystem::below`] is not called.
    ///
    /// overlayfs does not have its upper layer where names show another file.
    pub fn hide_below(&mut self) {
        // SAFETY: By the type invariant; no dentry has been made.
        unsafe { (*self.sb).s_d_flags &= !(bindings::DCACHE_OP_REAL as c_uint) };
    }

    /// Lets files have handles: [`FileSystem::encode_handle`] and what goes with it are called.
    pub fn allow_handles(&mut self) {
        let table: &'static bindings::export_operations = &export::Table::<T>::TABLE;
        // SAFETY: By the type invariant. The same C struct, opaque in the kernel's bindings.
        unsafe { (*self.sb).s_export_op = ptr::from_ref(table).cast() };
    }

    /// Gives the super block its data, after which its inodes can be made.
    pub(crate) fn set_data(self, data: T::SuperData) -> &'a SuperBlock<T> {
        // SAFETY: By the type invariant; `kill_sb` of this filesystem takes the data back.
        unsafe {
            (*self.sb).s_fs_info = data.into_foreign();
            SuperBlock::from_raw(self.sb)
        }
    }
}

/// Makes `inode` the root of its super block, remembering `data` of its dentry.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn make_root<T: FileSystem>(
    sb: &SuperBlock<T>,
    inode: ARef<Inode<T>>,
    data: T::DentryData,
) -> Result {
    // SAFETY: The reference to the inode is passed on, in case of an error too.
    let root = unsafe { bindings::d_make_root(ARef::into_raw(inode).as_ptr().cast()) };
    if root.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The root is new, and the super block not mounted yet.
    unsafe {
        Dentry::<T>::from_raw(root).set_data(data);
        (*sb.as_ptr()).s_root = root;
    }
    Ok(())
}
