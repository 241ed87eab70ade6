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
//! What works on the filesystem below works the same through it, but for this:
//!
//! * it cannot be mounted in a user namespace: everything below is done with the mounter's credentials,
//!   and nothing would tell which of the files below the owner of a namespace is privileged over;
//! * swap files and DAX are refused: they bypass the filesystem;
//! * `quotactl(2)` does not know its mounts: quotas are those of the filesystem below, and are asked for
//!   and set there. They bind root too, and what is reserved for root is not used: else everybody would
//!   have the mounter's privilege;
//! * file handles have no parent in them, so an NFS export is one with `no_subtree_check`; who may open
//!   by handle reaches files, though no directories, outside of the directory that is passed through,
//!   as through a bind mount;
//! * a program that runs from here is protected against writing here, not below: `ETXTBSY` is for who
//!   writes through the same filesystem;
//! * of the mount below, read-only counts; `noexec`, `nosuid` and `nodev` are the stacked mount's own;
//! * who changes a folder holds it while the filesystem below is frozen: listing it, or looking for a
//!   name that is not in the cache, waits for the thaw too.
//!
//! The files:
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
