// SPDX-License-Identifier: GPL-2.0

//! Open files of a filesystem written in Rust.
//!
//! [`kernel::fs::File`] and [`kernel::fs::LocalFile`] are files of any kind; an [`OpenFile`] is one
//! of a particular set of [`Operations`], so its private data and its inode have types.
//!
//! C header: `include/linux/fs.h`.

mod ops;

pub(crate) use self::ops::is_table_of;
pub use self::ops::{
    FlushOwner,
    Operations,
    Ops, //
};

use crate::{
    attr::FileType,
    bindings,
    dentry::Dentry,
    inode::Inode,
    AnyFs, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    fs::{
        file::Offset,
        File,
        LocalFile, //
    },
    types::{
        ForeignOwnable,
        NotThreadSafe,
        Opaque, //
    },
};

/// A file that was opened with the operations `O`.
///
/// # Invariants
///
/// As [`LocalFile`]; its private data is an `O::Data` and its inode one of `O::Fs`.
#[repr(transparent)]
pub struct OpenFile<O>(Opaque<bindings::file>, PhantomData<fn() -> O>);

impl<O: Operations> Deref for OpenFile<O> {
    type Target = LocalFile;

    #[inline]
    fn deref(&self) -> &LocalFile {
        // SAFETY: Same object, weaker type invariant.
        unsafe { LocalFile::from_raw_file(self.0.get()) }
    }
}

impl<O: Operations> OpenFile<O> {
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::file) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// What [`Operations::open`] returned.
    #[inline]
    pub fn data(&self) -> <O::Data as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariant; the data is set before and released after every other
        // operation.
        unsafe { <O::Data as ForeignOwnable>::borrow((*self.0.get()).private_data) }
    }

    /// The inode of the file.
    #[inline]
    pub fn inode(&self) -> &Inode<O::Fs> {
        // SAFETY: A file keeps its inode, which by the type invariant is one of `O::Fs`.
        unsafe { Inode::from_raw((*self.0.get()).f_inode) }
    }

    /// If `other` is a file with the same operations, that file.
    #[inline]
    pub fn same_operations<'a>(&self, other: &'a LocalFile) -> Option<&'a Self> {
        let other = other.as_ptr();
        // SAFETY: Both are valid, and by the type invariant this one is on a filesystem of ours. Its own
        // operations mean private data and an inode of the types of `O`.
        unsafe {
            let fs = (*(*(*self.0.get()).f_inode).i_sb).s_type;
            ops::are_of::<O>(other, fs).then(|| Self::from_raw(other))
        }
    }
}

/// The flags of `file` (`O_*`), with `O_NOATIME` if the mount through which it is reached was mounted
/// so (`noatime`, or for a directory `nodiratime`).
#[inline]
pub fn flags_with_mount(file: &LocalFile) -> u32 {
    let file = file.as_ptr();
    // SAFETY: A file keeps its path; flags are read at once, as the VFS does.
    let (flags, mnt_flags) = unsafe {
        let mnt = (*file).__bindgen_anon_1.f_path.mnt;
        (
            (&raw const (*file).f_flags).read_volatile(),
            (&raw const (*mnt).mnt_flags).read_volatile(),
        )
    };
    if mnt_flags & (bindings::MNT_NOATIME | bindings::MNT_NODIRATIME) == 0 {
        return flags;
    }
    // SAFETY: A file keeps its inode.
    let inode: &Inode = unsafe { Inode::from_raw((*file).f_inode) };
    if mnt_flags & bindings::MNT_NOATIME != 0 || inode.file_type() == FileType::Directory {
        flags | bindings::O_NOATIME
    } else {
        flags
    }
}

/// A file that is being opened: its capabilities can still be set.
///
/// It is no [`File`] yet: if opening fails, it is taken apart whoever has a reference.
///
/// # Invariants
///
/// The file is in its `open` operation, which the current task runs, and on the filesystem `T`.
pub struct Opening<'a, T = AnyFs> {
    file: &'a File,
    _not_send: NotThreadSafe,
    _fs: PhantomData<fn() -> T>,
}

impl<'a, T> Opening<'a, T> {
    /// # Safety
    ///
    /// `ptr` must be a valid file that is in its `open` operation for `'a`.
    pub(crate) unsafe fn from_raw(ptr: *mut bindings::file) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            // SAFETY: By the caller's promise; a file being opened is in no table of descriptors.
            file: unsafe { File::from_raw_file(ptr) },
            _not_send: NotThreadSafe,
            _fs: PhantomData,
        }
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    /// The flags it is opened with (`O_*`).
    #[inline]
    pub fn flags(&self) -> u32 {
        self.file.flags()
    }

    /// As [`flags_with_mount`].
    #[inline]
    pub fn flags_with_mount(&self) -> u32 {
        flags_with_mount(self.file)
    }

    /// The dentry that is being opened.
    #[inline]
    pub fn dentry(&self) -> &'a Dentry<T> {
        // SAFETY: A file keeps its path, and `'a` is within the open operation; a file of `T` has a
        // dentry of `T`.
        unsafe { Dentry::from_raw((*self.file.as_ptr()).__bindgen_anon_1.f_path.dentry) }
    }

    /// Forgets the flags that only matter while a file is opened, `O_CREAT` and the like.
    pub fn clear_open_flags(&self) {
        const ONLY_AT_OPEN: u32 =
            bindings::O_CREAT | bindings::O_EXCL | bindings::O_NOCTTY | bindings::O_TRUNC;
        // SAFETY: By the type invariant nobody else uses the file yet.
        unsafe { (*self.file.as_ptr()).f_flags &= !ONLY_AT_OPEN };
    }

    /// Lets the file do what `below` can: direct I/O, atomic writes, and I/O that fails instead of
    /// sleeping.
    pub fn allow_what(&self, below: &LocalFile) {
        const INHERITED: u32 =
            bindings::FMODE_CAN_ODIRECT | bindings::FMODE_CAN_ATOMIC_WRITE | bindings::FMODE_NOWAIT;
        // SAFETY: By the type invariant nobody else uses the file yet; `below` is open, so its mode
        // does not change.
        unsafe {
            let mode = (*below.as_ptr()).f_mode & INHERITED;
            let own = &mut (*self.file.as_ptr()).f_mode;
            *own = (*own & !INHERITED) | mode;
        }
    }
}

/// The flags of [`Operations::remap_file_range`].
pub mod remap {
    use crate::bindings;

    /// Share only if the contents are the same. C: `REMAP_FILE_DEDUP`.
    pub const DEDUP: u32 = bindings::REMAP_FILE_DEDUP;

    /// Advice that a filesystem may ignore. C: `REMAP_FILE_ADVISORY`.
    pub const ADVISORY: u32 = bindings::REMAP_FILE_ADVISORY;
}

/// A pipe, `struct pipe_inode_info`, locked by the caller of a splice operation if that says so.
#[repr(transparent)]
pub struct Pipe(Opaque<bindings::pipe_inode_info>);

impl Pipe {
    /// # Safety
    ///
    /// `ptr` must be a valid pipe, used by the current task alone in the way splice does, for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::pipe_inode_info) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&mut self) -> *mut bindings::pipe_inode_info {
        self.0.get()
    }

    /// How many bytes fit, if each page is full.
    #[inline]
    pub fn room(&mut self) -> usize {
        // SAFETY: Valid, and this task's to use.
        unsafe { bindings::pipe_room(self.as_ptr()) }
    }
}

/// Where directory entries go to, `struct dir_context`.
#[repr(transparent)]
pub struct DirContext(Opaque<bindings::dir_context>);

impl DirContext {
    /// # Safety
    ///
    /// `ptr` must be a valid context, used by the current task alone, for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::dir_context) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    /// The C object.
    #[inline]
    pub fn as_ptr(&mut self) -> *mut bindings::dir_context {
        self.0.get()
    }

    /// The position of the next entry.
    #[inline]
    pub fn pos(&self) -> Offset {
        // SAFETY: Exclusive.
        unsafe { (*self.0.get()).pos }
    }
}
