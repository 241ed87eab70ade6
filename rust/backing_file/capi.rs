// SPDX-License-Identifier: GPL-2.0

//! The same for filesystems in C.
//!
//! Each function turns pointers into types, sees to what a Rust filesystem's types or the library
//! itself see to (the user file's flags, which a filesystem in C follows by itself), and calls the
//! core that the Rust function of the same name calls.
//!
//! The contract of each function is in the C header, `include/linux/rust_backing_file.h`.

use crate::{
    context::{
        from_size,
        Accessed,
        Ctx,
        EndWrite,
        Privs,
        RawCtx,
        UserFile, //
    },
    flags::IocbFlags,
    iter,
    mmap::MapPolicy,
    splice,
    BackingFile, //
};
use kernel::{
    cred::Credential,
    error::from_result,
    ffi::{
        c_int,
        c_uint, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    bindings,
    file::Pipe,
    HookContext,
    Path, //
};

/// Exports a function to C (the list of exports is made in Kbuild) and checks that it is what the
/// header declares: the branches of an `if` have one type.
macro_rules! export {
    ($(unsafe extern "C" fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty $body:block)*) => {$(
        const _: () = {
            if true {
                bindings::$name
            } else {
                $name
            };
        };

        /// # Safety
        ///
        /// As the C header says.
        #[no_mangle]
        unsafe extern "C" fn $name($($arg: $ty),*) -> $ret $body
    )*};
}

/// The backing file in `file`.
///
/// # Safety
///
/// As [`BackingFile::from_raw`].
#[inline]
unsafe fn backing<'a>(file: *mut bindings::file) -> Result<&'a BackingFile> {
    // SAFETY: By the caller's promise.
    unsafe { BackingFile::from_raw(file) }.ok_or_else(no_backing_file)
}

/// A bug of the filesystem, so the log says who it is.
#[cold]
fn no_backing_file() -> Error {
    // SAFETY: No requirements.
    unsafe { bindings::warn_no_backing_file() };
    EIO
}

/// What an operation needs to know, from what a filesystem in C says.
///
/// # Safety
///
/// `ctx` must be valid, with functions that may be called until the operation has ended, and so must
/// `iocb`, if `end_write` is used.
#[inline]
unsafe fn raw_ctx<'a>(
    hooks: &'a mut HookContext,
    ctx: *const bindings::backing_file_ctx,
    iocb: *mut bindings::kiocb,
) -> RawCtx<'a> {
    // SAFETY: By the caller's promise.
    unsafe {
        RawCtx {
            hooks,
            cred: Credential::from_ptr((*ctx).cred),
            accessed: (*ctx).accessed.map(Accessed::C),
            end_write: (*ctx).end_write.map(|f| EndWrite::C(f, iocb)),
            privs: Privs::User,
        }
    }
}

/// Flags for a request to `backing`, which must be able to do what they ask for. A Rust filesystem
/// makes no user file that can do more than its backing file.
#[inline]
fn flags_for(backing: &BackingFile, flags: c_int) -> Result<IocbFlags> {
    let flags = IocbFlags::of(flags);
    if !backing.can_do(flags) {
        return Err(EOPNOTSUPP);
    }
    Ok(flags)
}

/// C: `ERR_PTR()`, or the reference.
fn into_raw(file: Result<ARef<BackingFile>>) -> *mut bindings::file {
    match file {
        Ok(file) => ARef::into_raw(file).as_ptr().cast(),
        Err(err) => err.to_ptr(),
    }
}

export! {
    unsafe extern "C" fn rust_backing_file_open(
        user_file: *const bindings::file,
        flags: c_int,
        real_path: *const bindings::path,
        cred: *const bindings::cred,
    ) -> *mut bindings::file {
        // SAFETY: The arguments are valid, and no freeze protection is held.
        let (mut hooks, path, cred) = unsafe {
            (
                HookContext::assume(),
                Path::from_raw(real_path),
                Credential::from_ptr(cred),
            )
        };
        // SAFETY: The user file is valid, and the path positive. CAST: A set of bits.
        let file = unsafe { BackingFile::open_raw(user_file, flags as u32, path, cred) };
        into_raw(file.and_then(|file| {
            file.verify_open(Ctx::<()>::new(&mut hooks, cred), MapPolicy::Lazy)?;
            Ok(file)
        }))
    }

    unsafe extern "C" fn rust_backing_tmpfile_open(
        user_file: *const bindings::file,
        flags: c_int,
        real_parentpath: *const bindings::path,
        mode: bindings::umode_t,
        cred: *const bindings::cred,
    ) -> *mut bindings::file {
        // SAFETY: The arguments are valid, the path is positive, and the user file is being opened.
        // CAST: A set of bits.
        into_raw(unsafe {
            BackingFile::tmpfile_raw(
                user_file,
                flags as u32,
                Path::from_raw(real_parentpath),
                mode,
                Credential::from_ptr(cred),
            )
        })
    }

    unsafe extern "C" fn rust_backing_file_read_iter(
        file: *mut bindings::file,
        iter: *mut bindings::iov_iter,
        iocb: *mut bindings::kiocb,
        flags: c_int,
        ctx: *mut bindings::backing_file_ctx,
    ) -> isize {
        let read = || {
            // SAFETY: The arguments are valid and no freeze protection is held. The request is the
            // operation's, and only handed over.
            unsafe {
                let backing = backing(file)?;
                if iter::count(iter) == 0 {
                    return Ok(0);
                }
                let flags = flags_for(backing, flags)?;
                let mut hooks = HookContext::assume();
                iter::submit_read(backing, raw_ctx(&mut hooks, ctx, iocb), iocb, iter, flags)
            }
        };
        from_size(read())
    }

    unsafe extern "C" fn rust_backing_file_write_iter(
        file: *mut bindings::file,
        iter: *mut bindings::iov_iter,
        iocb: *mut bindings::kiocb,
        flags: c_int,
        ctx: *mut bindings::backing_file_ctx,
    ) -> isize {
        let write = || {
            // SAFETY: The arguments are valid, no freeze protection is held, and the user inode is
            // locked. The request is the operation's, and only handed over.
            unsafe {
                let backing = backing(file)?;
                if iter::count(iter) == 0 {
                    return Ok(0);
                }
                let flags = flags_for(backing, flags)?;
                backing.may_write(flags)?;
                let mut hooks = HookContext::assume();
                iter::submit_write(backing, raw_ctx(&mut hooks, ctx, iocb), iocb, iter, flags)
            }
        };
        from_size(write())
    }

    unsafe extern "C" fn rust_backing_file_splice_read(
        in_: *mut bindings::file,
        iocb: *mut bindings::kiocb,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
        ctx: *mut bindings::backing_file_ctx,
    ) -> isize {
        let read = || {
            // SAFETY: The arguments are valid, the pipe is locked, and no freeze protection is held.
            unsafe {
                let (backing, user) = (backing(in_)?, UserFile::from_raw((*iocb).ki_filp));
                let (mut hooks, pipe) = (HookContext::assume(), Pipe::from_raw(pipe));
                let ctx = raw_ctx(&mut hooks, ctx, iocb);
                splice::read(backing, ctx, user, &mut (*iocb).ki_pos, pipe, len, flags)
            }
        };
        from_size(read())
    }

    unsafe extern "C" fn rust_backing_file_splice_write(
        pipe: *mut bindings::pipe_inode_info,
        out: *mut bindings::file,
        iocb: *mut bindings::kiocb,
        len: usize,
        flags: c_uint,
        ctx: *mut bindings::backing_file_ctx,
    ) -> isize {
        let write = || {
            // SAFETY: The arguments are valid, no freeze protection is held, and the user inode is
            // locked.
            unsafe {
                let (backing, user) = (backing(out)?, UserFile::from_raw((*iocb).ki_filp));
                splice::may_write(backing)?;
                let (mut hooks, pipe) = (HookContext::assume(), Pipe::from_raw(pipe));
                let ctx = raw_ctx(&mut hooks, ctx, iocb);
                splice::write(backing, ctx, pipe, user, &mut (*iocb).ki_pos, len, flags)
            }
        };
        from_size(write())
    }

    unsafe extern "C" fn rust_backing_file_mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
        ctx: *mut bindings::backing_file_ctx,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The arguments are valid, and the mapping is being set up. Its file, which is the
            // user file so far, is the caller's for the whole operation.
            unsafe {
                let (backing, user) = (backing(file)?, UserFile::from_raw((*vma).vm_file));
                let cred = Credential::from_ptr((*ctx).cred);
                backing.mmap::<()>(cred, user, VmaNew::from_raw(vma), MapPolicy::Lazy)?;
                if let Some(accessed) = (*ctx).accessed {
                    accessed(user.as_ptr());
                }
            }
            Ok(0)
        })
    }
}
