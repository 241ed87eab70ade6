// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `BackingAttr<'_>`, found `&mut SetAttr`

//! A change of the stacked file, made to the backing file as it is.

use backing_file::set_attributes;
use kernel::{
    cred::Credential,
    prelude::*, //
};
use vfs::{
    attr::SetAttr,
    HookContext,
    Path, //
};

/// Passes attributes on.
pub fn wrong(
    hooks: &mut HookContext,
    cred: &Credential,
    path: &Path,
    attr: &mut SetAttr,
) -> Result {
    set_attributes(hooks, cred, path, attr)
}
