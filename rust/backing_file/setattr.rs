// SPDX-License-Identifier: GPL-2.0

//! Changing attributes, the size among them.

use kernel::{
    cred::Credential,
    prelude::*, //
};
use vfs::{
    attr::BackingAttr,
    dirop,
    with_creds,
    HookContext,
    Path, //
};

/// Makes the changes of `attr` to the file at `path`, with the credentials `cred`.
///
/// A new size comes first, as `truncate(2)` sets it: the pre-content hook runs, for the new end,
/// before the filesystem is protected against freezing. Then the other attributes follow.
///
/// The lock of the *user* inode is held by the caller, the backing inode's must not be. May sleep.
///
/// C: `notify_change()` as `ovl_setattr()` uses it, which runs no hook.
///
/// # Errors
///
/// Those of [`Path::truncate`] and [`dirop::notify_change`]. If the size was changed and another
/// attribute cannot be, the size stays changed.
pub fn set_attributes(
    hooks: &mut HookContext,
    cred: &Credential,
    path: &Path,
    mut attr: BackingAttr<'_>,
) -> Result {
    with_creds(cred, || {
        if let Some(size) = attr.take_size() {
            path.truncate(hooks, size)?;
        }
        if attr.is_empty() {
            return Ok(());
        }
        let write = path.mount().want_write(hooks)?;
        dirop::notify_change(&write, path.dentry(), &mut attr)
    })
}
