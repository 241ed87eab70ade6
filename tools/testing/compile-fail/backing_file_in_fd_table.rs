// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `ARef<File>`, found `ARef<BackingFile>`

//! A backing file handed to user space.

use backing_file::BackingFile;
use kernel::{
    fs::file::FileDescriptorReservation,
    prelude::*,
    sync::aref::ARef, //
};

/// Installs it.
pub fn wrong(file: ARef<BackingFile>) -> Result {
    FileDescriptorReservation::get_unused_fd_flags(0)?.fd_install(file);
    Ok(())
}
