// SPDX-License-Identifier: GPL-2.0

//! Safe types for the VFS objects the `kernel` crate lacks.
//!
//! With this crate a filesystem that stacks on another one is written without C and without
//! `unsafe`: it names its types in a [`FileSystem`], fills three kinds of operation tables
//! ([`inode::Operations`], [`file::Operations`], and the super block and dentry operations of
//! [`FileSystem`] itself), and registers with [`Registration`].
//!
//! # Model
//!
//! * [`Inode<T>`], [`Dentry<T>`] and [`SuperBlock<T>`] are objects of the filesystem `T` and give
//!   typed access to its data. Each derefs to the same object of *some* filesystem (`Inode`,
//!   `Dentry`, `SuperBlock`), which is what a stacking filesystem sees of the one below.
//! * What a path walk in RCU mode reaches is [`Walked`]: valid memory without a reference. The
//!   operations that a walk calls get nothing better.
//! * An inode being made is a [`inode::NewInode`]; a live one is an [`Inode`]; evidence of its
//!   lock is an [`inode::InodeGuard`]. A dentry whose name cannot change is a [`StableDentry`].
//! * A place in the namespace is a [`Path`]: a mount and a dentry. Everything that may sleep on,
//!   or be refused by, the filesystem below takes a path and runs under the task's current
//!   credentials; [`with_creds`] says which those are.
//! * Permission hooks never run while the filesystem below is protected against freezing: see
//!   [`HookContext`].
//! * Changing a directory of the filesystem below has a fixed order that the types of [`dirop`]
//!   carry: write access to the mount first, then the directory's lock, then the change.
//!
//! C headers: `include/linux/fs.h`, `include/linux/dcache.h`, `include/linux/fs_context.h`,
//! `include/linux/namei.h`.

#[doc(hidden)]
#[path = "../bindings/bindings.rs"]
pub mod bindings;

pub mod acl;
pub mod attr;
pub mod context;
mod cred;
mod current;
pub mod dentry;
pub mod dirop;
pub mod error;
pub mod export;
pub mod file;
mod fs;
mod hooks;
pub mod inode;
mod mount;
mod path;
mod rcu_box;
mod super_block;
pub mod task_work;
mod walk;
pub mod xattr;

pub use self::{
    context::FsContext,
    cred::{
        with_creds,
        CredBuilder, //
    },
    current::current,
    dentry::{
        Dentry,
        StableDentry, //
    },
    fs::{
        wait_for_preempted_tasks,
        FileSystem,
        Registration, //
    },
    hooks::HookContext,
    inode::Inode,
    mount::{
        Idmap,
        Mount,
        MountWrite, //
    },
    path::{
        Path,
        PathRef, //
    },
    rcu_box::{
        RcuBox,
        RcuBoxRef,
        RcuBoxWalked, //
    },
    super_block::{
        NewSuperBlock,
        SpareInode,
        SuperBlock,
        WriteErrors, //
    },
    walk::{
        RcuRelease,
        Walk,
        Walked, //
    },
};

use kernel::prelude::*;

/// The default parameter of [`Inode`], [`Dentry`] and [`SuperBlock`]: of any filesystem.
pub struct AnyFs(());
