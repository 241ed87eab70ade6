// SPDX-License-Identifier: GPL-2.0

//! Copying and sharing ranges between two backing files.

use crate::{
    context::{
        Callbacks,
        Ctx,
        RawCtx,
        UserFile, //
    },
    range::{
        Range,
        Read, //
    },
    BackingFile, //
};
use kernel::{
    cred::Credential,
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    error::{
        to_result,
        to_size, //
    },
    inode::InodeGuard,
    with_creds, //
};

/// One side of a copy: where in which file.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The file the user sees.
    pub user: &'a UserFile,
    /// Its backing file.
    pub backing: &'a BackingFile,
    /// The position in both.
    pub pos: Offset,
}

impl BackingFile {
    /// Copies up to `len` bytes of `from` to `to`, in the way the backing filesystems find best.
    ///
    /// The hooks of both files run once, for their bytes: that of `from` on behalf of `from_cred`, the
    /// credentials of the mount it is on. Set-id bits and file capabilities that the change takes away are
    /// taken from the user file when the hooks have allowed it. `end_write` is told of `to`.
    ///
    /// `lock` is the lock of the user inode of `to`. May sleep.
    ///
    /// C: `vfs_copy_file_range()` as `ovl_copyfile()` uses it.
    ///
    /// # Errors
    ///
    /// `EXDEV` if the filesystems cannot, `EPERM` or another errno if a listener denies, `EPERM` for an
    /// immutable file, `ETXTBSY` for a swap file, `ENOSPC`, `EDQUOT`, `EFBIG`, `EINVAL` if the ranges
    /// overlap or for `flags`, of which there are none, and `EIO` if it is another lock.
    pub fn copy_range<C: Callbacks>(
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        from: (Side<'_>, &Credential),
        to: Side<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        if flags != 0 {
            return Err(EINVAL);
        }
        match may_copy(&from.0, &to, len)? {
            0 => Ok(0),
            len => copy(ctx.into_raw(), lock, from, to, len, How::Copy),
        }
    }

    /// Makes `len` bytes (0: to the end) of `to` share the blocks of `from`; `flags` are
    /// `REMAP_FILE_*` other than `DEDUP`.
    ///
    /// As [`BackingFile::copy_range`]. C: `vfs_clone_file_range()`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem has no shared blocks, `EXDEV`, `EINVAL` if the ranges are not
    /// aligned, `EPERM` or another errno if a listener denies, `ENOSPC`, `EDQUOT`.
    pub fn clone_range<C: Callbacks>(
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        from: (Side<'_>, &Credential),
        to: Side<'_>,
        len: Offset,
        flags: u32,
    ) -> Result<Offset> {
        if !from.0.backing.inode().same_super_block(to.backing.inode()) {
            return Err(EXDEV);
        }
        if from.0.backing.operations().remap_file_range.is_none() {
            return Err(EOPNOTSUPP);
        }
        // CAST: A negative length was refused by the VFS; no file is larger than `Offset` can say.
        let how = How::Share { flags };
        copy(ctx.into_raw(), lock, from, to, len as usize, how).map(|n| n as Offset)
    }

    /// Makes `len` bytes of `to` share the blocks of `from` if their content is the same.
    ///
    /// Both are files of one filesystem, and so of one mounter, whose credentials are those of `ctx`.
    /// Nothing is taken off the user file: the content stays. Otherwise as [`BackingFile::copy_range`].
    /// C: `vfs_dedupe_file_range_one()`.
    ///
    /// # Errors
    ///
    /// `EBADE` if the contents differ, and those of [`BackingFile::clone_range`].
    pub fn dedupe_range<C: Callbacks>(
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        from: Side<'_>,
        to: Side<'_>,
        len: Offset,
        flags: u32,
    ) -> Result<Offset> {
        let ctx = ctx.into_raw();
        lock.is_of(to.user.inode())?;
        if to.backing.operations().remap_file_range.is_none() {
            // As the VFS says it of a file that cannot, and the C function does not.
            return Err(EOPNOTSUPP);
        }
        follow_flags(&from, &to)?;
        let (f, t) = (from.backing.as_ptr(), to.backing.as_ptr());
        // SAFETY: Both files are valid.
        let ret = with_creds(ctx.cred, || unsafe {
            bindings::vfs_dedupe_file_range_one(f, from.pos, t, to.pos, len, flags)
        });
        // CAST: As large as an `Offset` here.
        let result = to_size(ret as isize);
        tell_end(&ctx, &to, result);
        result.map(|n| n as Offset)
    }
}

/// Which way of copying.
enum How {
    Copy,
    Share { flags: u32 },
}

/// The core of [`BackingFile::copy_range`] and [`BackingFile::clone_range`], when it was found that it can be.
fn copy(
    ctx: RawCtx<'_>,
    lock: &InodeGuard<'_>,
    (from, from_cred): (Side<'_>, &Credential),
    to: Side<'_>,
    len: usize,
    how: How,
) -> Result<usize> {
    lock.is_of(to.user.inode())?;
    follow_flags(&from, &to)?;
    if !from.backing.can_read() || !to.backing.can_write() {
        return Err(EBADF);
    }
    let range = Range { pos: from.pos, len };
    let verified = with_creds(from_cred, || from.backing.verify::<Read>(ctx.hooks, range))?;
    let verified = with_creds(ctx.cred, || verified.and_write(to.backing, to.pos))?;
    ctx.privs.remove(to.backing, to.user)?;
    let result = with_creds(ctx.cred, || match how {
        How::Copy => verified.copy(),
        How::Share { flags } => verified.share(flags),
    });
    tell_end(&ctx, &to, result);
    result
}

fn follow_flags(from: &Side<'_>, to: &Side<'_>) -> Result {
    to.backing.follow_flags(to.user)?;
    from.backing.follow_read_flags(from.user)
}

/// How many of `len` bytes there are to be copied. The VFS asked the same of the user files and their inodes,
/// of which the backing ones may differ.
fn may_copy(from: &Side<'_>, to: &Side<'_>, len: usize) -> Result<usize> {
    let (source, target) = (from.backing.inode(), to.backing.inode());
    let (reads, copies) = (from.backing.operations(), to.backing.operations());
    let able = match copies.copy_file_range {
        // A method must not be given files that are none of its filesystem.
        Some(copy) => reads
            .copy_file_range
            .is_some_and(|other| other as usize == copy as usize),
        None => source.same_super_block(target),
    };
    if !able {
        return Err(EXDEV);
    }
    if target.is_immutable() {
        return Err(EPERM);
    }
    if source.is_swapfile() || target.is_swapfile() {
        return Err(ETXTBSY);
    }
    // CAST: Neither is negative.
    let len = len.min(source.size().saturating_sub(from.pos).max(0) as usize);
    let len = within_limits(to, len)?;
    let apart = to.pos.abs_diff(from.pos) >= len as u64;
    if core::ptr::eq(source, target) && !apart {
        return Err(EINVAL);
    }
    Ok(len)
}

/// How many of `len` bytes limits of the file and of the process leave. C: `generic_write_check_limits()`.
fn within_limits(to: &Side<'_>, len: usize) -> Result<usize> {
    if len == 0 {
        return Ok(0);
    }
    // CAST: A file has no more bytes.
    let mut count = len as Offset;
    // SAFETY: The file is valid.
    to_result(unsafe {
        bindings::generic_write_check_limits(to.backing.as_ptr(), to.pos, &mut count)
    })?;
    // CAST: It is not negative.
    Ok(count as usize)
}

fn tell_end(ctx: &RawCtx<'_>, to: &Side<'_>, result: Result<usize>) {
    let end = to.pos + result.map_or(0, |n| n as Offset);
    ctx.tell_end_write(to.user, to.backing, end, result);
}
