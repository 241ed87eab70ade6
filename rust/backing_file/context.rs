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
    prelude::*, //
};
use vfs::{
    bindings,
    error::to_result,
    HookContext,
    Inode,
    Mount,
    Path, //
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
    /// Takes `file` for the user file. There is no such distinction in C.
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

    /// The inode of the user file. C: `file_inode()`.
    #[inline]
    pub fn inode(&self) -> &Inode {
        // SAFETY: A file keeps its inode.
        unsafe { Inode::from_raw((*self.0.as_ptr()).f_inode) }
    }

    /// The mount of the stacking filesystem through which it was opened, which keeps that one's module.
    pub(crate) fn mount(&self) -> &Mount {
        // SAFETY: A file keeps its path.
        unsafe { Path::from_raw(&raw const (*self.0.as_ptr()).__bindgen_anon_1.f_path) }.mount()
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
    /// Called after a read, whether or not it succeeded; after an asynchronous one has been started,
    /// perhaps before it ends; after a mapping was made.
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
                    Some(Accessed::Rust(C::accessed))
                } else {
                    None
                },
                end_write: if C::HAS_END_WRITE {
                    Some(EndWrite::Rust(C::end_write))
                } else {
                    None
                },
                privs: Privs::Backing,
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

/// How to tell of an access: [`Callbacks::accessed`], or the function of a filesystem in C.
#[derive(Clone, Copy)]
pub(crate) enum Accessed {
    Rust(fn(&UserFile, &BackingFile)),
    /// Takes the user file; may be called with any.
    C(unsafe extern "C" fn(*mut bindings::file)),
}

impl Accessed {
    #[inline]
    pub(crate) fn call(self, user: &UserFile, backing: &BackingFile) {
        match self {
            Self::Rust(accessed) => accessed(user, backing),
            // SAFETY: The user file is valid.
            Self::C(accessed) => unsafe { accessed(user.as_ptr()) },
        }
    }
}

/// How to tell of the end of a write: [`Callbacks::end_write`], or the function of a filesystem in C.
#[derive(Clone, Copy)]
pub(crate) enum EndWrite {
    Rust(fn(&UserFile, &BackingFile, Offset, Result<usize>)),
    /// Takes the user's iocb, which is here, with the position behind what was written, and what the
    /// write returned; may be called as long as the iocb is the operation's.
    C(
        unsafe extern "C" fn(*mut bindings::kiocb, isize),
        *mut bindings::kiocb,
    ),
}

impl EndWrite {
    /// `pos` is in the user's iocb, if there is one. The operation, and with it the iocb, must not have
    /// been handed back yet.
    #[inline]
    pub(crate) fn call(
        self,
        user: &UserFile,
        backing: &BackingFile,
        pos: Offset,
        result: Result<usize>,
    ) {
        match self {
            Self::Rust(end_write) => end_write(user, backing, pos, result),
            // SAFETY: The iocb is the operation's.
            Self::C(end_write, iocb) => unsafe { end_write(iocb, from_size(result)) },
        }
    }
}

/// What a C function returns for `result`.
#[inline]
pub(crate) fn from_size(result: Result<usize>) -> isize {
    match result {
        // CAST: No operation moves more than `MAX_RW_COUNT` bytes.
        Ok(n) => n as isize,
        Err(err) => err.to_errno() as isize,
    }
}

/// Who knows of the privileges (set-id bits, file capabilities) that a change of content takes away.
#[derive(Clone, Copy)]
pub(crate) enum Privs {
    /// The backing inode; the user inode is told first.
    Backing,
    /// The user inode, which the filesystem keeps up to date by itself.
    User,
}

impl Privs {
    /// Takes them off the user file, on behalf of the current task. Comes after the hook, which may
    /// deny the change, and before the change.
    #[inline]
    pub(crate) fn remove(self, backing: &BackingFile, user: &UserFile) -> Result {
        match self {
            Self::Backing => backing.remove_privs(user),
            // SAFETY: The user file is valid.
            Self::User => to_result(unsafe { bindings::file_remove_privs(user.as_ptr()) }),
        }
    }
}

/// A [`Ctx`] without type parameter.
pub(crate) struct RawCtx<'a> {
    pub(crate) hooks: &'a mut HookContext,
    pub(crate) cred: &'a Credential,
    pub(crate) accessed: Option<Accessed>,
    pub(crate) end_write: Option<EndWrite>,
    pub(crate) privs: Privs,
}

impl RawCtx<'_> {
    #[inline]
    pub(crate) fn tell_accessed(&self, user: &UserFile, backing: &BackingFile) {
        if let Some(accessed) = self.accessed {
            accessed.call(user, backing);
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
            end_write.call(user, backing, pos, result);
        }
    }
}

#[kunit_tests(backing_file_context)]
mod tests {
    use super::*;

    struct OnlyEnd;

    #[vtable]
    impl Callbacks for OnlyEnd {
        fn end_write(_: &UserFile, _: &BackingFile, _: Offset, _: Result<usize>) {}
    }

    #[test]
    fn callbacks_that_are_left_out_are_not_there() {
        assert!(!<() as Callbacks>::HAS_ACCESSED && !<() as Callbacks>::HAS_END_WRITE);
        assert!(!OnlyEnd::HAS_ACCESSED && OnlyEnd::HAS_END_WRITE);
    }
}
