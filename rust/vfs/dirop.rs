// SPDX-License-Identifier: GPL-2.0

//! Looking up names in, and changing, directories of the filesystem below.
//!
//! Lock order: write access to the mount ([`MountWrite`]), then the directory's inode lock (taken
//! and released here). The dentries are those the caller looked up before; if one of them is no
//! longer what it was, the operation fails with `ESTALE`, on which the VFS looks the path up anew
//! and tries once more.
//!
//! Every function may sleep, and acts with the current credentials. Write access to one filesystem is
//! none to another: `EXDEV`.
//!
//! C headers: `include/linux/namei.h`, `include/linux/fs.h`.

use crate::{
    bindings,
    dentry::{
        Dentry,
        Name, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    inode::Inode,
    mount::{
        Idmap,
        MountWrite, //
    },
    path::{
        Path,
        PathRef, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// Looks `name` up in the directory `parent`: what it returns may have no inode.
///
/// Does not cross mount points and does not follow symbolic links.
///
/// C: `lookup_one_unlocked()`.
///
/// # Errors
///
/// `EACCES` if the directory may not be searched, `ENAMETOOLONG`, `ENOMEM`, or what the filesystem
/// returns.
pub fn lookup(parent: &Path, name: Name<'_>) -> Result<ARef<Dentry>> {
    // The C function hashes the name for its directory, so it gets a copy.
    // SAFETY: `name` is valid.
    let mut name = unsafe { *name.as_ptr() };
    // SAFETY: All arguments are valid, and `parent` is positive or the call fails.
    let dentry = from_err_ptr(unsafe {
        bindings::lookup_one_unlocked(parent.idmap().as_ptr(), &mut name, parent.dentry().as_ptr())
    })?;
    // SAFETY: On success the reference is ours, and a dentry is never null.
    Ok(unsafe { ARef::from_raw(ptr::NonNull::new_unchecked(dentry.cast())) })
}

/// A dentry whose directory is locked, so that the name can be made or removed.
///
/// # Invariants
///
/// `dentry` is an owned reference, and the current task holds the lock of its parent's inode.
struct DirOp<'a> {
    dentry: *mut bindings::dentry,
    // Given back after the directory is unlocked.
    write: MountWrite<'a>,
}

impl DirOp<'_> {
    fn dir(&self) -> *mut bindings::inode {
        // SAFETY: By the type invariant the parent is stable and positive.
        unsafe { (*(*self.dentry).d_parent).d_inode }
    }

    fn idmap(&self) -> *mut bindings::mnt_idmap {
        self.write.mount().idmap().as_ptr()
    }
}

impl Drop for DirOp<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant: unlocks the parent and drops the reference.
        unsafe { bindings::end_dirop(self.dentry) };
    }
}

/// The C functions say `EINVAL` or `EEXIST` where the dentry is no longer what was looked up.
fn stale(err: Error) -> Error {
    if err == EINVAL || err == EEXIST || err == ENOENT {
        ESTALE
    } else {
        err
    }
}

/// A name about to be made in a locked directory.
pub struct Creating<'a>(DirOp<'a>);

impl<'a> Creating<'a> {
    /// Locks `parent` to make the name `child` in it.
    ///
    /// C: `start_creating_dentry()`.
    ///
    /// # Errors
    ///
    /// `ESTALE` if `child` is no longer a free name of `parent`.
    pub fn start(write: MountWrite<'a>, parent: &Dentry, child: &Dentry) -> Result<Self> {
        write.mount().has(parent)?;
        parent.inode().ok_or(ESTALE)?;
        // SAFETY: Both dentries are valid and `parent` is positive.
        let dentry = from_err_ptr(unsafe {
            bindings::start_creating_dentry(parent.as_ptr(), child.as_ptr())
        })
        .map_err(stale)?;
        // INVARIANT: On success the parent is locked and the reference is ours.
        Ok(Self(DirOp { dentry, write }))
    }

    /// Makes a regular file. C: `vfs_create()`.
    ///
    /// # Errors
    ///
    /// `EACCES`, `ENOSPC`, `EDQUOT`, `ENOMEM`, `EOPNOTSUPP`, or what the filesystem returns.
    pub fn create(self, mode: u16) -> Result {
        // SAFETY: By the invariants of `DirOp`; no delegation is handed back.
        to_result(unsafe {
            bindings::vfs_create(self.0.idmap(), self.0.dentry, mode, ptr::null_mut())
        })
    }

    /// Makes a directory and returns its dentry, which need not be the one looked up before.
    /// C: `vfs_mkdir()`.
    ///
    /// # Errors
    ///
    /// As for [`Creating::create`], and `EMLINK`.
    pub fn mkdir(mut self, mode: u16) -> Result<ARef<Dentry>> {
        let dir = self.0.dir();
        // SAFETY: By the invariants of `DirOp`. The call consumes the reference: what it returns
        // takes its place, an error pointer included, with which the parent is unlocked already.
        let made = unsafe {
            bindings::vfs_mkdir(self.0.idmap(), dir, self.0.dentry, mode, ptr::null_mut())
        };
        self.0.dentry = made;
        from_err_ptr(made)?;
        // SAFETY: A valid dentry that `self` holds a reference to.
        let made: &Dentry = unsafe { Dentry::from_raw(made) };
        Ok(made.into())
    }

    /// Makes a symbolic link to `target`. C: `vfs_symlink()`.
    ///
    /// # Errors
    ///
    /// As for [`Creating::create`], and `ENAMETOOLONG`.
    pub fn symlink(self, target: &CStr) -> Result {
        // SAFETY: By the invariants of `DirOp`; `target` is nul-terminated.
        to_result(unsafe {
            bindings::vfs_symlink(
                self.0.idmap(),
                self.0.dir(),
                self.0.dentry,
                target.as_char_ptr(),
                ptr::null_mut(),
            )
        })
    }

    /// Makes a device, a pipe or a socket. C: `vfs_mknod()`.
    ///
    /// # Errors
    ///
    /// As for [`Creating::create`], and `EPERM` if the current credentials may not make devices.
    pub fn mknod(self, mode: u16, dev: u32) -> Result {
        // SAFETY: By the invariants of `DirOp`.
        to_result(unsafe {
            bindings::vfs_mknod(
                self.0.idmap(),
                self.0.dir(),
                self.0.dentry,
                mode,
                dev,
                ptr::null_mut(),
            )
        })
    }

    /// Makes another name of `old`. C: `vfs_link()`.
    ///
    /// # Errors
    ///
    /// As for [`Creating::create`], and `EXDEV`, `EMLINK`, `EPERM`.
    pub fn link(self, old: &Dentry) -> Result {
        old.inode().ok_or(ENOENT)?;
        // SAFETY: By the invariants of `DirOp`; `old` is positive.
        to_result(unsafe {
            bindings::vfs_link(
                old.as_ptr(),
                self.0.idmap(),
                self.0.dir(),
                self.0.dentry,
                ptr::null_mut(),
            )
        })
    }
}

/// A name about to be removed from a locked directory.
pub struct Removing<'a>(DirOp<'a>);

impl<'a> Removing<'a> {
    /// Locks `parent` to remove the name `child` from it.
    ///
    /// C: `start_removing_dentry()`.
    ///
    /// # Errors
    ///
    /// `ESTALE` if `child` is no longer a name in `parent`.
    pub fn start(write: MountWrite<'a>, parent: &Dentry, child: &Dentry) -> Result<Self> {
        write.mount().has(parent)?;
        parent.inode().ok_or(ESTALE)?;
        // SAFETY: Both dentries are valid and `parent` is positive.
        let dentry = from_err_ptr(unsafe {
            bindings::start_removing_dentry(parent.as_ptr(), child.as_ptr())
        })
        .map_err(stale)?;
        // INVARIANT: On success the parent is locked and the reference is ours.
        Ok(Self(DirOp { dentry, write }))
    }

    /// Removes the name of a file. C: `vfs_unlink()`.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EACCES`, `EISDIR`, `EBUSY` if it is a mount point, `EROFS`, or what the
    /// filesystem returns.
    pub fn unlink(self) -> Result {
        // SAFETY: By the invariants of `DirOp`.
        to_result(unsafe {
            bindings::vfs_unlink(self.0.idmap(), self.0.dir(), self.0.dentry, ptr::null_mut())
        })
    }

    /// Removes an empty directory. C: `vfs_rmdir()`.
    ///
    /// # Errors
    ///
    /// As for [`Removing::unlink`], and `ENOTEMPTY`, `ENOTDIR`.
    pub fn rmdir(self) -> Result {
        // SAFETY: By the invariants of `DirOp`.
        to_result(unsafe {
            bindings::vfs_rmdir(self.0.idmap(), self.0.dir(), self.0.dentry, ptr::null_mut())
        })
    }
}

/// One end of a rename: a name and the directory it is in.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// The directory.
    pub parent: &'a Dentry,
    /// The name.
    pub child: &'a Dentry,
}

/// Renames `from` to `to`, both on the mount of `write`. `flags` are the `RENAME_*` of the caller.
///
/// C: `start_renaming_two_dentries()`, `vfs_rename()`.
///
/// # Errors
///
/// `ESTALE` if a name is no longer what was looked up, `EEXIST` with `RENAME_NOREPLACE`, `EXDEV`,
/// `ENOTEMPTY`, `EISDIR`, `ENOTDIR`, `EINVAL` if a directory would become its own ancestor or the
/// flags are not supported, or what the filesystem returns.
pub fn rename(write: &MountWrite<'_>, from: End<'_>, to: End<'_>, flags: u32) -> Result {
    for dir in [from.parent, to.parent] {
        write.mount().has(dir)?;
        dir.inode().ok_or(ESTALE)?;
    }
    let mut rd = bindings::renamedata {
        mnt_idmap: write.mount().idmap().as_ptr(),
        old_parent: from.parent.as_ptr(),
        new_parent: to.parent.as_ptr(),
        flags,
        ..Default::default()
    };
    // SAFETY: All dentries are valid and the parents positive.
    to_result(unsafe {
        bindings::start_renaming_two_dentries(&mut rd, from.child.as_ptr(), to.child.as_ptr())
    })
    .map_err(|err| if err == EINVAL { ESTALE } else { err })?;
    // SAFETY: Both directories are locked, and `rd` holds the dentries.
    let renamed = to_result(unsafe { bindings::vfs_rename(&mut rd) });
    // SAFETY: Pairs with the start above.
    unsafe { bindings::end_renaming(&mut rd) };
    renamed
}

/// The target of the symbolic link `path`, which must live as long as the target is used.
///
/// C: `vfs_get_link()`.
///
/// # Errors
///
/// `EINVAL` if it is not a symbolic link, `EACCES`, or what the filesystem returns.
pub fn get_link(path: PathRef<'_>) -> Result<LinkTarget<'_>> {
    path.inode().ok_or(ENOENT)?;
    let mut done = bindings::delayed_call::default();
    // SAFETY: The dentry is valid and positive, and `done` is writable.
    let target = unsafe { bindings::vfs_get_link(path.dentry().as_ptr(), &mut done) };
    let target = from_err_ptr(target.cast_mut())?;
    // INVARIANT: Valid until `done` is called, which happens on drop or by the VFS.
    Ok(LinkTarget {
        target,
        done,
        _path: PhantomData,
    })
}

/// The text of a symbolic link and what frees it.
///
/// # Invariants
///
/// `target` is nul-terminated and valid until `done` has been called; it was not called yet.
pub struct LinkTarget<'a> {
    target: *const kernel::ffi::c_char,
    done: bindings::delayed_call,
    _path: PhantomData<PathRef<'a>>,
}

impl LinkTarget<'_> {
    /// Hands the text to the VFS, which frees it when it has followed the link.
    pub(crate) fn into_raw(self, done: &mut bindings::delayed_call) -> *const kernel::ffi::c_char {
        let this = core::mem::ManuallyDrop::new(self);
        *done = this.done;
        this.target
    }
}

impl Drop for LinkTarget<'_> {
    fn drop(&mut self) {
        if let Some(free) = self.done.fn_ {
            // SAFETY: By the type invariant it was not called yet.
            unsafe { free(self.done.arg) };
        }
    }
}

/// Changes attributes of `path` other than its size. Takes the inode's lock.
///
/// C: `notify_change()`.
///
/// # Errors
///
/// `EPERM`, `EACCES`, `EROFS`, `EDQUOT`, `EOVERFLOW` if an id has no mapping, or what the
/// filesystem returns.
pub fn notify_change(
    write: &MountWrite<'_>,
    dentry: &Dentry,
    attr: &mut crate::attr::BackingAttr<'_>,
) -> Result {
    write.mount().has(dentry)?;
    let inode: &Inode = dentry.inode().ok_or(ENOENT)?;
    let idmap: &Idmap = write.mount().idmap();
    let _lock = inode.lock();
    // SAFETY: All arguments are valid, the inode is locked, and `attr` asks for nothing that C has
    // no answer to (see its type).
    to_result(unsafe {
        bindings::notify_change(
            idmap.as_ptr(),
            dentry.as_ptr(),
            attr.as_ptr(),
            ptr::null_mut(),
        )
    })
}
