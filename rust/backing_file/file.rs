// SPDX-License-Identifier: GPL-2.0

//! The backing file: what it is, and how one is opened.

use crate::flags;
use core::ptr::NonNull;
use kernel::{
    cred::Credential,
    fs::File,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    }, //
};
use vfs::{
    attr::FileType,
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    file::Opening,
    with_creds,
    Dentry,
    HookContext,
    Inode,
    Mount,
    Path,
    Walked, //
};

/// An open file of the filesystem below, opened for one user file.
///
/// One for each user file and not one for each inode: it is at open that the kernel decides which
/// fanotify marks a file obeys, and that a file's credentials and flags are fixed.
///
/// # Invariants
///
/// * `FMODE_BACKING` is set, and the user path is recorded: only [`BackingFile::open`] and
///   [`BackingFile::tmpfile`] make one, or what C calls in their place.
/// * It is never in a table of file descriptors (there is no way to get a [`File`] out of it), so no
///   `fdget_pos` is ever active on it: it satisfies the invariants of [`File`].
#[repr(transparent)]
pub struct BackingFile {
    file: File,
}

// SAFETY: By the type invariants the `File` is always reference-counted.
unsafe impl AlwaysRefCounted for BackingFile {
    #[inline]
    fn inc_ref(&self) {
        self.file.inc_ref();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `BackingFile` is a transparent wrapper.
        unsafe { File::dec_ref(obj.cast()) };
    }
}

impl BackingFile {
    /// Opens the file at `path` for the user file `user`, which is in its own open operation.
    ///
    /// Access mode and flags are the user file's, without those that only matter when a name is
    /// opened (`O_CREAT`, `O_EXCL`, `O_TRUNC`, `O_NOCTTY`), which are cleared in the user file too:
    /// the VFS has created or truncated by then. `O_NOATIME` is added if the user's mount asks for
    /// it. The user file gets the abilities of the backing file: direct I/O, `RWF_NOWAIT`, atomic
    /// writes. A user file that makes no fsnotify events has a backing file that makes none.
    ///
    /// May sleep, and runs the open hooks of the backing file. Acts with `cred`.
    ///
    /// C: `backing_file_open()`.
    ///
    /// # Errors
    ///
    /// * `EACCES` if `cred` may not open the file so, `EPERM` if it is immutable, or append-only and
    ///   the user file does not append, or a listener or a security module denies;
    /// * `ENOENT` if nothing is at `path`;
    /// * `EINVAL` for `O_DIRECT` where the filesystem has no direct I/O;
    /// * `EROFS`, `ETXTBSY`, `ENFILE`, `ENOMEM`, or what the filesystem returns.
    // Called in one or two places of a filesystem, and on the way of every open.
    #[inline(always)]
    pub fn open<T>(
        _hooks: &mut HookContext,
        user: &Opening<'_, T>,
        path: &Path,
        cred: &Credential,
    ) -> Result<ARef<Self>> {
        let inode = path.inode().ok_or(ENOENT)?;
        user.clear_open_flags();
        let flags = user.flags_with_mount();

        let file = with_creds(cred, || {
            inode.permission(path.idmap(), flags::access_mask(flags))?;
            // SAFETY: `user` is valid, and `path` positive.
            unsafe { Self::open_raw(user.as_ptr(), flags, path, cred) }
        })?;
        user.allow_what(&file.file);
        Ok(file)
    }

    /// Opens the file at `path` with `flags`, whoever may do that.
    ///
    /// # Safety
    ///
    /// `user` must be valid, and `path` positive.
    #[inline]
    pub(crate) unsafe fn open_raw(
        user: *const bindings::file,
        flags: u32,
        path: &Path,
        cred: &Credential,
    ) -> Result<ARef<Self>> {
        // SAFETY: By the caller's promise.
        let file = from_err_ptr(unsafe {
            bindings::backing_file_open(user, flags as i32, path.as_ptr(), cred.as_ptr())
        })?;
        // SAFETY: Just opened; the reference is ours.
        // INVARIANT: `backing_file_open` returns a backing file with the user path.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
    }

    /// Makes a file without a name in the directory `parent`, with permissions `mode`, for the user
    /// file `user`, which is in its own `O_TMPFILE` open.
    ///
    /// As [`BackingFile::open`]. Unlike the C function it records the outermost user path, and makes
    /// no fsnotify events if the user file makes none. The filesystem is protected against freezing
    /// meanwhile, so that who decides about the opening is asked under that protection, as by the VFS.
    ///
    /// C: `backing_tmpfile_open()`, in `mnt_want_write()`.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EOPNOTSUPP` if the filesystem has no such files, `ENOSPC`, `EDQUOT`, `EROFS`,
    /// `ENFILE`, `ENOMEM`, or what the filesystem returns.
    pub fn tmpfile<T>(
        hooks: &mut HookContext,
        user: &Opening<'_, T>,
        parent: &Path,
        mode: u16,
        cred: &Credential,
    ) -> Result<ARef<Self>> {
        parent.inode().ok_or(ENOENT)?;
        let flags = user.flags();
        let file = with_creds(cred, || {
            let _write = parent.mount().want_write(hooks)?;
            // SAFETY: `user` is valid, and `parent` positive.
            unsafe { Self::tmpfile_raw(user.as_ptr(), flags, parent, mode, cred) }
        })?;
        user.clear_open_flags();
        user.allow_what(&file.file);
        Ok(file)
    }

    /// Makes a file without a name in `parent` with `flags`, acting with the current credentials. The
    /// caller has write access to the mount.
    ///
    /// # Safety
    ///
    /// `user` must be valid, and `parent` positive.
    pub(crate) unsafe fn tmpfile_raw(
        user: *const bindings::file,
        flags: u32,
        parent: &Path,
        mode: u16,
        cred: &Credential,
    ) -> Result<ARef<Self>> {
        // SAFETY: By the caller's promise.
        let file = from_err_ptr(unsafe {
            bindings::backing_tmpfile_open(user, flags as i32, parent.as_ptr(), mode, cred.as_ptr())
        })?;
        // SAFETY: Just opened; the reference is ours.
        // INVARIANT: `backing_tmpfile_open` returns a backing file; its user path is corrected next.
        let file: ARef<Self> = unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) };
        // SAFETY: By the caller's promise.
        unsafe { file.correct_tmpfile(user) }?;
        Ok(file)
    }

    /// Whether a check of the stacked inode for `mask` (`MAY_*`) comes before an open at which
    /// [`BackingFile::open`] checks `inode`, the one below, in the same way: it need not be checked
    /// twice.
    ///
    /// So for what is opened to be read or written. A program that is executed has to be executable
    /// as well, and what is neither a file nor a directory the VFS opens by itself.
    #[inline]
    pub fn checks_at_open(inode: &Walked<Inode>, mask: i32) -> bool {
        let open = mask as u32 & (bindings::MAY_OPEN | bindings::MAY_EXEC) == bindings::MAY_OPEN;
        open && matches!(inode.file_type(), FileType::Regular | FileType::Directory)
    }

    /// Closes the file for the user file, in its release operation.
    ///
    /// If this is the last reference, the file is released at once: the release of the user file
    /// itself runs where nothing is held, in task work or in `close`, so there is nothing to wait
    /// for. Dropping the reference leaves it to another round of task work.
    ///
    /// May sleep.
    ///
    /// C: `__fput_sync()`.
    #[inline]
    pub fn close(file: ARef<Self>) {
        // SAFETY: The reference is ours.
        unsafe { bindings::__fput_sync(ARef::into_raw(file).as_ptr().cast()) };
    }

    /// Makes up for what `backing_tmpfile_open` does not do and `backing_file_open` does: the user
    /// path of a user file that is a backing file itself is that of *its* user file, and events.
    ///
    /// # Safety
    ///
    /// `user` must be valid.
    unsafe fn correct_tmpfile(&self, user: *const bindings::file) -> Result {
        let file = self.as_ptr();
        // SAFETY: `user` is valid by the caller's promise, the file is new and nobody else's. The user
        // path it recorded has references of its own, and write access to its mount if it is open for
        // writing; they are given back for those of the right one.
        unsafe {
            let right = bindings::file_user_path(user);
            let wrong = *bindings::backing_file_user_path(file);
            let writes = (*file).f_mode & bindings::FMODE_WRITER != 0;
            if writes {
                to_result(bindings::mnt_get_write_access((*right).mnt))?;
            }
            bindings::path_get(right);
            bindings::backing_file_set_user_path(file, right);
            if writes {
                bindings::mnt_put_write_access(wrong.mnt);
            }
            bindings::path_put(&wrong);
            bindings::follow_nonotify(file, user);
        }
        Ok(())
    }

    /// Takes `file` for a backing file; none if it is not.
    ///
    /// # Safety
    ///
    /// `file` must be valid for `'a`, and never have been in a table of file descriptors.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(file: *mut bindings::file) -> Option<&'a Self> {
        // SAFETY: By the caller's promise.
        // INVARIANT: Checked; the kernel records the user path of every backing file.
        unsafe { ((*file).f_mode & bindings::FMODE_BACKING != 0).then(|| &*file.cast::<Self>()) }
    }

    /// The backing dentry. C: `file_dentry()`.
    pub fn dentry(&self) -> &Dentry {
        self.path().dentry()
    }

    /// The C object.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    /// The operations of its filesystem.
    #[inline]
    pub(crate) fn operations(&self) -> &bindings::file_operations {
        // SAFETY: A table is set since open, and either static or kept until the file is released
        // (`mmap/remap.rs`, which may be replacing one by the other).
        unsafe { &*(&raw const (*self.as_ptr()).f_op).read_volatile() }
    }

    /// Whether its content is read past the page cache: opened so (`O_DIRECT`), or stored in memory
    /// itself (`IS_DAX`).
    #[inline]
    pub(crate) fn is_uncached(&self) -> bool {
        // SAFETY: A file keeps its mapping and the inode that hosts it; flags are read at once.
        let host = unsafe {
            let host = (*(*self.as_ptr()).f_mapping).host;
            (&raw const (*host).i_flags).read_volatile()
        };
        self.flags() & bindings::O_DIRECT != 0 || host & bindings::S_DAX != 0
    }

    /// The flags it was opened with, as changed since (`O_*`).
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.file.flags()
    }

    /// Whether direct I/O is possible. C: `FMODE_CAN_ODIRECT`.
    #[inline]
    pub(crate) fn can_direct(&self) -> bool {
        // SAFETY: The mode does not change after open.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_CAN_ODIRECT != 0 }
    }

    /// Whether it was opened for reading. C: `FMODE_READ`.
    #[inline]
    pub(crate) fn can_read(&self) -> bool {
        // SAFETY: The mode does not change after open.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_READ != 0 }
    }

    /// Whether it can be read with an iocb.
    ///
    /// # Errors
    ///
    /// `EBADF` if it was not opened for reading, `EINVAL` if its filesystem cannot do that.
    #[inline]
    pub(crate) fn may_read(&self) -> Result {
        if self.operations().read_iter.is_some() && self.can_read() {
            Ok(())
        } else if self.can_read() {
            Err(EINVAL)
        } else {
            Err(EBADF)
        }
    }

    /// Whether it was opened for writing, and can be written to. C: `FMODE_CAN_WRITE`.
    #[inline]
    pub(crate) fn can_write(&self) -> bool {
        // SAFETY: The mode does not change after open.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_CAN_WRITE != 0 }
    }

    /// The backing inode. C: `file_inode()`.
    #[inline]
    pub fn inode(&self) -> &Inode {
        // SAFETY: A file keeps its inode.
        unsafe { Inode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// Where it is on the filesystem below.
    #[inline]
    pub(crate) fn path(&self) -> &Path {
        // SAFETY: A file keeps its path.
        unsafe { Path::from_raw(&raw const (*self.as_ptr()).__bindgen_anon_1.f_path) }
    }

    /// The mount it was opened on.
    #[inline]
    pub fn mount(&self) -> &Mount {
        self.path().mount()
    }
}
