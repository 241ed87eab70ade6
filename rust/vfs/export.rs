// SPDX-License-Identifier: GPL-2.0

//! File handles: names of files that stay good when the caches are dropped, for
//! `name_to_handle_at(2)`, `open_by_handle_at(2)`, fanotify and network filesystems.
//!
//! C header: `include/linux/exportfs.h`.

use crate::{
    bindings,
    dentry::Dentry,
    error::from_err_ptr,
    fs::FileSystem,
    inode::Inode,
    path::Path,
    super_block::SuperBlock, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    error::from_result,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// A handle that is to be decoded.
///
/// # Invariants
///
/// `fid` is valid for `len` words of 32 bits, for `'a`.
pub struct Handle<'a> {
    fid: *mut bindings::fid,
    len: c_int,
    kind: c_int,
    _fid: PhantomData<&'a [u32]>,
}

/// Room for a handle.
///
/// # Invariants
///
/// `fid` is valid for as many words of 32 bits as `len` points to, both exclusively for `'a`.
pub struct HandleBuffer<'a> {
    fid: *mut u32,
    len: *mut c_int,
    _fid: PhantomData<&'a mut [u32]>,
}

/// The type of a handle that was written, `FILEID_*`; it is kept beside the handle.
pub struct HandleType(c_int);

/// Room for a name.
///
/// # Invariants
///
/// `name` is valid and exclusive for `NAME_MAX + 1` bytes, for `'a`.
pub struct NameBuffer<'a> {
    name: *mut c_char,
    _name: PhantomData<&'a mut [u8]>,
}

impl NameBuffer<'_> {
    /// Writes the present name of `dentry`.
    ///
    /// C: `take_dentry_name_snapshot()`.
    pub fn write_name_of(&mut self, dentry: &Dentry) {
        let mut snapshot = bindings::name_snapshot::default();
        // SAFETY: The dentry is valid, the snapshot is given back, and no name of a dentry is longer
        // than `NAME_MAX`.
        unsafe {
            bindings::take_dentry_name_snapshot(&mut snapshot, dentry.as_ptr());
            let len = snapshot.name.__bindgen_anon_1.__bindgen_anon_1.len as usize;
            let name = slice::from_raw_parts(snapshot.name.name, len);
            ptr::copy_nonoverlapping(name.as_ptr(), self.name.cast(), len);
            self.name.add(len).write(0);
            bindings::release_dentry_name_snapshot(&mut snapshot);
        }
    }
}

impl SuperBlock {
    /// Whether its files have handles that can be decoded. C: `exportfs_can_decode_fh()`.
    pub fn has_handles(&self) -> bool {
        // SAFETY: The super block is mounted; its table, if any, is static.
        unsafe {
            let ops = (*self.as_ptr())
                .s_export_op
                .cast::<bindings::export_operations>();
            ops.as_ref().is_some_and(|ops| ops.fh_to_dentry.is_some())
        }
    }
}

impl Inode {
    /// Writes a handle of the file to `handle`.
    ///
    /// C: `exportfs_encode_inode_fh()`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if its filesystem has none, or what that returns. That the buffer is too small is
    /// no error but a handle type of its own.
    pub fn encode_handle(&self, handle: &mut HandleBuffer<'_>) -> Result<HandleType> {
        // SAFETY: The inode is valid, and the buffer by its type invariant.
        let kind = unsafe {
            bindings::exportfs_encode_inode_fh(
                self.as_ptr(),
                handle.fid.cast(),
                handle.len,
                ptr::null_mut(),
                0,
            )
        };
        if kind < 0 {
            return Err(Error::from_errno(kind));
        }
        Ok(HandleType(kind))
    }
}

impl Path {
    /// Finds the file that `handle` stands for, on the filesystem of this path. A directory must be
    /// this path or below it; where another file has its names is not known.
    ///
    /// May sleep. Acts with the current credentials.
    ///
    /// C: `exportfs_decode_fh()`.
    ///
    /// # Errors
    ///
    /// `ESTALE` if there is no such file (any more), `ENOMEM`, or what the filesystem returns.
    pub fn decode_handle(&self, handle: &Handle<'_>) -> Result<ARef<Dentry>> {
        // SAFETY: The mount is valid, and the handle by its type invariant; the callback gets the
        // dentry of this path.
        let dentry = unsafe {
            bindings::exportfs_decode_fh(
                self.mount().as_ptr(),
                handle.fid,
                handle.len,
                handle.kind,
                Some(is_acceptable),
                self.dentry().as_ptr().cast(),
            )
        };
        let dentry =
            from_err_ptr(dentry).map_err(|err| if err == EACCES { ESTALE } else { err })?;
        let dentry = NonNull::new(dentry).ok_or(ESTALE)?;
        // SAFETY: The reference is ours.
        Ok(unsafe { ARef::from_raw(dentry.cast()) })
    }
}

/// # Safety
///
/// As `exportfs_decode_fh` calls it, `top` being a valid dentry.
unsafe extern "C" fn is_acceptable(top: *mut c_void, dentry: *mut bindings::dentry) -> c_int {
    // SAFETY: By the caller's promise; both are referenced.
    unsafe {
        let found: &Dentry = Dentry::from_raw(dentry);
        // A removed directory has no place any more; the root of a filesystem never is in a table.
        let has_place = !found.is_unhashed() || dentry.cast() == top;
        (!bindings::d_is_dir(dentry) || has_place && bindings::is_subdir(dentry, top.cast())).into()
    }
}

/// The export operations of a filesystem that has handles.
pub(crate) struct Table<T>(PhantomData<T>);

/// Callers of the export operations pass referenced objects of `T`, and valid buffers of the lengths
/// they say.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<T: FileSystem> Table<T> {
    pub(crate) const TABLE: bindings::export_operations = bindings::export_operations {
        encode_fh: Some(Self::encode_fh),
        fh_to_dentry: Some(Self::fh_to_dentry),
        get_parent: Some(Self::get_parent),
        get_name: Some(Self::get_name),
        ..pin_init::zeroed()
    };

    /// No handle tells where a file has its name: `parent` is not used, and without `fh_to_parent` no
    /// caller asks.
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        fid: *mut u32,
        len: *mut c_int,
        _parent: *mut bindings::inode,
    ) -> c_int {
        // INVARIANT: By the caller's promise.
        let mut handle = HandleBuffer {
            fid,
            len,
            _fid: PhantomData,
        };
        // SAFETY: By the caller's promise.
        match T::encode_handle(unsafe { Inode::from_raw(inode) }, &mut handle) {
            Ok(kind) => kind.0,
            Err(err) => err.to_errno(),
        }
    }

    unsafe extern "C" fn fh_to_dentry(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        // INVARIANT: By the caller's promise.
        let handle = Handle {
            fid,
            len,
            kind,
            _fid: PhantomData,
        };
        // SAFETY: By the caller's promise.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        Self::obtain(T::decode_handle(sb, &handle))
    }

    unsafe extern "C" fn get_parent(dir: *mut bindings::dentry) -> *mut bindings::dentry {
        // SAFETY: By the caller's promise.
        Self::obtain(T::parent(unsafe { Dentry::from_raw(dir) }))
    }

    unsafe extern "C" fn get_name(
        _parent: *mut bindings::dentry,
        name: *mut c_char,
        child: *mut bindings::dentry,
    ) -> c_int {
        // INVARIANT: By the caller's promise.
        let mut name = NameBuffer {
            name,
            _name: PhantomData,
        };
        from_result(|| {
            // SAFETY: By the caller's promise.
            T::name(unsafe { Dentry::from_raw(child) }, &mut name)?;
            Ok(0)
        })
    }

    /// A dentry for an inode that was found without a name: one that it has, or a nameless one, which
    /// gets the data.
    fn obtain(found: Result<(T::DentryData, ARef<Inode<T>>)>) -> *mut bindings::dentry {
        let (data, inode) = match found {
            Ok(found) => found,
            Err(err) => return err.to_ptr(),
        };
        // SAFETY: The reference to the inode is passed on.
        let dentry = unsafe { bindings::d_obtain_alias(ARef::into_raw(inode).as_ptr().cast()) };
        if from_err_ptr(dentry).is_ok() {
            // SAFETY: A referenced dentry of `T`.
            unsafe { Dentry::<T>::from_raw(dentry) }.set_data_once(data);
        }
        dentry
    }
}
