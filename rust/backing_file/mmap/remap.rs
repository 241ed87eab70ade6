// SPDX-License-Identifier: GPL-2.0

//! What keeps `remap_file_pages(2)` from putting a mapping without a gate in the place of one with.
//!
//! That system call maps the file of a writable shared mapping once more. It asks nobody but the
//! file's own method, and the file of our mappings is the backing file: neither the stacking
//! filesystem nor a hook gets to know of it. So the file of a mapping with a gate gets operations of
//! its own, a copy of its filesystem's, in which the methods for mapping refuse whatever was not
//! marked as a mapping that is made from here. (Who tells files apart by their table finds another one:
//! NFS, which then does not leave copying from such a file to its server.)

use crate::{
    context::UserFile,
    BackingFile, //
};
use core::ptr;
use kernel::{
    ffi::c_int,
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
    },
};
use vfs::{
    bindings,
    Mount, //
};

/// What marks a mapping that is made from here: its operations until the filesystem sets its own.
static MARK: Mark = Mark(pin_init::zeroed());

struct Mark(bindings::vm_operations_struct);

// SAFETY: Nothing changes it.
unsafe impl Sync for Mark {}

fn is_mark(ops: *const bindings::vm_operations_struct) -> bool {
    ptr::eq(ops, &MARK.0)
}

/// What says that a file has operations of its own. A static, since a function may have several
/// addresses.
static RELEASE: unsafe extern "C" fn(*mut bindings::inode, *mut bindings::file) -> c_int =
    OwnOperations::release;

/// Runs `map`, which sets up `vma` with a method of its file, marked as a mapping made from here.
pub(super) fn marked(vma: &VmaNew, map: impl FnOnce() -> Result) -> Result {
    let vma = vma.as_ptr();
    // SAFETY: The mapping is being set up by the current task.
    unsafe {
        let unset = (*vma).vm_ops;
        (*vma).vm_ops = &MARK.0;
        let result = map();
        if is_mark((*vma).vm_ops) {
            (*vma).vm_ops = unset;
        }
        result
    }
}

/// Whether the file of `vma`, a mapping of `backing` that has been set up, is in no table of file
/// descriptors: `backing`, or where the filesystem below is stacked itself, a backing file of its own.
pub(super) fn is_of_backing_file(vma: &VmaNew, backing: &BackingFile) -> bool {
    // SAFETY: The mapping has a file.
    unsafe {
        let file = (*vma.as_ptr()).vm_file;
        file == backing.as_ptr() || (*file).f_mode & bindings::FMODE_BACKING != 0
    }
}

/// Operations of one file.
///
/// # Invariants
///
/// Once a file has them, `below` is the table that it was opened with, and `ops` its copy by
/// [`OwnOperations::guarded`].
#[repr(C)]
pub(super) struct OwnOperations {
    // The first field: it is what the file points to.
    table: Table,
    /// That of the user file: keeps the stacking filesystem's module, and with it this one.
    _mount: ARef<Mount>,
}

#[repr(C)]
struct Table {
    ops: bindings::file_operations,
    below: *const bindings::file_operations,
}

impl OwnOperations {
    /// Makes room for those of the file of a mapping of `user`'s backing file. It comes first, as nothing
    /// may fail when the mapping has been set up.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(user: &UserFile) -> Result<KBox<Self>> {
        // INVARIANT: No file has it.
        let this = Self {
            table: Table {
                ops: pin_init::zeroed(),
                below: ptr::null(),
            },
            _mount: user.mount().into(),
        };
        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// Makes these the operations of the file of `vma`, which must be [a backing
    /// file](is_of_backing_file), unless it has some already.
    pub(super) fn install(mut self: KBox<Self>, vma: &VmaNew) {
        // SAFETY: The mapping has a file, which is open. Who else uses or changes its table meanwhile, C code
        // with plain loads included, reads the pointer at once and finds either table whole.
        unsafe {
            let slot = Atomic::from_ptr(&raw mut (*(*vma.as_ptr()).vm_file).f_op);
            let below = slot.load(Relaxed);
            if Self::are_in(&*below) {
                return;
            }
            self.table = Table {
                ops: Self::guarded(&*below),
                below,
            };
            let this = KBox::into_raw(self);
            // INVARIANT: The file has them only if `below` was its table until then.
            if slot.cmpxchg(below, this.cast_const().cast(), Full).is_err() {
                drop(KBox::from_raw(this));
            }
        }
    }

    /// Whether `ops` are the operations of one file.
    pub(super) fn are_in(ops: &bindings::file_operations) -> bool {
        ops.release
            .is_some_and(|release| release as usize == RELEASE as usize)
    }

    /// `below`, with the methods for mapping, and that for the end of the file, replaced.
    fn guarded(below: &bindings::file_operations) -> bindings::file_operations {
        bindings::file_operations {
            mmap: below.mmap.and(Some(Self::mmap)),
            mmap_prepare: below.mmap_prepare.and(Some(Self::mmap_prepare)),
            release: Some(RELEASE),
            ..*below
        }
    }
}

/// The VFS calls each of these with the arguments `struct file_operations` documents, on files that
/// have operations of their own.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl OwnOperations {
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: See above.
        unsafe {
            match (*Self::below(file)).mmap {
                Some(mmap) if is_mark((*vma).vm_ops) => mmap(file, vma),
                _ => EINVAL.to_errno(),
            }
        }
    }

    unsafe extern "C" fn mmap_prepare(desc: *mut bindings::vm_area_desc) -> c_int {
        // SAFETY: See above.
        unsafe {
            match (*Self::below((*desc).file)).mmap_prepare {
                Some(prepare) if is_mark((*desc).vm_ops) => prepare(desc),
                _ => EINVAL.to_errno(),
            }
        }
    }

    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: See above. It is the last use of the file but for what the VFS does with the table it
        // was opened with. As for the module, see `vm_close` of the gate.
        unsafe {
            let below = Self::below(file);
            let own = KBox::from_raw((*file).f_op.cast_mut().cast::<Self>());
            (*file).f_op = below;
            drop(own);
            (*below).release.map_or(0, |release| release(inode, file))
        }
    }

    /// The table that `file` was opened with.
    unsafe fn below(file: *const bindings::file) -> *const bindings::file_operations {
        // SAFETY: See above; by the type invariant.
        unsafe { (*(*file).f_op.cast::<Table>()).below }
    }
}

#[kunit_tests(backing_file_remap)]
mod tests {
    use super::*;

    unsafe extern "C" fn method(_: *mut bindings::file, _: *mut bindings::vm_area_struct) -> c_int {
        7
    }

    #[test]
    fn only_marked_mappings_reach_the_filesystem() {
        let below = bindings::file_operations {
            mmap: Some(method),
            ..pin_init::zeroed()
        };
        let own = Table {
            ops: OwnOperations::guarded(&below),
            below: &raw const below,
        };
        assert!(OwnOperations::are_in(&own.ops) && !OwnOperations::are_in(&below));
        // What the filesystem has not, its copy must not have either.
        assert!(own.ops.mmap_prepare.is_none());

        let mut file: bindings::file = pin_init::zeroed();
        file.f_op = (&raw const own).cast();
        let mut vma: bindings::vm_area_struct = pin_init::zeroed();
        // SAFETY: Nobody else has them.
        unsafe {
            assert_eq!(OwnOperations::mmap(&mut file, &mut vma), EINVAL.to_errno());
            vma.vm_ops = &MARK.0;
            assert_eq!(OwnOperations::mmap(&mut file, &mut vma), 7);
        }
    }
}
