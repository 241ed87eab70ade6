// SPDX-License-Identifier: GPL-2.0

//! passfs: a filesystem that passes everything through to a directory of another one.
//!
//! ```sh
//! insmod backing_file.ko
//! insmod passfs.ko
//! mount -t passfs /some/directory /mnt
//! ```
//!
//! It is complete and boring on purpose: to write a stacking filesystem that does something, copy it
//! and change what it does. There is no `unsafe` in it, and nothing about iocbs, freeze protection
//! or credential overrides; those are the business of the crates `vfs` and `backing_file`.
//!
//! * `super_block.rs`: mounting, and what an instance, an inode and a dentry remember;
//! * `inode.rs`: names and attributes;
//! * `file.rs`: open files;
//! * `dir.rs`: open directories.

mod dir;
mod file;
mod inode;
mod super_block;

use kernel::prelude::*;
use super_block::PassFs;

module! {
    type: PassFsModule,
    name: "passfs",
    authors: ["The backing_file developers"],
    description: "Pass-through stacking filesystem in Rust",
    license: "GPL",
    alias: ["fs-passfs"],
}

#[pin_data]
struct PassFsModule {
    #[pin]
    registration: vfs::Registration<PassFs>,
}

impl kernel::InPlaceModule for PassFsModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            registration <- vfs::Registration::new(),
        })
    }
}
