// SPDX-License-Identifier: GPL-2.0

//! Mapping a backing file, and what its pre-content watchers see of that.
//!
//! `mmap` cannot wait for user space (the lock of the address space is held), and a page fault
//! cannot either (it may happen inside freeze protection, in a `write` from the mapped memory). The
//! VFS runs the hook of a mapping before both, but for the user file alone. So a stacking filesystem
//! chooses a [`MapPolicy`] for backing files that are watched; for all others there is nothing to do.

mod gate;
mod remap;

use crate::{
    context::{
        Callbacks,
        Ctx,
        UserFile, //
    },
    range::Range,
    BackingFile, //
};
use gate::Gate;
use kernel::{
    cred::Credential,
    ffi::c_int,
    mm::virt::{
        self,
        VmaNew, //
    },
    prelude::*, //
};
use remap::OwnOperations;
use vfs::{
    bindings,
    error::to_result,
    with_creds, //
};

/// What happens when a backing file that has a pre-content watcher is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapPolicy {
    /// The hook runs for exactly the mapped bytes, when the `mmap` system call returns. Until it has
    /// allowed them the mapping is closed: another thread that touches it waits; the kernel itself,
    /// on anybody's behalf, gets `EFAULT`, so `MAP_POPULATE` populates nothing. If the hook refuses,
    /// the mapping stays closed, in children too, and touching it raises `SIGBUS`. The
    /// mapping can be moved and shrunk, but not grown: `mremap` says `EFAULT`. Nor can other bytes be put
    /// in its place with the deprecated `remap_file_pages(2)`, of which no hook would be told: `EINVAL`.
    ///
    /// The kernel writes to the mappings of a program while it executes it, so for a file that is
    /// opened to be executed the hook runs at open, for all of it.
    #[default]
    Lazy,
    /// The hook runs at open, for all of the file, whether or not it is mapped later.
    Fill,
    /// A watched file cannot be mapped: `ENODEV`.
    Refuse,
    /// No hook runs, and mapped content may be content that was never filled. As the C code.
    Trust,
}

impl MapPolicy {
    const NAMES: [(&'static CStr, Self); 4] = [
        (c"lazy", Self::Lazy),
        (c"fill", Self::Fill),
        (c"refuse", Self::Refuse),
        (c"trust", Self::Trust),
    ];

    /// The policy called `name`, as in a mount option.
    pub fn from_name(name: &CStr) -> Option<Self> {
        let (_, policy) = Self::NAMES.iter().find(|(n, _)| *n == name)?;
        Some(*policy)
    }

    /// What the policy is called.
    pub fn name(self) -> &'static CStr {
        Self::NAMES[self as usize].0
    }
}

/// `f_op->mmap`
type MapMethod = unsafe extern "C" fn(*mut bindings::file, *mut bindings::vm_area_struct) -> c_int;

impl BackingFile {
    /// Whether somebody watched this file for permission events with content when it was opened.
    ///
    /// The kernel does not tell pre-content events (`FAN_PRE_ACCESS`) and the older `FAN_ACCESS_PERM`
    /// apart here: either makes the file a watched one.
    ///
    /// C: `FMODE_FSNOTIFY_HSM()`.
    #[inline]
    pub fn has_pre_content_watch(&self) -> bool {
        // What these mean together `rust/helpers/fs.c` makes sure of.
        const BITS: u32 = bindings::FMODE_NONOTIFY | bindings::FMODE_NONOTIFY_PERM;
        // SAFETY: The mode does not change after open.
        let bits = unsafe { (*self.as_ptr()).f_mode } & BITS;
        cfg!(CONFIG_FANOTIFY_ACCESS_PERMISSIONS) && (bits == 0 || bits == BITS)
    }

    /// Whether it was opened to be executed.
    #[inline]
    fn is_for_exec(&self) -> bool {
        self.flags() & bindings::FMODE_EXEC != 0
    }

    /// Runs the hook that `policy` wants at open, if it does. Belongs into the open operation, after
    /// [`BackingFile::open`].
    ///
    /// May sleep, for as long as a listener takes. Acts with the credentials of `ctx`. The C helpers
    /// have nothing like it.
    ///
    /// # Errors
    ///
    /// `EPERM` or another errno if a listener denies.
    #[inline]
    pub fn verify_open<C: Callbacks>(&self, ctx: Ctx<'_, C>, policy: MapPolicy) -> Result {
        // What cannot be read cannot be mapped.
        if !self.can_read() || !self.has_pre_content_watch() {
            return Ok(());
        }
        match policy {
            MapPolicy::Fill => {}
            MapPolicy::Lazy if self.is_for_exec() => {}
            _ => return Ok(()),
        }
        let ctx = ctx.into_raw();
        let size = with_creds(ctx.cred, || self.current_size())?;
        let range = Range {
            pos: 0,
            // CAST: A size is not negative.
            len: size as usize,
        };
        self.verify_read(ctx.hooks, ctx.cred, range)
    }

    /// Makes `vma`, a mapping of the user file that is being set up, one of the backing file.
    ///
    /// The pages are the backing file's: what is written through the mapping is seen by readers of
    /// either file.
    ///
    /// The lock of the address space is held for writing, so nothing here waits for user space: no
    /// hook can run, and there is no [`vfs::HookContext`] to run one with. `accessed` of `C` is told.
    /// The last thing that can fail in the operation of the user file: of a mapping that fails after this
    /// nobody is told, and what it holds stays.
    ///
    /// C: `backing_file_mmap()`.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the backing file cannot be mapped or `policy` refuses, `EACCES` for a shared
    /// mapping of an append-only file or if a security module denies, `ENOMEM`, or what the
    /// filesystem returns. With [`MapPolicy::Lazy`] `ENODEV` also for a watched file that the filesystem below
    /// maps a file instead of that is not a backing file (Coda).
    pub fn mmap<C: Callbacks>(
        &self,
        cred: &Credential,
        user: &UserFile,
        vma: &VmaNew,
        policy: MapPolicy,
    ) -> Result {
        let map = self.map_method().ok_or(ENODEV)?;
        // The caller's check of append mode asked the user inode.
        if vma.flags() & virt::flags::SHARED != 0 && self.inode().is_append_only() {
            return Err(EACCES);
        }
        if self.has_pre_content_watch() {
            self.map_watched(map, cred, user, vma, policy)?;
        } else {
            self.map(map, cred, user, vma)?;
        }
        if C::HAS_ACCESSED {
            C::accessed(user, self);
        }
        Ok(())
    }

    /// Makes the file that of the mapping, and maps it with its method.
    #[inline]
    fn map(&self, map: MapMethod, cred: &Credential, user: &UserFile, vma: &VmaNew) -> Result {
        // SAFETY: The mapping is being set up, so its file may be set; the reference to the user
        // file that this drops is not the last, `user` is borrowed.
        unsafe { bindings::vma_set_file(vma.as_ptr(), self.as_ptr()) };
        with_creds(cred, || {
            // SAFETY: All arguments are valid.
            to_result(unsafe {
                bindings::security_mmap_backing_file(vma.as_ptr(), self.as_ptr(), user.as_ptr())
            })?;
            // SAFETY: As above, and the security modules agreed.
            to_result(unsafe { map(self.as_ptr(), vma.as_ptr()) })
        })
    }

    /// As [`BackingFile::map`], for a watched file: under `policy`.
    #[cold]
    fn map_watched(
        &self,
        method: MapMethod,
        cred: &Credential,
        user: &UserFile,
        vma: &VmaNew,
        policy: MapPolicy,
    ) -> Result {
        let map = || remap::marked(vma, || self.map(method, cred, user, vma));
        match policy {
            MapPolicy::Refuse => Err(ENODEV),
            MapPolicy::Lazy if !self.is_for_exec() => {
                let gate = Gate::new(self, cred, user)?;
                // Only those that are shared and writable can be mapped once more.
                let again = vma.flags() & virt::flags::SHARED != 0
                    && !OwnOperations::are_in(self.operations());
                let own = again.then(|| OwnOperations::new(user)).transpose()?;
                gate.ask_later()?;
                map()?;
                if !remap::is_of_backing_file(vma, self) {
                    unmapped(vma);
                    return Err(ENODEV);
                }
                if let Some(own) = own {
                    own.install(vma);
                }
                gate.close(vma);
                Ok(())
            }
            _ => map(),
        }
    }

    /// How the file is mapped, if it can be: by a method of its own for what is being set up, or one
    /// for what will be, that the VFS knows how to call for the former.
    ///
    /// C: `can_mmap_file()` and `vfs_mmap()`.
    #[inline]
    fn map_method(&self) -> Option<MapMethod> {
        let operations = self.operations();
        if operations.mmap_prepare.is_some() {
            Some(bindings::compat_vma_mmap)
        } else {
            operations.mmap
        }
    }
}

/// Tells the filesystem that has set up `vma` that the mapping comes to nothing, which the memory
/// management does not do.
fn unmapped(vma: &VmaNew) {
    let vma = vma.as_ptr();
    // SAFETY: The mapping is being set up by this task, and its operations are what its filesystem gave it,
    // which looks at none of its mapping after this.
    unsafe {
        if let Some(close) = (*vma).vm_ops.as_ref().and_then(|ops| ops.close) {
            close(vma);
        }
    }
}

#[kunit_tests(backing_file_mmap)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_their_names() {
        for policy in [
            MapPolicy::Lazy,
            MapPolicy::Fill,
            MapPolicy::Refuse,
            MapPolicy::Trust,
        ] {
            assert_eq!(MapPolicy::from_name(policy.name()), Some(policy));
        }
        assert_eq!(MapPolicy::from_name(c"lazy"), Some(MapPolicy::default()));
        for name in [c"", c"Lazy", c"lazyx", c"laz"] {
            assert_eq!(MapPolicy::from_name(name), None);
        }
    }
}
