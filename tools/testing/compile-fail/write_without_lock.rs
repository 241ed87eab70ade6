// SPDX-License-Identifier: GPL-2.0
//~ E0061: this method takes 4 arguments but 3 arguments were supplied

//! A write without evidence of the user inode's lock.

use backing_file::{
    BackingFile,
    Ctx, //
};
use kernel::{
    cred::Credential,
    fs::Kiocb,
    iov::IovIterSource,
    prelude::*,
    types::ForeignOwnable, //
};
use vfs::HookContext;

/// Writes unlocked.
pub fn wrong<T: ForeignOwnable>(
    file: &BackingFile,
    hooks: &mut HookContext,
    cred: &Credential,
    iocb: Kiocb<'_, T>,
    iter: &mut IovIterSource<'_>,
) -> Result<usize> {
    file.write_iter(Ctx::<()>::new(hooks, cred), iocb, iter)
}
