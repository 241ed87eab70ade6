// SPDX-License-Identifier: GPL-2.0

//! Acting with other credentials than the task's.
//!
//! C header: `include/linux/cred.h`.

use crate::{
    bindings,
    current::current,
    error::to_result,
    FileSystem,
    Idmap,
    StableDentry, //
};
use core::ptr::NonNull;
use kernel::{
    cred::Credential,
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

/// Runs `f` with `cred` as the credentials of the current task and restores the task's own.
///
/// A closure and not a guard: `override_creds` takes no reference, so a guard that is leaked would
/// leave the task with credentials that may be freed.
///
/// C: `scoped_with_creds()`.
#[inline]
pub fn with_creds<R>(cred: &Credential, f: impl FnOnce() -> R) -> R {
    // SAFETY: The current task is valid for as long as it runs.
    let slot = unsafe { &raw mut (*current()).cred };
    // SAFETY: A task's subjective credentials are read and written by the task itself, which is
    // here. `cred` is valid for the whole call, at whose end the old ones, whose reference the task
    // kept, are back; the kernel does not unwind.
    unsafe {
        let old = slot.read_volatile();
        slot.write_volatile(cred.as_ptr());
        let result = f();
        slot.write_volatile(old);
        result
    }
}

/// Credentials that are being prepared, and are still this task's alone.
///
/// C: `prepare_creds()`.
///
/// # Invariants
///
/// `cred` is an owned reference to credentials that nobody else can see.
pub struct CredBuilder {
    cred: NonNull<bindings::cred>,
    _not_send: NotThreadSafe,
}

impl CredBuilder {
    /// Starts from a copy of the current task's credentials.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the copy.
    pub fn from_current() -> Result<Self> {
        // SAFETY: FFI call with no preconditions.
        let cred = unsafe { bindings::prepare_creds() };
        // INVARIANT: `prepare_creds` returned a new copy.
        Ok(Self {
            cred: NonNull::new(cred).ok_or(ENOMEM)?,
            _not_send: NotThreadSafe,
        })
    }

    /// Takes away the right to exceed quota limits and to use reserved space (`CAP_SYS_RESOURCE`).
    ///
    /// Without this, everybody who writes through a filesystem mounted by root would write past
    /// their quota.
    #[must_use]
    pub fn without_sys_resource(self) -> Self {
        // SAFETY: By the type invariant the credentials are ours alone.
        unsafe {
            (*self.cred.as_ptr()).cap_effective.val &= !(1u64 << bindings::CAP_SYS_RESOURCE);
        }
        self
    }

    /// For making `dentry`, a name for a file of type and permissions `mode`: the file will belong to
    /// who the current task creates files as, seen through `idmap`, the mount of the name; and it will
    /// have the security label that the current task's file would.
    ///
    /// # Errors
    ///
    /// What a security module returns.
    ///
    /// C: `security_dentry_create_files_as()` as `ovl_override_creator_creds()` uses it.
    pub fn creating_as_current<T: FileSystem>(
        self,
        idmap: &Idmap,
        dentry: &StableDentry<T>,
        mode: u16,
    ) -> Result<Self> {
        // SAFETY: `idmap` and `dentry` are valid; by the type invariant the credentials are ours
        // alone.
        unsafe {
            let (cred, inode) = (
                self.cred.as_ptr(),
                (*(*(*dentry.as_ptr()).d_sb).s_root).d_inode,
            );
            (*cred).fsuid = bindings::mapped_fsuid_of(idmap.as_ptr(), inode);
            (*cred).fsgid = bindings::mapped_fsgid_of(idmap.as_ptr(), inode);
            to_result(bindings::security_dentry_create_files_as(
                dentry.as_ptr(),
                mode.into(),
                dentry.name().as_ptr(),
                bindings::current_cred(),
                cred,
            ))?;
        }
        Ok(self)
    }

    /// Finishes the credentials: they can be shared, and no longer change.
    pub fn build(self) -> ARef<Credential> {
        let cred = self.cred.cast();
        core::mem::forget(self);
        // SAFETY: `Credential` is a transparent wrapper of `struct cred`, and the reference of the
        // builder, which is forgotten, becomes that of the `ARef`.
        unsafe { ARef::from_raw(cred) }
    }
}

impl Drop for CredBuilder {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this reference is ours.
        unsafe { bindings::put_cred(self.cred.as_ptr()) };
    }
}

#[kunit_tests(vfs_cred)]
mod tests {
    use super::*;

    fn current() -> *const bindings::cred {
        // SAFETY: FFI call with no preconditions.
        unsafe { bindings::current_cred() }
    }

    fn users(cred: &Credential) -> isize {
        // SAFETY: Valid, and read at once.
        unsafe {
            (&raw const (*cred.as_ptr()).usage.counter)
                .cast::<isize>()
                .read_volatile()
        }
    }

    #[test]
    fn scopes_nest_and_end() -> Result {
        let (own, outer) = (current(), CredBuilder::from_current()?.build());
        let inner = CredBuilder::from_current()?.build();
        with_creds(&outer, || {
            assert!(core::ptr::eq(current(), outer.as_ptr()));
            with_creds(&inner, || {
                assert!(core::ptr::eq(current(), inner.as_ptr()));
            });
            assert!(core::ptr::eq(current(), outer.as_ptr()));
        });
        assert!(core::ptr::eq(current(), own));
        Ok(())
    }

    #[test]
    fn a_scope_ends_with_an_error() -> Result {
        let (own, cred) = (current(), CredBuilder::from_current()?.build());
        let result: Result = with_creds(&cred, || {
            Err(ENOMEM)?;
            Ok(())
        });
        assert_eq!(result, Err(ENOMEM));
        assert!(core::ptr::eq(current(), own));
        Ok(())
    }

    #[test]
    fn references_are_balanced() -> Result {
        let cred = CredBuilder::from_current()?.build();
        assert_eq!(users(&cred), 1);
        with_creds(&cred, || assert_eq!(users(&cred), 1));
        let second = cred.clone();
        assert_eq!(users(&cred), 2);
        drop(second);
        assert_eq!(users(&cred), 1);
        Ok(())
    }

    #[test]
    fn one_capability_less() -> Result {
        let (all, less) = (
            CredBuilder::from_current()?.build(),
            CredBuilder::from_current()?.without_sys_resource().build(),
        );
        // SAFETY: Both are valid and do not change.
        let (all, less) = unsafe {
            (
                (*all.as_ptr()).cap_effective.val,
                (*less.as_ptr()).cap_effective.val,
            )
        };
        assert_eq!(less, all & !(1 << bindings::CAP_SYS_RESOURCE));
        Ok(())
    }
}
