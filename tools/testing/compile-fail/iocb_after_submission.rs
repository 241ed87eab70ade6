// SPDX-License-Identifier: GPL-2.0
//~ E0382: borrow of moved value: `iocb`

//! An iocb that may be completed and freed already.

use backing_file::{
    BackingFile,
    Ctx, //
};
use kernel::{
    cred::Credential,
    fs::Kiocb,
    iov::IovIterDest,
    prelude::*,
    types::ForeignOwnable, //
};
use vfs::HookContext;

/// Looks at the position after submission.
pub fn wrong<T: ForeignOwnable>(
    file: &BackingFile,
    hooks: &mut HookContext,
    cred: &Credential,
    iocb: Kiocb<'_, T>,
    iter: &mut IovIterDest<'_>,
) -> Result<i64> {
    file.read_iter(Ctx::<()>::new(hooks, cred), iocb, iter)?;
    Ok(iocb.ki_pos())
}
