// SPDX-License-Identifier: GPL-2.0

//! Copying and sharing ranges between two backing files.

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    range::Range,
    BackingFile, //
};
use kernel::{
    cred::Credential,
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    error::to_size,
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

/// Which way of copying.
enum How {
    Copy { flags: u32 },
    Clone { flags: u32 },
    Dedupe { flags: u32 },
}

impl BackingFile {
    /// Copies `len` bytes of `from` to `to`, in the way the backing filesystems find best.
    ///
    /// The hooks of both files run for their bytes. `end_write` is told of `to`. `from_cred` are the
    /// credentials of the mount `from` is on; if they are not those of `ctx`, reading is verified
    /// with them too, which raises the source's event a second time. So does, for both files, a `to`
    /// that has set-id bits or file capabilities, which go when the hooks have allowed the copy.
    ///
    /// `lock` is the lock of the user inode of `to`. May sleep.
    ///
    /// C: `vfs_copy_file_range()` as `ovl_copyfile()` uses it.
    ///
    /// # Errors
    ///
    /// `EXDEV`, `EOPNOTSUPP` if the filesystems cannot, `EPERM` or another errno if a listener
    /// denies, `ENOSPC`, `EDQUOT`, `EFBIG`, `EINVAL` if the ranges overlap.
    pub fn copy_range<C: Callbacks>(
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        from: (Side<'_>, &Credential),
        to: Side<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        // CAST: No file is larger than `Offset` can say.
        copy(ctx, lock, from, to, len as Offset, How::Copy { flags }).map(|n| n as usize)
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
        copy(ctx, lock, from, to, len, How::Clone { flags })
    }

    /// Makes `len` bytes of `to` share the blocks of `from` if their content is the same.
    ///
    /// As [`BackingFile::copy_range`], but nothing is taken off the user file: the content stays.
    /// C: `vfs_dedupe_file_range_one()`.
    ///
    /// # Errors
    ///
    /// `EBADE` if the contents differ, and those of [`BackingFile::clone_range`].
    pub fn dedupe_range<C: Callbacks>(
        ctx: Ctx<'_, C>,
        lock: &InodeGuard<'_>,
        from: (Side<'_>, &Credential),
        to: Side<'_>,
        len: Offset,
        flags: u32,
    ) -> Result<Offset> {
        copy(ctx, lock, from, to, len, How::Dedupe { flags })
    }
}

fn copy<C: Callbacks>(
    ctx: Ctx<'_, C>,
    lock: &InodeGuard<'_>,
    (from, from_cred): (Side<'_>, &Credential),
    to: Side<'_>,
    len: Offset,
    how: How,
) -> Result<Offset> {
    let ctx = ctx.into_raw();
    lock.is_of(to.user.inode())?;
    if matches!(how, How::Dedupe { .. }) && to.backing.operations().remap_file_range.is_none() {
        // As the VFS says it of a file that cannot, and the C function does not.
        return Err(EOPNOTSUPP);
    }
    to.backing.follow_flags(to.user)?;
    from.backing.follow_read_flags(from.user)?;
    let range = |side: &Side<'_>| Range {
        pos: side.pos,
        // CAST: A negative length was refused by the VFS.
        len: len as usize,
    };
    if !core::ptr::eq(from_cred.as_ptr(), ctx.cred.as_ptr()) {
        let range = range(&from);
        from.backing.verify_read(ctx.hooks, from_cred, range)?;
    }
    if !matches!(how, How::Dedupe { .. }) && to.backing.has_privs(to.user, ctx.cred)? {
        // What the hooks deny must leave the privileges. The functions below run the hooks, and cannot
        // be told that this was done.
        let (f, t) = (range(&from), range(&to));
        from.backing.verify_read(ctx.hooks, ctx.cred, f)?;
        to.backing.verify_write(ctx.hooks, ctx.cred, t).map(drop)?;
        to.backing.remove_privs(to.user)?;
    }

    let (f, t) = (from.backing.as_ptr(), to.backing.as_ptr());
    // SAFETY: Both files are valid.
    let ret = with_creds(ctx.cred, || unsafe {
        match how {
            How::Copy { flags } => {
                bindings::vfs_copy_file_range(f, from.pos, t, to.pos, len as usize, flags) as Offset
            }
            How::Clone { flags } => {
                bindings::vfs_clone_file_range(f, from.pos, t, to.pos, len, flags)
            }
            How::Dedupe { flags } => {
                bindings::vfs_dedupe_file_range_one(f, from.pos, t, to.pos, len, flags)
            }
        }
    });
    let result = to_size(ret as isize);
    let end = to.pos + result.map_or(0, |n| n as Offset);
    ctx.tell_end_write(to.user, to.backing, end, result);
    result.map(|n| n as Offset)
}
