// SPDX-License-Identifier: GPL-2.0

//! From a range of one file to a range of another: both verified first, then copied.
//!
//! `vfs_copy_file_range` and `vfs_clone_file_range` run the hooks themselves, both with the same credentials and right
//! before the change, so that nothing can be done between the two without a second event.

use super::{
    Range,
    Read,
    Verified,
    Write, //
};
use crate::BackingFile;
use kernel::{
    fs::file::Offset,
    page::PAGE_MASK,
    prelude::*, //
};
use vfs::{
    bindings,
    error::to_size, //
};

/// No more is copied at once, as the kernel does not read or write more either. C: `MAX_RW_COUNT`.
const AT_ONCE: usize = i32::MAX as usize & PAGE_MASK;

/// Proof that the hooks allowed to read a range of one file, and to change as many bytes of another.
///
/// # Invariants
///
/// The hooks ran for `to.range.len` bytes of `from` at `pos`, and no freeze protection is held: `to` says so.
pub(crate) struct VerifiedCopy<'a> {
    from: &'a BackingFile,
    pos: Offset,
    to: Verified<'a, Write>,
}

impl<'a> Verified<'a, Read> {
    /// Runs the hooks for a change of `to` at `pos` as well, by the bytes that may be read; see
    /// [`BackingFile::verify`].
    pub(crate) fn and_write(self, to: &'a BackingFile, pos: Offset) -> Result<VerifiedCopy<'a>> {
        let len = self.range.len;
        // INVARIANT: They ran, and no freeze protection was taken between: `hooks` went from one proof to the
        // other.
        Ok(VerifiedCopy {
            from: self.file,
            pos: self.range.pos,
            to: to.verify(self.hooks, Range { pos, len })?,
        })
    }
}

impl VerifiedCopy<'_> {
    /// Copies with the method of the files' filesystem, or by sharing of blocks, or through a pipe.
    ///
    /// C: `vfs_copy_file_range()` without its checks and its hooks.
    ///
    /// # Errors
    ///
    /// What the filesystem returns.
    pub(crate) fn copy(mut self) -> Result<usize> {
        if let Some(copy) = self.to.file.operations().copy_file_range {
            // SAFETY: The method of both files, under freeze protection as the VFS calls it.
            let result = self.attempt(|f, pos, t, at, len| unsafe { copy(f, pos, t, at, len, 0) });
            return self.tell_watchers(result);
        }
        self.to.range.len = self.to.range.len.min(AT_ONCE);
        if self.from.operations().remap_file_range.is_some() {
            // Not every range has blocks of its own.
            let result = self.attempt_to_share(bindings::REMAP_FILE_CAN_SHORTEN);
            if matches!(result, Ok(1..)) {
                return self.tell_watchers(result);
            }
        }
        let result = self.splice();
        self.tell_watchers(result)
    }

    /// Makes the ranges share blocks; `flags` are `REMAP_FILE_*`.
    ///
    /// C: `vfs_clone_file_range()` without its checks and its hooks.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem has no shared blocks, or what it returns.
    pub(crate) fn share(mut self, flags: u32) -> Result<usize> {
        let result = self.attempt_to_share(flags);
        self.tell_watchers(result)
    }

    fn attempt_to_share(&mut self, flags: u32) -> Result<usize> {
        let remap = self.from.operations().remap_file_range;
        let remap = remap.ok_or(EOPNOTSUPP)?;
        self.attempt(|f, pos, t, at, len| {
            // SAFETY: The source's method, under freeze protection of the target as the VFS calls it.
            // CAST: Lengths and positions are `Offset`s.
            unsafe { remap(f, pos, t, at, len as Offset, flags) as isize }
        })
    }

    /// Calls a method, which gets files, positions and length, under freeze protection.
    fn attempt<F>(&mut self, method: F) -> Result<usize>
    where
        F: FnOnce(*mut bindings::file, Offset, *mut bindings::file, Offset, usize) -> isize,
    {
        let (from, pos) = (self.from.as_ptr(), self.pos);
        let to = self.to.once_more().start_write();
        let ret = method(from, pos, to.file.as_ptr(), to.range.pos, to.range.len);
        to_size(ret)
    }

    /// Reads into a pipe and writes from it. Freeze protection is taken for each write, and never held
    /// during a read: that may be of another filesystem.
    fn splice(&mut self) -> Result<usize> {
        let Range { mut pos, len } = self.to.range;
        let mut from_pos = self.pos;
        // SAFETY: Both files are valid; no freeze protection is held by the invariant of `to`.
        to_size(unsafe {
            bindings::do_splice_direct(
                self.from.as_ptr(),
                &mut from_pos,
                self.to.file.as_ptr(),
                &mut pos,
                len,
                0,
            )
        })
    }

    /// Lets listeners know, of both files.
    fn tell_watchers(&self, result: Result<usize>) -> Result<usize> {
        if matches!(result, Ok(1..)) {
            // SAFETY: Both files are valid.
            unsafe {
                bindings::fsnotify_access(self.from.as_ptr());
                bindings::fsnotify_modify(self.to.file.as_ptr());
            }
        }
        result
    }
}
