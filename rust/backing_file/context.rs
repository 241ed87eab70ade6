// SPDX-License-Identifier: GPL-2.0

//! What an operation on a backing file needs to know: on whose behalf, and whom to tell.

use crate::BackingFile;
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    cred::Credential,
    error::VTABLE_DEFAULT_ERROR,
    fs::{
        file::Offset,
        LocalFile, //
    },
    prelude::*,
};
use vfs::{
    bindings,
    HookContext,
    Inode, //
};

/// The file that a process opened on the stacking filesystem, as opposed to its [`BackingFile`].
///
/// # Invariants
///
/// As [`LocalFile`].
#[repr(transparent)]
pub struct UserFile(LocalFile);

impl Deref for UserFile {
    type Target = LocalFile;

    #[inline]
    fn deref(&self) -> &LocalFile {
        &self.0
    }
}

impl UserFile {
    /// Takes `file` for the user file.
    #[inline]
    pub fn new(file: &LocalFile) -> &Self {
        // SAFETY: A transparent wrapper with the same invariants.
        unsafe { &*core::ptr::from_ref(file).cast() }
    }

    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::file) -> &'a Self {
        // SAFETY: By the caller's promise.
        Self::new(unsafe { LocalFile::from_raw_file(ptr) })
    }

    /// The inode of the user file.
    #[inline]
    pub fn inode(&self) -> &Inode {
        // SAFETY: A file keeps its inode.
        unsafe { Inode::from_raw((*self.0.as_ptr()).f_inode) }
    }
}

/// What a stacking filesystem wants to be told of the operations on its backing files.
///
/// A callback that is left out is not called, and costs nothing. A filesystem without any uses `()`.
///
/// C: the function pointers of `struct backing_file_ctx`.
#[vtable]
pub trait Callbacks {
    /// The user file was read or mapped: its access time may have to change. May sleep.
    ///
    /// Called after the operation, whether or not it succeeded; after an asynchronous read has been
    /// started, perhaps before it ends.
    fn accessed(_user: &UserFile, _backing: &BackingFile) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A change of the file's content has ended, at the position `pos`, which is the one *behind* the
    /// `result` bytes changed, or with an error. May sleep.
    ///
    /// Size and times of the user inode may have to change. For an asynchronous write this runs
    /// later, in a work queue, without the lock of the user inode; otherwise under that lock.
    fn end_write(_user: &UserFile, _backing: &BackingFile, _pos: Offset, _result: Result<usize>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl Callbacks for () {}

/// On whose behalf an operation acts, and the evidence that hooks may run in it.
///
/// Used up by one operation.
///
/// C: `struct backing_file_ctx`.
pub struct Ctx<'a, C: Callbacks = ()> {
    raw: RawCtx<'a>,
    _callbacks: PhantomData<C>,
}

impl<'a, C: Callbacks> Ctx<'a, C> {
    /// Acts with the credentials `cred`.
    #[inline]
    pub fn new(hooks: &'a mut HookContext, cred: &'a Credential) -> Self {
        Self {
            raw: RawCtx {
                hooks,
                cred,
                accessed: if C::HAS_ACCESSED {
                    Some(C::accessed)
                } else {
                    None
                },
                end_write: if C::HAS_END_WRITE {
                    Some(C::end_write)
                } else {
                    None
                },
            },
            _callbacks: PhantomData,
        }
    }

    /// For the cores of the operations, which exist once whatever the callbacks are.
    #[inline]
    pub(crate) fn into_raw(self) -> RawCtx<'a> {
        self.raw
    }
}

/// How [`Callbacks::end_write`] is called.
pub(crate) type EndWrite = fn(&UserFile, &BackingFile, Offset, Result<usize>);

/// A [`Ctx`] without type parameter.
pub(crate) struct RawCtx<'a> {
    pub(crate) hooks: &'a mut HookContext,
    pub(crate) cred: &'a Credential,
    accessed: Option<fn(&UserFile, &BackingFile)>,
    pub(crate) end_write: Option<EndWrite>,
}

impl RawCtx<'_> {
    /// Whether anybody wants to be told of an access.
    #[inline]
    pub(crate) fn wants_accessed(&self) -> bool {
        self.accessed.is_some()
    }

    #[inline]
    pub(crate) fn tell_accessed(&self, user: &UserFile, backing: &BackingFile) {
        if let Some(accessed) = self.accessed {
            accessed(user, backing);
        }
    }

    #[inline]
    pub(crate) fn tell_end_write(
        &self,
        user: &UserFile,
        backing: &BackingFile,
        pos: Offset,
        result: Result<usize>,
    ) {
        if let Some(end_write) = self.end_write {
            end_write(user, backing, pos, result);
        }
    }
}
