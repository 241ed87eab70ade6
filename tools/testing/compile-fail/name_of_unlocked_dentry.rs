// SPDX-License-Identifier: GPL-2.0
//~ E0599: no method named `name` found for reference `&Dentry<T>`

//! The name of a dentry that somebody may be renaming.

use vfs::{
    Dentry,
    FileSystem, //
};

/// Reads it.
pub fn wrong<T: FileSystem>(dentry: &Dentry<T>) -> usize {
    dentry.name().as_bytes().len()
}
