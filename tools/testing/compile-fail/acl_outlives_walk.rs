// SPDX-License-Identifier: GPL-2.0
//~ E0521: borrowed data escapes outside of function

//! An access control list found in RCU mode, used after the walk: nobody holds a reference to it.

use vfs::{
    acl::{
        AclType,
        FoundAcl, //
    },
    Inode,
    Walk,
    Walked, //
};

/// Keeps it for later.
pub fn wrong(walk: Walk<'_>, inode: &Walked<Inode>) {
    keep(inode.find_acl(walk, AclType::Access));
}

fn keep(_acl: FoundAcl<'static>) {}
