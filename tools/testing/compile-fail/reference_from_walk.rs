// SPDX-License-Identifier: GPL-2.0
//~ E0277: the trait bound `Walked<Inode<T>>: AlwaysRefCounted` is not satisfied

//! A reference to an inode that a path walk in RCU mode sees while it is torn down.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    FileSystem,
    Inode,
    Walked, //
};

/// Takes one.
pub fn wrong<T: FileSystem>(inode: &Walked<Inode<T>>) -> ARef<Walked<Inode<T>>> {
    inode.into()
}
