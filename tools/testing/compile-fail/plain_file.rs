// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `&BackingFile`, found `&File`

//! A file that is no backing file: C finds out at run time.

use backing_file::{
    BackingFile,
    MapPolicy,
    UserFile, //
};
use kernel::{
    cred::Credential,
    fs::File,
    mm::virt::VmaNew,
    prelude::*, //
};

/// Maps any file.
pub fn wrong(file: &File, cred: &Credential, user: &UserFile, vma: &VmaNew) -> Result {
    BackingFile::mmap::<()>(file, cred, user, vma, MapPolicy::Trust)
}
