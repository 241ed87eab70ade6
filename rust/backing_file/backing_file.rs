// SPDX-License-Identifier: GPL-2.0

//! Files of a stacking filesystem that are backed by files of another one.
//!
//! The Rust counterpart of `fs/backing-file.c`, for overlay-like and pass-through filesystems: a
//! filesystem opens a [`BackingFile`] for each file that a process opens on it (the *user file*),
//! and serves the operations of the user file with those of the same name here.
//!
//! # Model
//!
//! * The **user path** of a backing file is that of the outermost user file; it is what
//!   `/proc/PID/maps` shows of a mapping, although the pages are the backing file's.
//! * Every operation runs on the backing file with the **credentials** of its [`Ctx`], usually the
//!   mounter's, and takes what changes from the user file: the position and flags of its iocb, its
//!   `O_APPEND`, its privileges that a write takes away.
//! * **Permission hooks**: each operation raises the hook of the backing file for exactly the bytes
//!   it accesses, once, and before the backing filesystem is protected against freezing. The order
//!   is in the types: a [`Ctx`] borrows the operation's [`vfs::HookContext`], [`Verified`] comes from
//!   a hook, only [`Verified<Write>`](Verified) makes a [`WriteStarted`], which keeps that borrow.
//! * **Callbacks**: a filesystem that must know of an access or of the end of a write implements
//!   [`Callbacks`]; what it leaves out costs nothing.
//! * **Locks**: an operation that changes a file asks for the lock of the *user* inode
//!   ([`vfs::inode::InodeGuard`]), which orders it with changes of the user file's attributes. The
//!   backing inode's lock is taken below, by the backing filesystem.
//!
//! Because the hooks of a write run inside the freeze protection of the *user* file's super block
//! and under the user inode's lock, a storage manager that reacts to an event on the backing file
//! must fill it through the backing path, not through the stack.
//!
//! Filesystems in C have the same operations in `include/linux/rust_backing_file.h`.
//!
//! C header: `include/linux/backing-file.h`. The module that holds this crate needs
//! `CONFIG_FS_STACK`, which overlayfs, FUSE passthrough or ecryptfs select.

#[cfg(not(CONFIG_FS_STACK))]
compile_error!("this kernel has no backing files: enable CONFIG_FS_STACK");

mod advice;
mod aio;
mod capi;
mod context;
mod copy;
mod dir;
mod file;
mod flags;
mod iter;
mod mmap;
mod range;
mod seek;
mod setattr;
mod space;
mod splice;
mod sync;

pub use self::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    copy::Side,
    file::BackingFile,
    mmap::MapPolicy,
    range::{
        Access,
        Range,
        Read,
        Verified,
        Write,
        WriteStarted, //
    },
    setattr::set_attributes, //
};

use kernel::prelude::*;

module! {
    type: BackingFileModule,
    name: "backing_file",
    authors: ["The backing_file developers"],
    description: "Backing files for stacking filesystems written in Rust",
    license: "GPL",
}

/// The module that holds this crate.
pub struct BackingFileModule {
    _reads: aio::Cache<aio::ReadRequest>,
    _writes: aio::Cache<aio::WriteRequest>,
}

impl kernel::Module for BackingFileModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _reads: aio::Cache::new()?,
            _writes: aio::Cache::new()?,
        })
    }
}

impl Drop for BackingFileModule {
    fn drop(&mut self) {
        // For users of the library that are not a filesystem of the crate `vfs`, which has waited.
        vfs::wait_for_preempted_tasks();
    }
}
