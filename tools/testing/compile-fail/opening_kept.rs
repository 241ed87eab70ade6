// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `&File`, found `&Opening<'_>`

//! A file kept while it is opened: if that fails, it is no file.

use kernel::{
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::file::Opening;

/// Keeps it.
pub fn wrong(user: &Opening<'_>) -> ARef<File> {
    keep(user)
}

fn keep(file: &File) -> ARef<File> {
    file.into()
}
