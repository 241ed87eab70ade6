// SPDX-License-Identifier: GPL-2.0

//! The attributes of an inode: permission, ownership, times, lists, extended attributes.
//!
//! Apart from [`super::Operations`], because files, directories and links of a filesystem have
//! theirs in common.

use super::Inode;
use crate::{
    acl::{
        AclType,
        FoundAcl,
        NewAcl, //
    },
    attr::{
        Extents,
        SetAttr,
        Stat, //
    },
    bindings,
    dentry::Dentry,
    fs::FileSystem,
    hooks::HookContext,
    mount::Idmap,
    xattr::{
        Buffer,
        FileAttr, //
    },
    Walk,
    Walked, //
};
use core::marker::PhantomData;
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint, //
    },
    prelude::*, //
};

/// What can be done with the attributes of an inode. What is left out the VFS does by itself, from
/// the inode in memory, or not at all.
///
/// Unless it says otherwise, an operation may sleep, and runs with the credentials of the task.
///
/// C: the members of `struct inode_operations` of the same names. An error is what the system call that
/// ended here returns.
#[vtable]
pub trait Attributes: Sized {
    /// The filesystem whose inodes these are.
    type Fs: FileSystem;

    /// Whether the task may access the inode in the ways of `mask` (`MAY_*`).
    ///
    /// Returns `ECHILD` if it would have to sleep and `walk` [may not](Walk::is_rcu).
    fn permission(
        _walk: Walk<'_>,
        _idmap: &Idmap,
        _inode: &Walked<Inode<Self::Fs>>,
        _mask: i32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes attributes. The inode is locked.
    fn setattr(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dentry: &Dentry<Self::Fs>,
        _attr: &mut SetAttr,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the attributes in `mask` (`STATX_*`); `flags` are the `AT_STATX_*` of the caller.
    fn getattr(
        _idmap: &Idmap,
        _dentry: &Dentry<Self::Fs>,
        _stat: &mut Stat,
        _mask: u32,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The access control list of the inode. It sleeps only if `walk` may.
    fn get_inode_acl<'a>(
        _walk: Walk<'_>,
        _inode: &'a Walked<Inode<Self::Fs>>,
        _kind: AclType,
    ) -> FoundAcl<'a> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The access control list of the file, to be shown to the user.
    fn get_acl(_dentry: &Dentry<Self::Fs>, _kind: AclType) -> FoundAcl<'_> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets or removes an access control list. The inode is locked.
    fn set_acl(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dentry: &Dentry<Self::Fs>,
        _acl: NewAcl<'_>,
        _kind: AclType,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lists the names of extended attributes.
    fn listxattr(_dentry: &Dentry<Self::Fs>, _buffer: Buffer<'_>) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Maps `len` bytes at `start` of the file to where they are stored (`FS_IOC_FIEMAP`).
    fn fiemap(_inode: &Inode<Self::Fs>, _extents: &mut Extents, _start: u64, _len: u64) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the file attributes (`FS_IOC_GETFLAGS`, `FS_IOC_FSGETXATTR`).
    fn fileattr_get(_dentry: &Dentry<Self::Fs>, _attr: &mut FileAttr) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the file attributes. The inode is locked.
    fn fileattr_set(
        _hooks: &mut HookContext,
        _dentry: &Dentry<Self::Fs>,
        _attr: &mut FileAttr,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Half of the table of an inode's operations; the other half is [`super::Operations`].
pub(super) struct Table<A>(PhantomData<A>);

/// The VFS calls each of these with the arguments `struct inode_operations` documents, on inodes
/// and dentries of `A::Fs`. They are valid and referenced (or reached in RCU mode, where that is
/// said) for the duration of the call.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<A: Attributes> Table<A> {
    pub(super) const TABLE: bindings::inode_operations = bindings::inode_operations {
        permission: if A::HAS_PERMISSION {
            Some(Self::permission)
        } else {
            None
        },
        setattr: if A::HAS_SETATTR {
            Some(Self::setattr)
        } else {
            None
        },
        getattr: if A::HAS_GETATTR {
            Some(Self::getattr)
        } else {
            None
        },
        get_inode_acl: if A::HAS_GET_INODE_ACL {
            Some(Self::get_inode_acl)
        } else {
            None
        },
        get_acl: if A::HAS_GET_ACL {
            Some(Self::get_acl)
        } else {
            None
        },
        set_acl: if A::HAS_SET_ACL {
            Some(Self::set_acl)
        } else {
            None
        },
        listxattr: if A::HAS_LISTXATTR {
            Some(Self::listxattr)
        } else {
            None
        },
        fiemap: if A::HAS_FIEMAP {
            Some(Self::fiemap)
        } else {
            None
        },
        fileattr_get: if A::HAS_FILEATTR_GET {
            Some(Self::fileattr_get)
        } else {
            None
        },
        fileattr_set: if A::HAS_FILEATTR_SET {
            Some(Self::fileattr_set)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    unsafe extern "C" fn permission(
        idmap: *mut bindings::mnt_idmap,
        inode: *mut bindings::inode,
        mask: c_int,
    ) -> c_int {
        // SAFETY: The VFS' arguments (see above), referenced if not in RCU mode.
        let allowed = unsafe {
            A::permission(
                Walk::in_mode(mask & bindings::MAY_NOT_BLOCK as c_int != 0),
                Idmap::from_raw(idmap),
                Walked::<Inode<A::Fs>>::from_raw(inode),
                mask,
            )
        };
        match allowed {
            Ok(()) => 0,
            Err(err) => err.to_errno(),
        }
    }

    unsafe extern "C" fn setattr(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); `attr` is for us to change.
            unsafe {
                A::setattr(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Dentry::from_raw(dentry),
                    SetAttr::from_raw(attr),
                )
            }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        mask: u32,
        flags: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); `stat` is ours to fill.
            unsafe {
                A::getattr(
                    Idmap::from_raw(idmap),
                    Dentry::from_raw((*path).dentry),
                    Stat::from_raw(stat),
                    mask,
                    flags,
                )
            }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn get_inode_acl(
        inode: *mut bindings::inode,
        kind: c_int,
        rcu: bool,
    ) -> *mut bindings::posix_acl {
        // SAFETY: The VFS' arguments (see above), referenced if not in RCU mode.
        unsafe {
            A::get_inode_acl(
                Walk::in_mode(rcu),
                Walked::<Inode<A::Fs>>::from_raw(inode),
                AclType::from_raw(kind),
            )
        }
        .into_raw()
    }

    unsafe extern "C" fn get_acl(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        kind: c_int,
    ) -> *mut bindings::posix_acl {
        // SAFETY: The VFS' arguments (see above).
        unsafe { A::get_acl(Dentry::from_raw(dentry), AclType::from_raw(kind)) }.into_raw()
    }

    unsafe extern "C" fn set_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        kind: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above).
            unsafe {
                A::set_acl(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Dentry::from_raw(dentry),
                    NewAcl::from_raw(acl),
                    AclType::from_raw(kind),
                )
            }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn listxattr(
        dentry: *mut bindings::dentry,
        list: *mut c_char,
        size: usize,
    ) -> isize {
        // SAFETY: The VFS' arguments (see above); the list has room for `size` bytes.
        let len = match unsafe {
            A::listxattr(
                Dentry::from_raw(dentry),
                Buffer::from_raw(list.cast(), size),
            )
        } {
            Ok(len) => len,
            Err(err) => return err.to_errno() as isize,
        };
        if size == 0 {
            // CAST: No list is larger than XATTR_LIST_MAX.
            return len as isize;
        }
        // The VFS copies as many bytes as it is told.
        if len > size {
            return ERANGE.to_errno() as isize;
        }
        // SAFETY: `len` bytes of the list were filled in.
        let names = unsafe { core::slice::from_raw_parts_mut(list.cast::<u8>(), len) };
        hide_trusted(names) as isize
    }

    unsafe extern "C" fn fiemap(
        inode: *mut bindings::inode,
        extents: *mut bindings::fiemap_extent_info,
        start: u64,
        len: u64,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); the extents are for us to fill in.
            unsafe {
                A::fiemap(
                    Inode::from_raw(inode),
                    Extents::from_raw(extents),
                    start,
                    len,
                )
            }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn fileattr_get(
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); `attr` is ours to fill.
            unsafe { A::fileattr_get(Dentry::from_raw(dentry), FileAttr::from_raw(attr)) }?;
            Ok(0)
        })
    }

    unsafe extern "C" fn fileattr_set(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above).
            unsafe {
                A::fileattr_set(
                    &mut HookContext::new(),
                    Dentry::from_raw(dentry),
                    FileAttr::from_raw(attr),
                )
            }?;
            Ok(0)
        })
    }
}

/// Takes the names that only the administrator may see out of a list of nul-terminated names, if the
/// current task is not the administrator; returns the length of the rest.
fn hide_trusted(names: &mut [u8]) -> usize {
    // SAFETY: FFI call with no preconditions.
    if unsafe { bindings::may_see_trusted() } {
        return names.len();
    }
    let (mut from, mut to) = (0, 0);
    while from < names.len() {
        let len = names[from..]
            .iter()
            .position(|byte| *byte == 0)
            .map_or(names.len() - from, |end| end + 1);
        if !names[from..from + len].starts_with(b"trusted.") {
            names.copy_within(from..from + len, to);
            to += len;
        }
        from += len;
    }
    to
}
