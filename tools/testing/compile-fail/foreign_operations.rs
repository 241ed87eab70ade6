// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `Ops<Ours>`, found `Ops<Theirs>`

//! The operations of one filesystem on an inode of another.

use vfs::{
    inode::{
        NewInode,
        Operations,
        Ops, //
    },
    FileSystem, //
};

/// Attaches them.
pub fn wrong<Ours: FileSystem, Theirs: FileSystem, O: Operations<Fs = Theirs>>(
    new: NewInode<Ours>,
) -> NewInode<Ours> {
    new.ops(Ops::new::<O>())
}
