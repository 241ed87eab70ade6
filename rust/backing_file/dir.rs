// SPDX-License-Identifier: GPL-2.0

//! Reading directories.

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    BackingFile, //
};
use kernel::prelude::*;
use vfs::{
    bindings,
    error::to_result,
    file::DirContext,
    with_creds, //
};

impl BackingFile {
    /// Emits the entries of the backing directory from the position of `to` on, names, inode numbers
    /// and positions as they are.
    ///
    /// May sleep.
    ///
    /// C: `iterate_dir()`.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`, `ENOENT` if the directory was removed, `EPERM` if a listener denies, or what the
    /// filesystem returns.
    pub fn iterate<C: Callbacks>(
        &self,
        ctx: Ctx<'_, C>,
        user: &UserFile,
        to: &mut DirContext,
    ) -> Result {
        let ctx = ctx.into_raw();
        self.follow_read_flags(user)?;
        let position = self.lock_position();
        // SAFETY: Both are valid; the position of the backing file is locked.
        let result = with_creds(ctx.cred, || unsafe {
            (*self.as_ptr()).f_pos = to.pos();
            to_result(bindings::iterate_dir(self.as_ptr(), to.as_ptr()))
        });
        drop(position);
        ctx.tell_accessed(user, self);
        result
    }
}
