// SPDX-License-Identifier: GPL-2.0

//! Taking advice on how a file will be used.

use crate::{
    context::{
        Callbacks,
        Ctx,
        RawCtx,
        UserFile, //
    },
    range::Range,
    BackingFile, //
};
use kernel::{
    fs::file::Offset,
    prelude::*, //
};
use vfs::{
    bindings,
    error::to_result,
    with_creds, //
};

impl BackingFile {
    /// Takes advice (`POSIX_FADV_*`) on the use of `len` bytes at `offset`; 0 means to the end.
    ///
    /// Advice that reads content ahead is a read: the hook runs first, for the bytes of the file in
    /// the range, so nothing unfilled gets into the page cache. May sleep.
    ///
    /// C: `vfs_fadvise()`, which runs no hook.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ESPIPE`, `EPERM` or another errno if a listener denies.
    pub fn fadvise<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        user: &UserFile,
        offset: Offset,
        len: Offset,
        advice: i32,
    ) -> Result {
        let mut ctx = ctx.into_raw();
        self.follow_read_flags(user)?;
        if advice == bindings::POSIX_FADV_WILLNEED {
            self.verify_readahead(&mut ctx, offset, len)?;
        }
        with_creds(ctx.cred, || {
            // SAFETY: The file is valid.
            to_result(unsafe { bindings::vfs_fadvise(self.as_ptr(), offset, len, advice) })
        })
    }

    fn verify_readahead(&self, ctx: &mut RawCtx<'_>, offset: Offset, len: Offset) -> Result {
        // What is not a range `vfs_fadvise` refuses.
        let size = with_creds(ctx.cred, || self.current_size())?;
        let to_end = size.saturating_sub(offset);
        let len = if len == 0 { to_end } else { len.min(to_end) };
        if offset < 0 || len <= 0 {
            return Ok(());
        }
        let range = Range {
            pos: offset,
            // CAST: Positive.
            len: len as usize,
        };
        self.verify_read(ctx.hooks, ctx.cred, range)
    }
}
