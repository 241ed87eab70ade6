// SPDX-License-Identifier: GPL-2.0

//! Mounting: options, where they come from, and messages about them.
//!
//! C headers: `include/linux/fs_context.h`, `include/linux/fs_parser.h`.

use crate::{
    bindings,
    fs::{
        self,
        FileSystem, //
    },
    super_block::SuperBlock, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_void, //
    },
    fmt,
    prelude::*,
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// A mount option of a filesystem whose options are an `O`.
pub struct Param<O> {
    name: &'static CStr,
    kind: Kind<O>,
}

enum Kind<O> {
    Flag(fn(&mut O)),
    Value(fn(&mut O, &CStr) -> Option<()>),
}

impl<O> Param<O> {
    /// An option without a value: `name`.
    pub const fn flag(name: &'static CStr, set: fn(&mut O)) -> Self {
        Self {
            name,
            kind: Kind::Flag(set),
        }
    }

    /// An option with a value: `name=value`. `set` returns `None` if the value is not one.
    pub const fn value(name: &'static CStr, set: fn(&mut O, &CStr) -> Option<()>) -> Self {
        Self {
            name,
            kind: Kind::Value(set),
        }
    }
}

/// A mount, or a change of one, that is being prepared.
///
/// # Invariants
///
/// A valid context of the filesystem `T`, used by the current task alone. Its `fs_private` is a
/// boxed [`FileSystem::Options`].
#[repr(transparent)]
pub struct FsContext<T: FileSystem>(Opaque<bindings::fs_context>, PhantomData<fn() -> T>);

impl<T: FileSystem> FsContext<T> {
    /// # Safety
    ///
    /// `ptr` must satisfy the type invariants for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::fs_context) -> &'a Self {
        // SAFETY: By the caller's promise; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The options given so far.
    pub fn options(&self) -> &T::Options {
        // SAFETY: By the type invariant.
        unsafe { KBox::<T::Options>::borrow((*self.0.get()).fs_private) }
    }

    /// The source: the first word of a mount, a device or a directory for example.
    pub fn source(&self) -> Option<&CStr> {
        // SAFETY: By the type invariant; the string does not change while the context is in use.
        let source = unsafe { (*self.0.get()).source };
        // SAFETY: A source that is set is nul-terminated.
        (!source.is_null()).then(|| unsafe { CStr::from_char_ptr(source) })
    }

    /// Tells the user why the mount fails. With the new mount API it is read from the context's
    /// file descriptor, with mount(2) it goes to the kernel log.
    ///
    /// C: `errorfc()`.
    pub fn error(&self, args: fmt::Arguments<'_>) {
        let fc = self.0.get();
        // SAFETY: The context is valid, and `%pA` takes a pointer to `Arguments`.
        unsafe {
            bindings::logfc(
                (*fc).log.log,
                (*fc).log.prefix,
                b'e',
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&args).cast::<c_void>(),
            );
        }
    }

    fn set(&self, param: &Param<T::Options>, value: Option<&CStr>) -> Result {
        // SAFETY: By the type invariant; this task has the only reference to the options.
        let options = unsafe { &mut *(*self.0.get()).fs_private.cast::<T::Options>() };
        match (&param.kind, value) {
            (Kind::Flag(set), None) => set(options),
            (Kind::Flag(_), Some(_)) => {
                self.error(fmt!("option '{}' takes no value", param.name));
                return Err(EINVAL);
            }
            (Kind::Value(_), None) => {
                self.error(fmt!("option '{}' needs a value", param.name));
                return Err(EINVAL);
            }
            (Kind::Value(set), Some(value)) => {
                if set(options, value).is_none() {
                    self.error(fmt!("option '{}' cannot be '{}'", param.name, value));
                    return Err(EINVAL);
                }
            }
        }
        Ok(())
    }
}

/// Puts a message for the user into a context and returns an error.
///
/// ```ignore
/// return fs_error!(fc, EINVAL, "no source directory");
/// ```
#[macro_export]
macro_rules! fs_error {
    ($fc:expr, $err:expr, $($arg:tt)+) => {{
        $fc.error(::kernel::prelude::fmt!($($arg)+));
        Err($err)
    }};
}

/// The operations of a context.
struct Table<T>(PhantomData<T>);

/// The VFS calls these with a context of `T` that the current task alone uses.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl<T: FileSystem> Table<T> {
    const TABLE: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        dup: None,
        parse_param: Some(Self::parse_param),
        parse_monolithic: None,
        get_tree: Some(Self::get_tree),
        reconfigure: Some(Self::reconfigure),
    };

    unsafe extern "C" fn free(fc: *mut bindings::fs_context) {
        // SAFETY: The context is being freed; the options are ours.
        drop(unsafe { KBox::<T::Options>::try_from_foreign((*fc).fs_private) });
    }

    unsafe extern "C" fn parse_param(
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A valid parameter: the key is nul-terminated, and so is a string value.
            let (fc, key, value) = unsafe {
                let value = (*param).__bindgen_anon_1.string;
                let is_string = (*param).type_() == bindings::fs_value_type_fs_value_is_string
                    && !value.is_null();
                (
                    FsContext::<T>::from_raw(fc),
                    CStr::from_char_ptr((*param).key),
                    is_string.then(|| CStr::from_char_ptr(value)),
                )
            };
            match T::PARAMS.iter().find(|p| p.name == key) {
                Some(param) => fc.set(param, value)?,
                // The VFS takes `source`, and says that it does not know the rest.
                None => return Err(Error::from_errno(-(bindings::ENOPARAM as c_int))),
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: The VFS' context of `T`.
        unsafe { fs::get_tree::<T>(fc) }
    }

    unsafe extern "C" fn reconfigure(fc: *mut bindings::fs_context) -> c_int {
        from_result(|| {
            if T::HAS_RECONFIGURE {
                // SAFETY: A context for reconfiguration has the root of the mounted instance.
                unsafe {
                    let sb = SuperBlock::from_raw((*(*fc).root).d_sb);
                    T::reconfigure(sb, FsContext::from_raw(fc))?;
                }
            }
            Ok(0)
        })
    }
}

/// Sets up a new context.
///
/// # Safety
///
/// As the VFS calls it: `fc` is a new context of `T`.
pub(crate) unsafe extern "C" fn init<T: FileSystem>(
    fc: *mut kernel::bindings::fs_context,
) -> c_int {
    // CAST: The same C struct, opaque in the kernel's bindings.
    let fc = fc.cast::<bindings::fs_context>();
    from_result(|| {
        let options = KBox::new(T::Options::default(), GFP_KERNEL)?;
        // SAFETY: By the caller's promise.
        unsafe {
            (*fc).fs_private = options.into_foreign();
            (*fc).ops = &Table::<T>::TABLE;
        }
        Ok(0)
    })
}
