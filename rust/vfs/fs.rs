// SPDX-License-Identifier: GPL-2.0

//! Filesystem types: what one is, and its registration with the kernel.
//!
//! C headers: `include/linux/fs.h`, `include/linux/fs_context.h`.

use crate::{
    attr::{
        FileType,
        StatFs, //
    },
    bindings,
    context::{
        self,
        FsContext,
        Param, //
    },
    dentry::{
        Dentry,
        Name, //
    },
    error::to_result,
    export::{
        Handle,
        HandleBuffer,
        HandleType,
        NameBuffer, //
    },
    hooks::HookContext,
    inode::Inode,
    super_block::{
        NewSuperBlock,
        SuperBlock, //
    },
    xattr::{
        self,
        Buffer, //
    },
    RcuRelease,
    Walk,
    Walked, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_void, //
    },
    module::this_module,
    prelude::*,
    seq_file::SeqFile,
    sync::aref::ARef,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// A type of filesystem: its data types, its mount options, and the operations of its super blocks
/// and dentries.
///
/// A stacking filesystem has no `freeze_fs`, and this trait offers none: the hooks of a write to
/// the backing file run while the *stacked* super block is protected against freezing, which is
/// safe because such a super block cannot be frozen.
///
/// C: `struct file_system_type`, `struct super_operations`, `struct dentry_operations`, `struct
/// xattr_handler`.
#[vtable]
pub trait FileSystem: Sized + 'static {
    /// The name to mount it by.
    const NAME: &'static CStr;

    /// The mount options. The VFS handles `source` and the generic ones (`ro`, `noatime`, …).
    const PARAMS: &'static [Param<Self::Options>];

    /// Mount options being collected; starts as the default.
    type Options: Default + Send + Sync + 'static;

    /// Data of a super block.
    type SuperData: ForeignOwnable + Send + Sync;

    /// Data of an inode; also what tells inodes apart (see [`SuperBlock::inode`]).
    type InodeData: RcuRelease;

    /// Data of a dentry, given to it by lookup.
    type DentryData: RcuRelease;

    /// Makes an instance: sets up `sb` and returns its data.
    ///
    /// # Errors
    ///
    /// Any; a message for the user goes to `fc` first.
    fn new_super(fc: &FsContext<Self>, sb: &mut NewSuperBlock<'_, Self>)
        -> Result<Self::SuperData>;

    /// Makes the root of a new instance: its inode and the data of its dentry.
    ///
    /// # Errors
    ///
    /// Any.
    fn root(sb: &SuperBlock<Self>) -> Result<(ARef<Inode<Self>>, Self::DentryData)>;

    /// Changes the options of a mounted instance. Left out: only the generic options can change.
    ///
    /// # Errors
    ///
    /// Any; a message for the user goes to `fc` first.
    fn reconfigure(_sb: &SuperBlock<Self>, _fc: &FsContext<Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Fills in the usage figures of the filesystem that `dentry` is on.
    fn statfs(_dentry: &Dentry<Self>, _buf: &mut StatFs) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Prints the options that are not the default, each with a comma before it.
    fn show_options(_sb: &SuperBlock<Self>, _m: &SeqFile) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the extended attribute `name` of a file, any but the access control lists.
    fn getxattr(
        _dentry: &Dentry<Self>,
        _name: xattr::Name<'_>,
        _buffer: Buffer<'_>,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets (or without value: removes) the extended attribute `name` of a file, whose inode is
    /// locked. `flags` are `XATTR_*`.
    fn setxattr(
        _hooks: &mut HookContext,
        _dentry: &Dentry<Self>,
        _name: xattr::Name<'_>,
        _value: Option<&[u8]>,
        _flags: i32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes out the instance; with `wait`, returns when it is on stable storage.
    fn sync(_sb: &SuperBlock<Self>, _wait: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes a handle of the file to `handle`.
    ///
    /// This and the three that follow go together; they are called if the super block
    /// [has handles](NewSuperBlock::allow_handles).
    fn encode_handle(_inode: &Inode<Self>, _handle: &mut HandleBuffer<'_>) -> Result<HandleType> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the file that `handle` stands for.
    #[allow(clippy::type_complexity)]
    fn decode_handle(
        _sb: &SuperBlock<Self>,
        _handle: &Handle<'_>,
    ) -> Result<(Self::DentryData, ARef<Inode<Self>>)> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The parent of a directory found by its handle.
    fn parent(_dir: &Dentry<Self>) -> Result<(Self::DentryData, ARef<Inode<Self>>)> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes the name of a directory found by its handle.
    fn name(_dir: &Dentry<Self>, _name: &mut NameBuffer<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Whether `dentry` is still what `name` in `dir` stands for. `Ok(false)` makes the VFS look
    /// the name up again.
    ///
    /// Returns `ECHILD` if it would have to sleep and `walk` [may not](Walk::is_rcu).
    fn revalidate(
        _walk: Walk<'_>,
        _dir: &Walked<Inode<Self>>,
        _name: Name<'_>,
        _dentry: &Walked<Dentry<Self>>,
    ) -> Result<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The dentry below of a regular file, whose pages and attributes are the real ones. For those who
    /// have to know when they change, or find the file by its mappings: IMA and EVM, IPE, uprobes.
    ///
    /// C: `dentry_operations::d_real`.
    fn below(_dentry: &Dentry<Self>) -> Option<&Dentry> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A registered filesystem type; dropping it unregisters.
///
/// # Invariants
///
/// `fs_type` is registered from a successful initialisation until it is dropped.
#[pin_data(PinnedDrop)]
pub struct Registration<T: FileSystem> {
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    _fs: PhantomData<fn() -> T>,
}

// SAFETY: Registration and unregistration take a global lock.
unsafe impl<T: FileSystem> Send for Registration<T> {}

// SAFETY: There is nothing to do with a shared reference.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers `T`: from then on it can be mounted by its name.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a filesystem of this name already.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            fs_type <- Opaque::try_ffi_init(|slot: *mut bindings::file_system_type| {
                // SAFETY: The slot is ours to write, and stays where it is until it is dropped.
                unsafe {
                    slot.write(bindings::file_system_type {
                        name: T::NAME.as_char_ptr(),
                        fs_flags: bindings::FS_ALLOW_IDMAP as c_int,
                        init_fs_context: Some(context::init::<T>),
                        kill_sb: Some(Table::<T>::kill_sb),
                        owner: this_module::<T::OwnerModule>().as_ptr(),
                        ..pin_init::zeroed()
                    });
                    // INVARIANT: On success it is registered.
                    to_result(bindings::register_filesystem(slot))
                }
            }),
            _fs: PhantomData,
        })
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant. No instance is left: each holds the owner module.
        let ret = unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
        debug_assert_eq!(ret, 0);
        wait_for_preempted_tasks();
    }
}

/// Waits until no task is at the end of a function of a module that is being unloaded.
///
/// The last thing such a function does may be what lets the module go: completing a request, after which
/// its file, its mount and the module's last user may be gone before the function has returned. The
/// kernel waits for those that cannot be preempted by itself, not for the others.
///
/// For the exit function of a module. May sleep for long.
///
/// C: `synchronize_rcu_tasks()`.
pub fn wait_for_preempted_tasks() {
    // SAFETY: Called where one may sleep, by an exit function.
    unsafe { bindings::synchronize_rcu_tasks() };
}

/// Handlers of extended attributes, up to a null pointer.
struct XattrTable([*const bindings::xattr_handler; 2]);

// SAFETY: The handlers are constant.
unsafe impl Sync for XattrTable {}

/// The tables of a filesystem type.
pub(crate) struct Table<T>(PhantomData<T>);

/// The VFS calls these with the arguments their C documentation names, on objects of `T`.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<T: FileSystem> Table<T> {
    const SUPER: bindings::super_operations = bindings::super_operations {
        evict_inode: Some(Self::evict_inode),
        statfs: if T::HAS_STATFS {
            Some(Self::statfs)
        } else {
            None
        },
        show_options: if T::HAS_SHOW_OPTIONS {
            Some(Self::show_options)
        } else {
            None
        },
        sync_fs: if T::HAS_SYNC {
            Some(Self::sync_fs)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    const DENTRY: bindings::dentry_operations = bindings::dentry_operations {
        d_revalidate: if T::HAS_REVALIDATE {
            Some(Self::d_revalidate)
        } else {
            None
        },
        d_release: Some(Self::d_release),
        d_real: if T::HAS_BELOW {
            Some(Self::d_real)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// One handler, for names of every prefix.
    const XATTR: bindings::xattr_handler = bindings::xattr_handler {
        prefix: kernel::str::as_char_ptr_in_const_context(c""),
        get: if T::HAS_GETXATTR {
            Some(Self::getxattr)
        } else {
            None
        },
        set: if T::HAS_SETXATTR {
            Some(Self::setxattr)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    const XATTR_TABLE: &'static XattrTable = &XattrTable([&Self::XATTR, ptr::null()]);

    /// Fills a new super block, for `get_tree_nodev`.
    ///
    /// # Safety
    ///
    /// As `get_tree_nodev` calls it: `sb` is new and locked, `raw` a context of `T`.
    pub(crate) unsafe extern "C" fn fill_super(
        sb: *mut bindings::super_block,
        raw: *mut bindings::fs_context,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the caller's promise.
            let (fc, mut new) = unsafe { (FsContext::from_raw(raw), NewSuperBlock::from_raw(sb)) };
            // SAFETY: The super block is ours; the tables are static.
            unsafe {
                (*sb).s_op = &Self::SUPER;
                if T::HAS_GETXATTR {
                    (*sb).s_xattr = Self::XATTR_TABLE.0.as_ptr();
                }
                bindings::set_default_d_op(sb, &Self::DENTRY);
            }
            let data = T::new_super(fc, &mut new)?;
            let sb = new.set_data(data);
            let (inode, data) = T::root(sb)?;
            crate::super_block::make_root(sb, inode, data)?;
            Ok(0)
        })
    }

    unsafe extern "C" fn kill_sb(sb: *mut bindings::super_block) {
        // SAFETY: The VFS kills a super block once; after that nobody but us uses it.
        unsafe {
            bindings::kill_anon_super(sb);
            // A path walk in RCU mode may still be looking at what its inodes belonged to.
            bindings::synchronize_rcu();
            drop(T::SuperData::try_from_foreign((*sb).s_fs_info));
        }
    }

    unsafe extern "C" fn evict_inode(inode: *mut bindings::inode) {
        // SAFETY: The last reference is gone. The data goes with it, but the pointer stays: a walk
        // in RCU mode may still follow it, and `RcuRelease` makes that good. The page cache has nothing
        // that another inode of the same file would have to wait for.
        unsafe {
            bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
            bindings::clear_inode(inode);
            // Whoever looks for an inode looks at the data of all that are hashed.
            bindings::remove_inode_hash(inode);
            drop(T::InodeData::try_from_foreign((*inode).i_private));
        }
    }

    unsafe extern "C" fn d_release(dentry: *mut bindings::dentry) {
        // SAFETY: The last reference is gone. As for the inode, the pointer stays.
        drop(unsafe { T::DentryData::try_from_foreign((*dentry).d_fsdata) });
    }

    unsafe extern "C" fn d_revalidate(
        dir: *mut bindings::inode,
        name: *const bindings::qstr,
        dentry: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: The arguments of a path walk, which holds references to them if it is not in RCU
        // mode.
        let valid = unsafe {
            T::revalidate(
                Walk::new(flags),
                Walked::<Inode<T>>::from_raw(dir),
                Name::from_raw(name),
                Walked::<Dentry<T>>::from_raw(dentry),
            )
        };
        match valid {
            Ok(valid) => valid.into(),
            Err(err) => err.to_errno(),
        }
    }

    unsafe extern "C" fn d_real(
        dentry: *mut bindings::dentry,
        kind: bindings::d_real_type,
    ) -> *mut bindings::dentry {
        // SAFETY: A referenced dentry.
        let own = unsafe { Dentry::<T>::from_raw(dentry) };
        match own.inode().map(|inode| inode.file_type()) {
            Some(FileType::Regular) => T::below(own).map_or(dentry, |below| below.real(kind)),
            _ => dentry,
        }
    }

    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        buf: *mut kernel::bindings::kstatfs,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A referenced dentry and a buffer that is ours to fill.
            unsafe { T::statfs(Dentry::from_raw(dentry), StatFs::from_raw(buf)) }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn show_options(
        m: *mut bindings::seq_file,
        root: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The root of a mounted instance, and a file that only this task writes to.
            unsafe { T::show_options(SuperBlock::from_raw((*root).d_sb), SeqFile::from_raw(m)) }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn getxattr(
        _handler: *const bindings::xattr_handler,
        dentry: *mut bindings::dentry,
        _inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *mut c_void,
        room: usize,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A referenced dentry, a nul-terminated name, and room for `room` bytes.
            let size = unsafe {
                T::getxattr(
                    Dentry::from_raw(dentry),
                    xattr::Name::from_raw(name),
                    Buffer::from_raw(buffer, room),
                )
            }?;
            // The VFS copies as many bytes as it is told.
            if room != 0 && size > room {
                return Err(ERANGE);
            }
            // CAST: No value is larger than XATTR_SIZE_MAX.
            Ok(size as c_int)
        })
    }

    unsafe extern "C" fn setxattr(
        _handler: *const bindings::xattr_handler,
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        _inode: *mut bindings::inode,
        name: *const c_char,
        value: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A referenced dentry, a nul-terminated name, and a value of `size` bytes, if
            // it is not null.
            unsafe {
                let value = (!value.is_null())
                    .then(|| core::slice::from_raw_parts(value.cast::<u8>(), size));
                T::setxattr(
                    &mut HookContext::new(),
                    Dentry::from_raw(dentry),
                    xattr::Name::from_raw(name),
                    value,
                    flags,
                )
            }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn sync_fs(sb: *mut bindings::super_block, wait: c_int) -> c_int {
        from_result(|| {
            // SAFETY: A mounted instance.
            unsafe { T::sync(SuperBlock::from_raw(sb), wait != 0) }?;
            Ok(0)
        })
    }
}

/// Mounts: what `get_tree` of a context does.
///
/// # Safety
///
/// `fc` must be a context of `T` whose tree is being got.
pub(crate) unsafe fn get_tree<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    // SAFETY: By the caller's promise.
    unsafe { bindings::get_tree_nodev(fc, Some(Table::<T>::fill_super)) }
}
