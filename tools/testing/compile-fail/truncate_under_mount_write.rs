// SPDX-License-Identifier: GPL-2.0
//~ E0499: cannot borrow `*hooks` as mutable more than once at a time

//! A hook under write access to the mount, which protects against freezing too.

use kernel::prelude::*;
use vfs::{
    HookContext,
    Path, //
};

/// Truncates with write access held.
pub fn wrong(path: &Path, hooks: &mut HookContext) -> Result {
    let write = path.mount().want_write(hooks)?;
    let truncated = path.truncate(hooks, 0);
    drop(write);
    truncated
}
