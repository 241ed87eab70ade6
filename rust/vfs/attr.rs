// SPDX-License-Identifier: GPL-2.0

//! Attributes: read, being set, and of a whole filesystem.
//!
//! C headers: `include/linux/stat.h`, `include/linux/statfs.h`, `include/linux/fs.h`.

use crate::{
    bindings,
    dentry::Dentry,
    error::to_result,
    inode::Inode,
    mount::Idmap,
    super_block::SuperBlock, //
};
use kernel::{
    fs::file::Offset,
    prelude::*,
    types::Opaque, //
};

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket: the VFS serves it by itself.
    Special,
}

impl FileType {
    #[inline]
    pub(crate) fn of_mode(mode: bindings::umode_t) -> Self {
        match u32::from(mode) & bindings::S_IFMT {
            bindings::S_IFREG => Self::Regular,
            bindings::S_IFDIR => Self::Directory,
            bindings::S_IFLNK => Self::Symlink,
            _ => Self::Special,
        }
    }
}

/// The file types of a mode.
pub mod mode {
    use crate::bindings;

    /// A regular file.
    pub const REGULAR: u16 = bindings::S_IFREG as u16;

    /// A directory.
    pub const DIRECTORY: u16 = bindings::S_IFDIR as u16;

    /// A symbolic link, which has all permissions.
    pub const SYMLINK: u16 = (bindings::S_IFLNK | 0o777) as u16;
}

/// Attributes as `stat` and `statx` report them, `struct kstat`.
#[repr(transparent)]
pub struct Stat(Opaque<bindings::kstat>);

impl Stat {
    /// Attributes to be filled in.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Opaque::new(pin_init::zeroed()))
    }

    /// # Safety
    ///
    /// `ptr` must be valid and exclusive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *mut bindings::kstat {
        self.0.get()
    }

    /// Makes attributes of a backing file those of the stacked `inode`: reported with the
    /// stacking filesystem's device number and with the owner seen through `idmap`.
    #[inline]
    pub fn restack(&mut self, inode: &Inode, idmap: &Idmap) {
        let stat = self.as_ptr();
        // SAFETY: `stat` is exclusive, the others are valid.
        unsafe {
            (*stat).dev = (*(*inode.as_ptr()).i_sb).s_dev;
            if idmap.is_nop() {
                return;
            }
            (*stat).uid = bindings::map_kuid(idmap.as_ptr(), inode.as_ptr(), (*stat).uid);
            (*stat).gid = bindings::map_kgid(idmap.as_ptr(), inode.as_ptr(), (*stat).gid);
        }
    }
}

/// Attributes to be set, `struct iattr`.
#[repr(transparent)]
pub struct SetAttr(Opaque<bindings::iattr>);

impl SetAttr {
    /// # Safety
    ///
    /// `ptr` must be valid and exclusive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::iattr) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *mut bindings::iattr {
        self.0.get()
    }

    fn get(&self) -> &bindings::iattr {
        // SAFETY: Valid, and changed through `&mut self` alone.
        unsafe { &*self.0.get() }
    }

    /// A change that takes the set-group-id bit away and nothing else.
    pub fn kill_sgid() -> Self {
        let attr = bindings::iattr {
            ia_valid: bindings::ATTR_KILL_SGID,
            ..pin_init::zeroed()
        };
        Self(Opaque::new(attr))
    }

    /// If the size changes, takes away from the file, which is `inode`, the privileges that a change of
    /// its content by the current task does. For attributes that may have changed since the VFS looked.
    ///
    /// C: `setattr_should_drop_suidgid()`.
    pub fn drop_privs_with_size(&mut self, idmap: &Idmap, inode: &Inode) {
        let attr = self.as_ptr();
        // SAFETY: `attr` is exclusive, the others are valid.
        unsafe {
            if (*attr).ia_valid & bindings::ATTR_SIZE != 0 {
                let kill = bindings::setattr_should_drop_suidgid(idmap.as_ptr(), inode.as_ptr());
                // CAST: `ATTR_*`.
                (*attr).ia_valid |= kill as u32;
            }
        }
    }

    /// Checks that the current task may make this change to `dentry`, as the VFS would for a
    /// filesystem without attributes of its own. The inode's lock must be held.
    ///
    /// C: `setattr_prepare()`.
    ///
    /// # Errors
    ///
    /// `EPERM`, or `EFBIG`, `ETXTBSY` or `EINVAL` for a size that cannot be, and `ENOENT` for a name
    /// without a file.
    pub fn prepare(&mut self, idmap: &Idmap, dentry: &Dentry) -> Result<Prepared<'_>> {
        dentry.inode().ok_or(ENOENT)?;
        // SAFETY: All arguments are valid, and there is an inode; the VFS calls `setattr` with it locked.
        to_result(unsafe {
            bindings::setattr_prepare(idmap.as_ptr(), dentry.as_ptr(), self.as_ptr())
        })?;
        Ok(Prepared(self))
    }
}

/// A change that the task may make.
pub struct Prepared<'a>(&'a mut SetAttr);

impl<'a> Prepared<'a> {
    /// Makes a change of the stacked `inode` one of its backing file: owners as the stacked
    /// filesystem knows them, no file of the stacked filesystem, and set-id bits left for the
    /// backing filesystem to clear.
    pub fn restack(self, idmap: &Idmap, inode: &Inode) -> BackingAttr<'a> {
        let attr = self.0.as_ptr();
        // SAFETY: `attr` is exclusive, the others are valid.
        unsafe {
            bindings::rebase_owner(idmap.as_ptr(), inode.as_ptr(), attr);
            let valid = &mut (*attr).ia_valid;
            *valid &= !(bindings::ATTR_FILE | bindings::ATTR_OPEN);
            if *valid & (bindings::ATTR_KILL_SUID | bindings::ATTR_KILL_SGID) != 0 {
                *valid &= !bindings::ATTR_MODE;
            }
        }
        // INVARIANT: The mode went if a set-id bit is to be cleared, and the file did.
        BackingAttr(self.0)
    }
}

/// Attributes to be set on a backing file. A size is set by itself, the rest with
/// [`dirop::notify_change`](crate::dirop::notify_change).
///
/// # Invariants
///
/// There is no file in it, and not both a mode and a set-id bit to clear, which the VFS takes for a
/// bug of the kernel.
pub struct BackingAttr<'a>(&'a mut SetAttr);

impl BackingAttr<'_> {
    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *mut bindings::iattr {
        self.0.as_ptr()
    }

    /// Takes the new size out of the change, if it has one; what stays are the other attributes.
    pub fn take_size(&mut self) -> Option<Offset> {
        let attr = self.0.as_ptr();
        // SAFETY: Exclusive.
        unsafe {
            if (*attr).ia_valid & bindings::ATTR_SIZE == 0 {
                return None;
            }
            (*attr).ia_valid &= !bindings::ATTR_SIZE;
            Some((*attr).ia_size)
        }
    }

    /// Whether there is anything to set.
    pub fn is_empty(&self) -> bool {
        const WHAT: u32 = bindings::ATTR_MODE
            | bindings::ATTR_UID
            | bindings::ATTR_GID
            | bindings::ATTR_SIZE
            | bindings::ATTR_ATIME
            | bindings::ATTR_MTIME
            | bindings::ATTR_CTIME
            | bindings::ATTR_KILL_SUID
            | bindings::ATTR_KILL_SGID
            | bindings::ATTR_KILL_PRIV;
        self.0.get().ia_valid & WHAT == 0
    }
}

/// Usage figures of a filesystem, `struct kstatfs`.
#[repr(transparent)]
pub struct StatFs(Opaque<bindings::kstatfs>);

impl StatFs {
    /// # Safety
    ///
    /// `ptr` must be valid and exclusive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut kernel::bindings::kstatfs) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *mut kernel::bindings::kstatfs {
        self.0.get().cast()
    }

    /// Makes figures of the filesystem below those of the stacked `sb`: with its magic number, and an
    /// id of its own, which tells listeners of fanotify the files of both apart.
    ///
    /// C: `simple_statfs()`.
    pub fn restack(&mut self, sb: &SuperBlock) {
        let (buf, sb) = (self.0.get(), sb.as_ptr());
        // SAFETY: `buf` is exclusive, the super block mounted.
        unsafe {
            (*buf).f_type = (*sb).s_magic as isize;
            (*buf).f_fsid = bindings::fsid_of(sb);
        }
    }
}

/// Where extents of a file are reported to, `struct fiemap_extent_info`.
#[repr(transparent)]
pub struct Extents(Opaque<bindings::fiemap_extent_info>);

impl Extents {
    /// # Safety
    ///
    /// `ptr` must be valid and exclusive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::fiemap_extent_info) -> &'a mut Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }
}

impl Inode {
    /// Maps `len` bytes at `start` of the file to where they are stored. May sleep.
    ///
    /// C: `inode_operations::fiemap`, as `ovl_fiemap()` uses it.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem does not tell, `EBADR` for flags it does not know, or what it
    /// returns.
    pub fn fiemap(&self, extents: &mut Extents, start: u64, len: u64) -> Result {
        // SAFETY: The inode is valid, and its operations are static.
        let fiemap = unsafe { (*(*self.as_ptr()).i_op).fiemap }.ok_or(EOPNOTSUPP)?;
        // SAFETY: As the VFS calls it.
        to_result(unsafe { fiemap(self.as_ptr(), extents.0.get(), start, len) })
    }
}

#[kunit_tests(vfs_attr)]
mod tests {
    use super::*;

    fn change(valid: u32, size: Offset) -> SetAttr {
        let attr = bindings::iattr {
            ia_valid: valid,
            ia_size: size,
            ..pin_init::zeroed()
        };
        SetAttr(Opaque::new(attr))
    }

    #[test]
    fn every_mode_has_a_type() {
        let types = [
            (bindings::S_IFREG, FileType::Regular),
            (bindings::S_IFDIR, FileType::Directory),
            (bindings::S_IFLNK, FileType::Symlink),
            (bindings::S_IFCHR, FileType::Special),
            (bindings::S_IFBLK, FileType::Special),
            (bindings::S_IFIFO, FileType::Special),
            (bindings::S_IFSOCK, FileType::Special),
        ];
        for (format, expected) in types {
            for permissions in [0, 0o7777] {
                // CAST: Modes have 16 bits.
                assert!(FileType::of_mode((format | permissions) as u16) == expected);
            }
        }
    }

    #[test]
    fn a_size_is_taken_once() {
        let mut attr = change(bindings::ATTR_SIZE | bindings::ATTR_MTIME, 4096);
        let mut attr = BackingAttr(&mut attr);
        assert_eq!(attr.take_size(), Some(4096));
        assert_eq!(attr.take_size(), None);
        assert!(!attr.is_empty());
        let mut attr = change(bindings::ATTR_SIZE, 0);
        let mut attr = BackingAttr(&mut attr);
        assert_eq!(attr.take_size(), Some(0));
        assert!(attr.is_empty());
    }

    #[test]
    fn what_is_no_change_is_empty() {
        for valid in [
            0,
            bindings::ATTR_FILE,
            bindings::ATTR_OPEN,
            bindings::ATTR_FORCE,
        ] {
            assert!(BackingAttr(&mut change(valid, 0)).is_empty());
        }
        assert!(!BackingAttr(&mut SetAttr::kill_sgid()).is_empty());
        assert!(!BackingAttr(&mut change(bindings::ATTR_MODE, 0)).is_empty());
    }
}
