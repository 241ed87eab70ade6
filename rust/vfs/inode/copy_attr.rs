// SPDX-License-Identifier: GPL-2.0

//! The attributes that a stacked inode has of the inode below, and whether they are still those.
//!
//! Readers of an inode's attributes, here and in C, take no lock. So most calls only look whether anything has
//! changed, which costs a few instructions on the way of every path walk and write.

use super::Inode;
use crate::{
    bindings,
    mount::Mount,
    Walk,
    Walked, //
};
use kernel::prelude::*;

/// The inode flags that a file operation on the *stacking* filesystem checks on its own inode and
/// that a stacked inode therefore takes from its backing inode.
const COPIED_FLAGS: u32 =
    bindings::S_SYNC | bindings::S_APPEND | bindings::S_IMMUTABLE | bindings::S_DIRSYNC;

impl Inode {
    /// Takes over the attributes of `from`, reached through `mount`, if owner, mode, flags or size
    /// changed since they were copied. Does not sleep.
    #[inline]
    pub fn refresh(&self, from: &Inode, mount: &Mount) {
        if !self.is_like(from) {
            self.do_copy_attr(from, mount);
        }
    }

    /// Takes over the attributes of `from`: mode, owner (as seen through `mount`), times, size,
    /// blocks, links, and the flags that the VFS checks on a user's inode. Does not sleep.
    ///
    /// C: `ovl_copyattr()`.
    ///
    /// Does nothing to an inode that is not of a stacking filesystem: those attributes are not a copy.
    /// Nor if `from` is a file of another type: that is no longer what the inode stands for.
    #[inline]
    pub fn copy_attr(&self, from: &Inode, mount: &Mount) {
        // Most often nothing changed: times are those of the clock's tick.
        if !self.is_same(from) {
            self.do_copy_attr(from, mount);
        }
    }

    #[cold]
    fn do_copy_attr(&self, from: &Inode, mount: &Mount) {
        // An inode being made has no type yet.
        let becomes = self.mode() == 0 || self.file_type() == from.file_type();
        if !self.is_stacked() || !becomes {
            return;
        }
        let idmap = mount.idmap();
        let (to, from) = (self.as_ptr(), from.as_ptr());
        // SAFETY: Both inodes are valid. Writers of the stacked inode's attributes are serialised
        // by its `i_lock`; readers, here and in C, read each field without a lock.
        unsafe {
            bindings::spin_lock(&raw mut (*to).i_lock);
            (*to).i_mode = (*from).i_mode;
            (*to).i_uid = bindings::inode_kuid(idmap.as_ptr(), from);
            (*to).i_gid = bindings::inode_kgid(idmap.as_ptr(), from);
            (*to).i_atime_sec = (*from).i_atime_sec;
            (*to).i_atime_nsec = (*from).i_atime_nsec;
            (*to).i_mtime_sec = (*from).i_mtime_sec;
            (*to).i_mtime_nsec = (*from).i_mtime_nsec;
            (*to).i_ctime_sec = (*from).i_ctime_sec;
            (*to).i_ctime_nsec = (*from).i_ctime_nsec & !bindings::I_CTIME_QUERIED;
            bindings::inode_set_flags(to, (*from).i_flags & COPIED_FLAGS, COPIED_FLAGS);
            (*to).i_blocks = (*from).i_blocks;
            bindings::i_size_write(to, bindings::i_size_read(from));
            bindings::set_nlink(to, (*from).__bindgen_anon_1.i_nlink);
            bindings::spin_unlock(&raw mut (*to).i_lock);
        }
    }
}

impl Walked<Inode> {
    /// Whether [`Self::refresh`] in `walk` would change nothing.
    #[inline]
    pub fn is_fresh(&self, walk: Walk<'_>, from: &Walked<Inode>) -> bool {
        self.is_as_accessible(from) && (walk.is_rcu() || self.is_sized(from))
    }

    /// Whether what decides who may do what, owner, mode and flags, is that of `from`: for a check of that,
    /// [`Self::refresh`] is not needed.
    #[inline]
    pub fn is_as_accessible(&self, from: &Walked<Inode>) -> bool {
        let (a, b) = (self.as_ptr(), from.as_ptr());
        // SAFETY: By the type invariant both are valid memory; a concurrent change is seen now or at the next
        // call.
        unsafe {
            (*a).i_mode == (*b).i_mode
                && self.owner() == from.owner()
                && (*a).i_flags & COPIED_FLAGS == (*b).i_flags & COPIED_FLAGS
        }
    }

    /// User and group. They are neighbours, and one word is read and compared faster than two.
    #[inline]
    fn owner(&self) -> u64 {
        let inode = self.as_ptr();
        // SAFETY: As in `is_as_accessible`.
        unsafe { u64::from((*inode).i_uid.val) | u64::from((*inode).i_gid.val) << 32 }
    }

    /// Whether owner, mode, flags and size are those of `from`.
    #[inline]
    fn is_like(&self, from: &Walked<Inode>) -> bool {
        self.is_as_accessible(from) && self.is_sized(from)
    }

    /// Whether the size is that of `from`.
    #[inline]
    fn is_sized(&self, from: &Walked<Inode>) -> bool {
        if !cfg!(CONFIG_64BIT) {
            return self.size() == from.size();
        }
        // Nothing is read because of the size, so it needs no order.
        // SAFETY: Both are valid; a 64-bit machine reads a size at once.
        unsafe {
            (&raw const (*self.as_ptr()).i_size).read_volatile()
                == (&raw const (*from.as_ptr()).i_size).read_volatile()
        }
    }

    /// Whether all that [`Inode::copy_attr`] copies is that of `from`: times, blocks and links as well.
    #[inline]
    fn is_same(&self, from: &Walked<Inode>) -> bool {
        let (a, b) = (self.as_ptr(), from.as_ptr());
        // SAFETY: As in `is_as_accessible`.
        unsafe {
            self.is_like(from)
                && self.access_and_change_nsec() == from.access_and_change_nsec()
                && (*a).i_mtime_sec == (*b).i_mtime_sec
                && (*a).i_ctime_nsec == (*b).i_ctime_nsec & !bindings::I_CTIME_QUERIED
                && (*a).i_ctime_sec == (*b).i_ctime_sec
                && (*a).i_atime_sec == (*b).i_atime_sec
                && (*a).i_blocks == (*b).i_blocks
                && (*a).__bindgen_anon_1.i_nlink == (*b).__bindgen_anon_1.i_nlink
        }
    }

    /// The nanoseconds of the times of access and of change of content, together as in [`Self::owner`].
    #[inline]
    fn access_and_change_nsec(&self) -> u64 {
        let inode = self.as_ptr();
        // SAFETY: As in `is_as_accessible`.
        unsafe { u64::from((*inode).i_atime_nsec) | u64::from((*inode).i_mtime_nsec) << 32 }
    }

    /// As [`Inode::refresh`], in a path walk. In RCU mode the size is left as it is: what works with it, such as
    /// opening, comes with a reference.
    ///
    /// # Errors
    ///
    /// `ECHILD` if attributes changed and the walk is in RCU mode: an inode that is perhaps being torn
    /// down is not written to.
    #[inline]
    pub fn refresh(&self, walk: Walk<'_>, from: &Walked<Inode>, mount: &Mount) -> Result {
        if self.is_fresh(walk, from) {
            return Ok(());
        }
        self.refresh_changed(walk, from, mount)
    }

    #[cold]
    fn refresh_changed(&self, walk: Walk<'_>, from: &Walked<Inode>, mount: &Mount) -> Result {
        walk.referenced(self)?
            .copy_attr(walk.referenced(from)?, mount);
        Ok(())
    }
}
