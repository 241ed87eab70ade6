// SPDX-License-Identifier: GPL-2.0

//! The operations of an inode, and the table made of them.

use super::{
    attributes::{
        self,
        Attributes, //
    },
    Inode, //
};
use crate::{
    attr::FileType,
    bindings,
    dentry::{
        Dentry,
        StableDentry, //
    },
    dirop::LinkTarget,
    file::{
        self,
        Opening, //
    },
    fs::FileSystem,
    hooks::HookContext,
    mount::Idmap, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
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
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

/// The two names of a rename, in the stacking filesystem.
///
/// Both directories are locked.
pub struct Rename<'a, T: FileSystem> {
    /// The directory the file is in.
    pub old_dir: &'a Inode<T>,
    /// Its name there.
    pub old: &'a StableDentry<T>,
    /// The directory it goes to.
    pub new_dir: &'a Inode<T>,
    /// The name there.
    pub new: &'a StableDentry<T>,
    /// The `RENAME_*` of the caller.
    pub flags: u32,
}

/// A file without a name, just made and opened.
pub struct Tmpfile<U: Operations> {
    /// What its dentry remembers.
    pub dentry: <U::Fs as FileSystem>::DentryData,
    /// Its inode, with [`Operations::File`] as file operations.
    pub inode: ARef<Inode<U::Fs>>,
    /// The private data of the open file.
    pub file: <U::File as file::Operations>::Data,
}

/// What an inode can do. An operation that is left out is one the file does not have.
///
/// Unless it says otherwise, an operation may sleep, and runs with the credentials of the task.
/// One that changes a directory runs with that directory's inode locked and with write access to
/// the mount through which the user reached it.
///
/// C: the members of `struct inode_operations` of the same names. An error is what the system call that
/// ended here returns.
#[vtable]
pub trait Operations: Sized {
    /// The filesystem whose inodes these are.
    type Fs: FileSystem;

    /// What can be done with the attributes of the inode.
    type Attributes: Attributes<Fs = Self::Fs>;

    /// The operations of its regular files, which [`Operations::tmpfile`] opens.
    type File: file::Operations<Fs = Self::Fs>;

    /// Looks up the name of `dentry` in `dir`: what to remember of the name, and its inode if it
    /// exists.
    #[allow(clippy::type_complexity)]
    fn lookup(
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
    ) -> Result<(
        <Self::Fs as FileSystem>::DentryData,
        Option<ARef<Inode<Self::Fs>>>,
    )> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a regular file. `None` if it was made and has to be looked up again.
    fn create(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
        _mode: u16,
    ) -> Result<Option<ARef<Inode<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a directory. `None` if it was made and has to be looked up again.
    fn mkdir(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
        _mode: u16,
    ) -> Result<Option<ARef<Inode<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a symbolic link to `target`. `None` if it was made and has to be looked up again.
    fn symlink(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
        _target: &CStr,
    ) -> Result<Option<ARef<Inode<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a device, a pipe or a socket. `None` if it was made and has to be looked up again.
    fn mknod(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
        _mode: u16,
        _dev: u32,
    ) -> Result<Option<ARef<Inode<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes `dentry` another name of `old`. `None` if it was made and has to be looked up again.
    fn link(
        _hooks: &mut HookContext,
        _old: &Dentry<Self::Fs>,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
    ) -> Result<Option<ARef<Inode<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes the name of a file, whose inode is locked as well.
    fn unlink(
        _hooks: &mut HookContext,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes a directory, whose inode is locked as well.
    fn rmdir(
        _hooks: &mut HookContext,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Renames or exchanges.
    fn rename(_hooks: &mut HookContext, _rename: Rename<'_, Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The target of a symbolic link. Not called in RCU mode.
    fn get_link(_dentry: &Dentry<Self::Fs>) -> Result<LinkTarget<'_>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a file without a name in `dir`, and opens it as `file`. Its `dentry` is new and has no
    /// data yet.
    fn tmpfile(
        _hooks: &mut HookContext,
        _idmap: &Idmap,
        _dir: &Inode<Self::Fs>,
        _dentry: &StableDentry<Self::Fs>,
        _file: &Opening<'_, Self::Fs>,
        _mode: u16,
    ) -> Result<Tmpfile<Self>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The table of an [`Operations`], for inodes of the filesystem `T` only.
pub struct Ops<T>(*const bindings::inode_operations, PhantomData<fn() -> T>);

impl<T: FileSystem> Ops<T> {
    /// The operations of `U`.
    pub const fn new<U: Operations<Fs = T>>() -> Self {
        Self(&Table::<U>::TABLE, PhantomData)
    }

    pub(super) const fn as_ptr(&self) -> *const bindings::inode_operations {
        self.0
    }
}

struct Table<U>(PhantomData<U>);

/// The VFS calls each of these with the arguments `struct inode_operations` documents, on inodes
/// and dentries of `U::Fs`: [`NewInode::ops`](super::NewInode::ops) takes no other table. They are
/// valid and referenced for the duration of the call. The directory of a dentry that is looked up,
/// made, removed or renamed is locked, so that its name and parent are stable; those of a file without
/// a name are, because it is new.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<U: Operations> Table<U> {
    const TABLE: bindings::inode_operations = bindings::inode_operations {
        lookup: if U::HAS_LOOKUP {
            Some(Self::lookup)
        } else {
            None
        },
        create: if U::HAS_CREATE {
            Some(Self::create)
        } else {
            None
        },
        mkdir: if U::HAS_MKDIR {
            Some(Self::mkdir)
        } else {
            None
        },
        symlink: if U::HAS_SYMLINK {
            Some(Self::symlink)
        } else {
            None
        },
        mknod: if U::HAS_MKNOD {
            Some(Self::mknod)
        } else {
            None
        },
        link: if U::HAS_LINK { Some(Self::link) } else { None },
        unlink: if U::HAS_UNLINK {
            Some(Self::unlink)
        } else {
            None
        },
        rmdir: if U::HAS_RMDIR {
            Some(Self::rmdir)
        } else {
            None
        },
        rename: if U::HAS_RENAME {
            Some(Self::rename)
        } else {
            None
        },
        get_link: if U::HAS_GET_LINK {
            Some(Self::get_link)
        } else {
            None
        },
        tmpfile: if U::HAS_TMPFILE {
            Some(Self::tmpfile)
        } else {
            None
        },
        ..attributes::Table::<U::Attributes>::TABLE
    };

    /// Makes `inode` that of the new name `dentry`.
    ///
    /// # Safety
    ///
    /// `dentry` must be valid, negative, and its directory locked.
    unsafe fn instantiate(dentry: *mut bindings::dentry, inode: Option<ARef<Inode<U::Fs>>>) {
        match inode {
            // SAFETY: By the caller's promise; the reference to the inode goes to the dentry.
            Some(inode) => unsafe {
                bindings::d_instantiate(dentry, ARef::into_raw(inode).as_ptr().cast())
            },
            // SAFETY: By the caller's promise.
            None => unsafe { bindings::d_drop(dentry) },
        }
    }

    unsafe extern "C" fn lookup(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        _flags: c_uint,
    ) -> *mut bindings::dentry {
        // SAFETY: The VFS' arguments (see above).
        let found = unsafe { U::lookup(Inode::from_raw(dir), StableDentry::from_raw(dentry)) };
        let (data, inode) = match found {
            Ok(found) => found,
            Err(err) => return err.to_ptr(),
        };
        let inode = inode.map_or(ptr::null_mut(), |i| ARef::into_raw(i).as_ptr().cast());
        // SAFETY: The dentry is under lookup by this task and has no data yet. The reference to
        // the inode is passed on.
        unsafe {
            Dentry::<U::Fs>::from_raw(dentry).set_data(data);
            bindings::d_splice_alias(inode, dentry)
        }
    }

    unsafe extern "C" fn create(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); the name is new and its directory locked.
            unsafe {
                let inode = U::create(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                    mode,
                )?;
                Self::instantiate(dentry, inode);
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn mkdir(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: The VFS' arguments (see above); the name is new and its directory locked.
        let made = unsafe {
            U::mkdir(
                &mut HookContext::new(),
                Idmap::from_raw(idmap),
                Inode::from_raw(dir),
                StableDentry::from_raw(dentry),
                mode,
            )
        };
        match made {
            Ok(inode) => {
                // SAFETY: As above.
                unsafe { Self::instantiate(dentry, inode) };
                ptr::null_mut()
            }
            Err(err) => err.to_ptr(),
        }
    }

    unsafe extern "C" fn symlink(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); the name is new and its directory locked;
            // `target` is nul-terminated.
            unsafe {
                let inode = U::symlink(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                    CStr::from_char_ptr(target),
                )?;
                Self::instantiate(dentry, inode);
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn mknod(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        dev: bindings::dev_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); the name is new and its directory locked.
            unsafe {
                let inode = U::mknod(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                    mode,
                    dev,
                )?;
                Self::instantiate(dentry, inode);
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above); the name is new and its directory locked.
            unsafe {
                let inode = U::link(
                    &mut HookContext::new(),
                    Dentry::from_raw(old),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                )?;
                Self::instantiate(dentry, inode);
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn unlink(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above).
            unsafe {
                U::unlink(
                    &mut HookContext::new(),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                )
            }?;
            // What the dentry remembers would keep the removed file, and its space.
            // SAFETY: The dentry is valid, and its directory locked.
            unsafe { bindings::d_drop(dentry) };
            Ok(0)
        })
    }

    unsafe extern "C" fn rmdir(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above).
            unsafe {
                U::rmdir(
                    &mut HookContext::new(),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                )
            }?;
            // What the dentry remembers would keep the removed file, and its space.
            // SAFETY: The dentry is valid, and its directory locked.
            unsafe { bindings::d_drop(dentry) };
            Ok(0)
        })
    }

    unsafe extern "C" fn rename(
        _idmap: *mut bindings::mnt_idmap,
        old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above).
            let rename = unsafe {
                Rename {
                    old_dir: Inode::from_raw(old_dir),
                    old: StableDentry::from_raw(old),
                    new_dir: Inode::from_raw(new_dir),
                    new: StableDentry::from_raw(new),
                    flags,
                }
            };
            U::rename(&mut HookContext::new(), rename)?;
            Ok(0)
        })
    }

    unsafe extern "C" fn get_link(
        dentry: *mut bindings::dentry,
        _inode: *mut bindings::inode,
        done: *mut bindings::delayed_call,
    ) -> *const c_char {
        if dentry.is_null() {
            // RCU mode: there is no dentry to hold on to.
            return ECHILD.to_ptr();
        }
        // SAFETY: The VFS' arguments (see above).
        match unsafe { U::get_link(Dentry::from_raw(dentry)) } {
            // SAFETY: `done` is the VFS' own, which frees the target when it is done with it.
            Ok(target) => target.into_raw(unsafe { &mut *done }),
            Err(err) => err.to_ptr(),
        }
    }

    unsafe extern "C" fn tmpfile(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS' arguments (see above), for a file that is being opened and whose
            // dentry is new and this task's alone.
            unsafe {
                let dentry = (*file).__bindgen_anon_1.f_path.dentry;
                let made = U::tmpfile(
                    &mut HookContext::new(),
                    Idmap::from_raw(idmap),
                    Inode::from_raw(dir),
                    StableDentry::from_raw(dentry),
                    &Opening::from_raw(file),
                    mode,
                )?;
                let regular = made.inode.file_type() == FileType::Regular;
                let table = (*made.inode.as_ptr()).__bindgen_anon_3.i_fop;
                if !regular || !file::is_table_of::<U::File>(table) {
                    return Err(EIO);
                }
                Dentry::<U::Fs>::from_raw(dentry).set_data(made.dentry);
                let inode = ARef::into_raw(made.inode).as_ptr().cast();
                bindings::d_mark_tmpfile(file, inode);
                bindings::d_instantiate(dentry, inode);

                // The file is open already: what is left is what every open does around that.
                (*file).private_data = made.file.into_foreign();
                let ret = bindings::finish_open(file, dentry, Some(Self::opened_already));
                if (*file).f_mode & bindings::FMODE_OPENED == 0 {
                    // `release` will not be called.
                    drop(<U::File as file::Operations>::Data::from_foreign(
                        (*file).private_data,
                    ));
                }
                Ok(ret)
            }
        })
    }

    unsafe extern "C" fn opened_already(
        _inode: *mut bindings::inode,
        _file: *mut bindings::file,
    ) -> c_int {
        0
    }
}
