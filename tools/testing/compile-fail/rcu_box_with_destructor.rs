// SPDX-License-Identifier: GPL-2.0
//~ E0080: a path walk may look at it later

//! Something to be dropped in the data of an inode, which a path walk may look at after that.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    Inode,
    RcuBox, //
};

/// Keeps it.
pub fn wrong(below: ARef<Inode>, name: KBox<u8>) -> Result<RcuBox<ARef<Inode>, KBox<u8>>> {
    RcuBox::new(below, name)
}
