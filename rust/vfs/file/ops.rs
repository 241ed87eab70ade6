// SPDX-License-Identifier: GPL-2.0

//! The operations of an open file, and the table made of them.

use super::{
    DirContext,
    OpenFile,
    Opening,
    Pipe, //
};
use crate::{
    bindings,
    fs::FileSystem,
    hooks::HookContext,
    inode::Inode, //
};
use core::{
    any::TypeId,
    marker::PhantomData, //
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_void, //
    },
    fs::{
        file::Offset,
        Kiocb,
        LocalFile, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    mm::virt::VmaNew,
    module::this_module,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

/// What an open file can do. An operation that is left out is one the file does not have.
///
/// Every operation may sleep and runs with the credentials of the task, unless it says otherwise.
/// The file stays open for the whole of an operation, also when it is that of an asynchronous request
/// that has been completed by then.
///
/// C: the members of `struct file_operations` of the same names. An error is what the system call that
/// ended here returns.
#[vtable]
pub trait Operations: Sized + 'static {
    /// The filesystem whose files these are.
    type Fs: FileSystem;

    /// The private data of an open file.
    type Data: ForeignOwnable + Send + Sync;

    /// Whether files can have leases, of the generic kind (`generic_setlease`).
    const LEASES: bool = false;

    /// Opens: returns the private data.
    fn open(
        hooks: &mut HookContext,
        inode: &Inode<Self::Fs>,
        file: &Opening<'_, Self::Fs>,
    ) -> Result<Self::Data>;

    /// Closes, when the last reference to the file is gone.
    fn release(data: Self::Data) {
        drop(data);
    }

    /// Moves the position of the file and returns the new one.
    fn llseek(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _offset: Offset,
        _whence: i32,
    ) -> Result<Offset> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads. `Err(EIOCBQUEUED)` says that `iocb` will be completed later.
    fn read_iter(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _iocb: Kiocb<'_, Self::Data>,
        _iter: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes. `Err(EIOCBQUEUED)` says that `iocb` will be completed later. The file's super block
    /// is protected against freezing.
    fn write_iter(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _iocb: Kiocb<'_, Self::Data>,
        _iter: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Moves up to `len` bytes at `pos` into `pipe`, which is locked.
    fn splice_read(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _pos: &mut Offset,
        _pipe: &mut Pipe,
        _len: usize,
        _flags: u32,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Moves up to `len` bytes out of `pipe`, which is not locked, to `pos`. The file's super block
    /// is protected against freezing.
    fn splice_write(
        _hooks: &mut HookContext,
        _pipe: &mut Pipe,
        _file: &OpenFile<Self>,
        _pos: &mut Offset,
        _len: usize,
        _flags: u32,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Maps the file. The lock of the address space is held for writing: nothing here may wait for
    /// user space.
    fn mmap(_file: &OpenFile<Self>, _vma: &VmaNew) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes the bytes from `start` to `end` (included) to stable storage, with `datasync` only
    /// the metadata needed to read them back.
    fn fsync(_file: &OpenFile<Self>, _start: Offset, _end: Offset, _datasync: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A file descriptor is being closed; `owner` identifies the table it was in.
    fn flush(_file: &OpenFile<Self>, _owner: FlushOwner) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Allocates, punches, moves or zeroes `len` bytes at `offset`; `mode` is `FALLOC_FL_*`.
    fn fallocate(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _mode: i32,
        _offset: Offset,
        _len: Offset,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes advice (`POSIX_FADV_*`) on the use of `len` bytes at `offset`; 0 means to the end.
    fn fadvise(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _offset: Offset,
        _len: Offset,
        _advice: i32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Copies `len` bytes between files with these operations, perhaps of two mounts.
    fn copy_file_range(
        _hooks: &mut HookContext,
        _from: (&OpenFile<Self>, Offset),
        _to: (&OpenFile<Self>, Offset),
        _len: usize,
        _flags: u32,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Shares `len` bytes (0: to the end) of one file of this filesystem with another; `flags` are
    /// `REMAP_FILE_*`.
    fn remap_file_range(
        _hooks: &mut HookContext,
        _from: (&OpenFile<Self>, Offset),
        _to: (&OpenFile<Self>, Offset),
        _len: Offset,
        _flags: u32,
    ) -> Result<Offset> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Emits directory entries. The directory's inode is locked, for reading.
    fn iterate_shared(
        _hooks: &mut HookContext,
        _file: &OpenFile<Self>,
        _ctx: &mut DirContext,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Whose descriptor is being closed, `fl_owner_t`: to be passed on, not to be looked into.
#[derive(Clone, Copy)]
pub struct FlushOwner(*mut c_void);

impl FlushOwner {
    /// The C value.
    pub fn as_ptr(self) -> *mut c_void {
        self.0
    }
}

/// The table of an [`Operations`], for files of the filesystem `T` only.
pub struct Ops<T>(*const bindings::file_operations, PhantomData<fn() -> T>);

impl<T: FileSystem> Ops<T> {
    /// The operations of `O`.
    pub const fn new<O: Operations<Fs = T>>() -> Self {
        Self((&raw const *Table::<O>::IDENTIFIED).cast(), PhantomData)
    }

    pub(crate) const fn as_ptr(&self) -> *const bindings::file_operations {
        self.0
    }
}

/// A table, and whose it is. Addresses do not tell: the compiler may have several copies of a constant,
/// and one for two that are equal.
#[repr(C)]
struct Identified {
    // The first field: it is what files point to.
    table: bindings::file_operations,
    owner: fn() -> TypeId,
}

/// Whether `table` is that of `O`.
///
/// # Safety
///
/// `table` must come from an [`Ops`], or be the one that new inodes have, which has no owner.
pub(crate) unsafe fn is_table_of<O: Operations>(table: *const bindings::file_operations) -> bool {
    // SAFETY: By the caller's promise what has an owner is the first field of an `Identified`.
    unsafe {
        (*table).owner == this_module::<O::OwnerModule>().as_ptr()
            && ((*table.cast::<Identified>()).owner)() == TypeId::of::<O>()
    }
}

/// Whether `O` are the operations of `file`.
///
/// # Safety
///
/// `file` must be valid, and `fs` the type of a filesystem of this crate.
pub(super) unsafe fn are_of<O: Operations>(
    file: *const bindings::file,
    fs: *const bindings::file_system_type,
) -> bool {
    // SAFETY: A file keeps its inode, and that its super block. The regular files and directories of a
    // filesystem of this crate have no other operations than those of `NewInode::file_ops`, which takes
    // an `Ops`, or a copy of them; a file opened with `O_PATH` has none of its inode's.
    unsafe {
        let inode = (*file).f_inode;
        let has_ops = matches!(
            u32::from((*inode).i_mode) & bindings::S_IFMT,
            bindings::S_IFREG | bindings::S_IFDIR
        );
        (*(*inode).i_sb).s_type.cast_const() == fs
            && has_ops
            && (*file).f_mode & bindings::FMODE_PATH == 0
            && is_table_of::<O>((*inode).__bindgen_anon_3.i_fop)
    }
}

struct Table<O>(PhantomData<O>);

/// The VFS calls each of these with the arguments `struct file_operations` documents, on files
/// opened with this table: `f_op` comes from the inode, and
/// [`NewInode::file_ops`](crate::inode::NewInode::file_ops) takes no table of another filesystem.
/// They are valid for the duration of the call, and [`Table::open`] ran before.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<O: Operations> Table<O> {
    const IDENTIFIED: &'static Identified = &Identified {
        table: Self::TABLE,
        owner: TypeId::of::<O>,
    };

    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<O::OwnerModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        // A directory says so to those who read it.
        read: if O::HAS_ITERATE_SHARED {
            Some(bindings::generic_read_dir)
        } else {
            None
        },
        llseek: if O::HAS_LLSEEK {
            Some(Self::llseek)
        } else {
            None
        },
        read_iter: if O::HAS_READ_ITER {
            Some(Self::read_iter)
        } else {
            None
        },
        write_iter: if O::HAS_WRITE_ITER {
            Some(Self::write_iter)
        } else {
            None
        },
        splice_read: if O::HAS_SPLICE_READ {
            Some(Self::splice_read)
        } else {
            None
        },
        splice_write: if O::HAS_SPLICE_WRITE {
            Some(Self::splice_write)
        } else {
            None
        },
        mmap: if O::HAS_MMAP { Some(Self::mmap) } else { None },
        fsync: if O::HAS_FSYNC {
            Some(Self::fsync)
        } else {
            None
        },
        flush: if O::HAS_FLUSH {
            Some(Self::flush)
        } else {
            None
        },
        fallocate: if O::HAS_FALLOCATE {
            Some(Self::fallocate)
        } else {
            None
        },
        fadvise: if O::HAS_FADVISE {
            Some(Self::fadvise)
        } else {
            None
        },
        copy_file_range: if O::HAS_COPY_FILE_RANGE {
            Some(Self::copy_file_range)
        } else {
            None
        },
        remap_file_range: if O::HAS_REMAP_FILE_RANGE {
            Some(Self::remap_file_range)
        } else {
            None
        },
        iterate_shared: if O::HAS_ITERATE_SHARED {
            Some(Self::iterate_shared)
        } else {
            None
        },
        setlease: if O::LEASES {
            Some(bindings::generic_setlease)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above), for a file that is being opened.
            unsafe {
                let data = O::open(
                    &mut HookContext::new(),
                    Inode::from_raw(inode),
                    &Opening::from_raw(file),
                )?;
                (*file).private_data = data.into_foreign();
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The last reference to a file that `open` succeeded for is gone.
        O::release(unsafe { O::Data::from_foreign((*file).private_data) });
        0
    }

    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: Offset,
        whence: c_int,
    ) -> Offset {
        // SAFETY: The VFS' arguments (see above).
        let file = unsafe { OpenFile::from_raw(file) };
        match O::llseek(&mut HookContext::new(), file, offset, whence) {
            Ok(pos) => pos,
            Err(err) => err.to_errno().into(),
        }
    }

    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above).
        let _keep = unsafe { keep_file(iocb) };
        let hooks = &mut HookContext::new();
        // SAFETY: The VFS' arguments (see above); `iter` is a destination, of which `IovIterDest` is a
        // transparent wrapper.
        let result = unsafe {
            O::read_iter(
                hooks,
                OpenFile::from_raw((*iocb).ki_filp),
                Kiocb::from_raw(iocb),
                &mut *iter.cast::<IovIterDest<'_>>(),
            )
        };
        size(hooks.result(result))
    }

    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above).
        let _keep = unsafe { keep_file(iocb) };
        let hooks = &mut HookContext::new();
        // SAFETY: The VFS' arguments (see above); `iter` is a source, of which `IovIterSource` is a
        // transparent wrapper.
        let result = unsafe {
            O::write_iter(
                hooks,
                OpenFile::from_raw((*iocb).ki_filp),
                Kiocb::from_raw(iocb),
                &mut *iter.cast::<IovIterSource<'_>>(),
            )
        };
        size(hooks.result(result))
    }

    unsafe extern "C" fn splice_read(
        file: *mut bindings::file,
        pos: *mut Offset,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above); `pos` is the task's own.
        size(unsafe {
            O::splice_read(
                &mut HookContext::new(),
                OpenFile::from_raw(file),
                &mut *pos,
                Pipe::from_raw(pipe),
                len,
                flags,
            )
        })
    }

    unsafe extern "C" fn splice_write(
        pipe: *mut bindings::pipe_inode_info,
        file: *mut bindings::file,
        pos: *mut Offset,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above); `pos` is the task's own.
        size(unsafe {
            O::splice_write(
                &mut HookContext::new(),
                Pipe::from_raw(pipe),
                OpenFile::from_raw(file),
                &mut *pos,
                len,
                flags,
            )
        })
    }

    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: The VFS' arguments (see above), for a mapping that is being set up.
        errno(unsafe { O::mmap(OpenFile::from_raw(file), VmaNew::from_raw(vma)) })
    }

    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        start: Offset,
        end: Offset,
        datasync: c_int,
    ) -> c_int {
        // SAFETY: The VFS' arguments (see above).
        let file = unsafe { OpenFile::from_raw(file) };
        errno(O::fsync(file, start, end, datasync != 0))
    }

    unsafe extern "C" fn flush(file: *mut bindings::file, owner: bindings::fl_owner_t) -> c_int {
        // SAFETY: The VFS' arguments (see above).
        let file = unsafe { OpenFile::from_raw(file) };
        errno(O::flush(file, FlushOwner(owner)))
    }

    unsafe extern "C" fn fallocate(
        file: *mut bindings::file,
        mode: c_int,
        offset: Offset,
        len: Offset,
    ) -> c_long {
        // SAFETY: The VFS' arguments (see above).
        let file = unsafe { OpenFile::from_raw(file) };
        errno(O::fallocate(
            &mut HookContext::new(),
            file,
            mode,
            offset,
            len,
        )) as c_long
    }

    unsafe extern "C" fn fadvise(
        file: *mut bindings::file,
        offset: Offset,
        len: Offset,
        advice: c_int,
    ) -> c_int {
        // SAFETY: The VFS' arguments (see above).
        let file = unsafe { OpenFile::from_raw(file) };
        errno(O::fadvise(
            &mut HookContext::new(),
            file,
            offset,
            len,
            advice,
        ))
    }

    unsafe extern "C" fn copy_file_range(
        from: *mut bindings::file,
        pos_from: Offset,
        to: *mut bindings::file,
        pos_to: Offset,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above): `to` has this table, `from` may have another.
        let (from, to) = unsafe { (LocalFile::from_raw_file(from), OpenFile::<O>::from_raw(to)) };
        let Some(from) = to.same_operations(from) else {
            return EXDEV.to_errno() as isize;
        };
        let hooks = &mut HookContext::new();
        size(O::copy_file_range(
            hooks,
            (from, pos_from),
            (to, pos_to),
            len,
            flags,
        ))
    }

    unsafe extern "C" fn remap_file_range(
        from: *mut bindings::file,
        pos_from: Offset,
        to: *mut bindings::file,
        pos_to: Offset,
        len: Offset,
        flags: c_uint,
    ) -> Offset {
        // SAFETY: The VFS' arguments (see above): `from` has this table.
        let from = unsafe { OpenFile::<O>::from_raw(from) };
        // SAFETY: As above; `to` is of the same super block, but may be a file of another kind.
        let to = from.same_operations(unsafe { LocalFile::from_raw_file(to) });
        match to.ok_or(EINVAL).and_then(|to| {
            O::remap_file_range(
                &mut HookContext::new(),
                (from, pos_from),
                (to, pos_to),
                len,
                flags,
            )
        }) {
            Ok(len) => len,
            Err(err) => err.to_errno().into(),
        }
    }

    unsafe extern "C" fn iterate_shared(
        file: *mut bindings::file,
        ctx: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: The VFS' arguments (see above).
        errno(unsafe {
            O::iterate_shared(
                &mut HookContext::new(),
                OpenFile::from_raw(file),
                DirContext::from_raw(ctx),
            )
        })
    }
}

/// For an asynchronous request, a reference to its file: the request may be completed, and then the file
/// be closed by a submitter that does not keep it, before the operation that was given the file returns.
///
/// # Safety
///
/// `iocb` must be valid and not submitted yet.
#[inline]
unsafe fn keep_file(iocb: *const bindings::kiocb) -> Option<ARef<LocalFile>> {
    // SAFETY: By the caller's promise.
    unsafe {
        (*iocb)
            .ki_complete
            .map(|_| LocalFile::from_raw_file((*iocb).ki_filp).into())
    }
}

/// A number of bytes or an error, as C returns them.
#[inline]
fn size(result: Result<usize>) -> isize {
    match result {
        // CAST: No operation moves more than `isize::MAX` bytes (MAX_RW_COUNT).
        Ok(n) => n as isize,
        Err(err) => err.to_errno() as isize,
    }
}

/// Success or an error, as C returns them.
#[inline]
fn errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}
