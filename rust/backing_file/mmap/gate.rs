// SPDX-License-Identifier: GPL-2.0

//! A mapping that is closed until the hook has allowed its bytes.
//!
//! A gate stands in the place of the backing filesystem's `vm_operations_struct`: it has a copy of
//! it in which the functions that could make a page accessible ask the gate first.
//!
//! * Nothing here waits in a fault. A fault from user mode on a closed mapping gives the task work to
//!   do before it gets back there, in which it may wait, and is tried again. A fault of the kernel
//!   fails, as it may be in the middle of a `write`, under freeze protection; but if it was for the
//!   current task, that asks on its way back, so trying again helps.
//! * Splitting, copying to a child and moving a mapping keep the gate: each mapping that has its
//!   operations holds a reference to it. A mapping with a gate neither grows nor merges with others
//!   (`VM_DONTEXPAND`), so the bytes that were asked for are all there ever are: the memory management
//!   says nothing to anybody when a mapping grows. Nor is a huge page put into it behind the gate's
//!   back (`MADV_COLLAPSE`), which none of the flags that allow growing prevents, or any page by
//!   userfaultfd, which does not take such mappings. What puts another mapping of the file in the place of
//!   this one is the matter of [`super::remap`].
//! * Where the filesystem below is stacked itself and has put a gate of its own on the mapping, the
//!   new gate takes the other's place and asks on its behalf, the upper layer first.

use crate::{
    context::UserFile,
    range::Range,
    BackingFile, //
};
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ops::Deref,
    ptr, //
};
use kernel::{
    cred::Credential,
    ffi::{
        c_uint,
        c_ulong, //
    },
    mm::virt::VmaNew,
    new_condvar, new_mutex,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc,
        CondVar,
        Mutex, //
    },
};
use vfs::{
    bindings,
    current,
    task_work,
    HookContext,
    Mount, //
};

/// The bytes of the file that `vma` maps.
///
/// # Safety
///
/// The lock of the mapping, or of its address space, must be held.
unsafe fn mapped_range(vma: *const bindings::vm_area_struct) -> Range {
    // SAFETY: By the caller's promise.
    unsafe {
        let area = (*vma).__bindgen_anon_1.__bindgen_anon_1;
        Range {
            // CAST: `mmap` refuses offsets that are not a position in a file.
            pos: ((*vma).vm_pgoff << PAGE_SHIFT) as i64,
            len: area.vm_end - area.vm_start,
        }
    }
}

/// What says that a mapping has a gate. A static, since a function may have several addresses.
static CLOSE: unsafe extern "C" fn(*mut bindings::vm_area_struct) = Inner::vm_close;

/// A gate for one mapping and its descendants.
pub(super) struct Gate(Arc<Inner>);

/// # Invariants
///
/// * `setup` does not change once a mapping uses its `ops`.
/// * A mapping whose operations are `setup.ops` owns a reference to the gate.
#[pin_data]
struct Inner {
    setup: UnsafeCell<Setup>,
    backing: ARef<BackingFile>,
    cred: ARef<Credential>,
    /// That of the user file: keeps the stacking filesystem's module, and with it this one.
    _mount: ARef<Mount>,
    /// [`UNANSWERED`], [`ALLOWED`] or [`REFUSED`]; changes once.
    answer: Atomic<i32>,
    /// Not 0 when another gate has taken the place of this one, and asks for it.
    replaced: Atomic<i32>,
    /// Whether a task is asking the hook.
    #[pin]
    asking: Mutex<bool>,
    /// `asking` ended.
    #[pin]
    asked: CondVar,
}

const UNANSWERED: i32 = 0;
const ALLOWED: i32 = 1;
const REFUSED: i32 = 2;

/// What is known of the mapping when the filesystem below has set it up.
struct Setup {
    /// A copy of `below` with the functions of the gate.
    ops: bindings::vm_operations_struct,
    /// The table of the filesystem below; static.
    below: *const bindings::vm_operations_struct,
    /// The gate that the filesystem below had put on the mapping.
    inner: Option<Arc<Inner>>,
    /// The mapped bytes; none as long as nothing is mapped.
    range: Range,
}

// SAFETY: `setup` is constant once the gate is shared, the rest is synchronised.
unsafe impl Send for Inner {}
// SAFETY: As above.
unsafe impl Sync for Inner {}

impl Gate {
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(backing: &BackingFile, cred: &Credential, user: &UserFile) -> Result<Self> {
        let (backing, cred) = (ARef::from(backing), ARef::from(cred));
        let setup = Setup {
            ops: pin_init::zeroed(),
            below: ptr::null(),
            inner: None,
            range: Range { pos: 0, len: 0 },
        };
        // INVARIANT: No mapping uses the gate.
        let inner = Arc::pin_init(
            pin_init!(Inner {
                setup: UnsafeCell::new(setup),
                backing,
                cred,
                _mount: user.mount().into(),
                answer: Atomic::new(UNANSWERED),
                replaced: Atomic::new(0),
                asking <- new_mutex!(false, "Gate::asking"),
                asked <- new_condvar!("Gate::asked"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self(inner))
    }

    /// Gives the current task, which is about to map, the work to ask the hook on its way back to
    /// user mode. If the mapping fails there will be nothing to ask for.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `ESRCH` if the task is exiting.
    pub(super) fn ask_later(&self) -> Result {
        Inner::ask_before_user_mode(&self.0)
    }

    /// Closes the mapping `vma`, which the filesystem below has set up, of a backing file, until the hook
    /// has allowed it.
    pub(super) fn close(self, vma: &VmaNew) {
        let vma = vma.as_ptr();
        // SAFETY: The mapping is being set up by this task, and no mapping uses this gate yet. What
        // the filesystem below has given it, whose file is a backing file, are the operations of a static
        // table, or of a gate, whose reference becomes ours. The mapping gets one to this gate.
        unsafe {
            let mut below = (*vma).vm_ops;
            let inner = Inner::is_gate(&*below).then(|| {
                let inner = ManuallyDrop::into_inner(Inner::of(vma).0);
                below = inner.setup().below;
                // Its own work, queued after ours, would run first and ask the lower layer first.
                inner.replaced.store(1, Release);
                inner
            });
            *self.0.setup.get() = Setup {
                ops: Inner::guarded(&*below),
                below,
                inner,
                range: mapped_range(vma),
            };
            let gate: *const Inner = Arc::into_raw(self.0);
            (*vma).vm_ops = &raw const (*(*gate).setup.get()).ops;
            (*vma).__bindgen_anon_2.vm_flags |= bindings::VM_DONTEXPAND as bindings::vm_flags_t;
        }
    }
}

impl Inner {
    /// Whether these are the operations of a gate.
    fn is_gate(ops: &bindings::vm_operations_struct) -> bool {
        ops.close
            .is_some_and(|close| close as usize == CLOSE as usize)
    }

    /// `below`, with the functions that open, close, and make pages accessible replaced by those of
    /// the gate.
    fn guarded(below: &bindings::vm_operations_struct) -> bindings::vm_operations_struct {
        bindings::vm_operations_struct {
            open: Some(Self::vm_open),
            close: Some(CLOSE),
            fault: Some(Self::vm_fault),
            huge_fault: below.huge_fault.and(Some(Self::vm_huge_fault)),
            map_pages: below.map_pages.and(Some(Self::vm_map_pages)),
            ..*below
        }
    }

    fn setup(&self) -> &Setup {
        // SAFETY: By the type invariant; the task that sets it up does not hold on to this.
        unsafe { &*self.setup.get() }
    }

    fn below(&self) -> &bindings::vm_operations_struct {
        // SAFETY: Static, and set in a gate that a mapping uses.
        unsafe { &*self.setup().below }
    }

    /// Gives the current task the work to ask the hook.
    fn ask_before_user_mode(this: &Arc<Self>) -> Result {
        let gate = this.clone();
        // SAFETY: The work has the gate, which keeps this module.
        unsafe { task_work::before_user_mode(move |hooks| gate.ask_unless_replaced(hooks)) }
    }

    /// Whether the mapped bytes are allowed, by this gate and the one whose place it took.
    fn is_open(&self) -> bool {
        let inner = &self.setup().inner;
        self.answer.load(Acquire) == ALLOWED && inner.as_ref().is_none_or(|g| g.is_open())
    }

    fn is_refused(&self) -> bool {
        let inner = &self.setup().inner;
        self.answer.load(Acquire) == REFUSED || inner.as_ref().is_some_and(|g| g.is_refused())
    }

    fn ask_unless_replaced(&self, hooks: &mut HookContext) {
        if self.replaced.load(Acquire) == 0 {
            self.ask(hooks);
        }
    }

    /// Asks the hook, unless it has answered, and if it allows, that of the gate whose place this one
    /// took.
    fn ask(&self, hooks: &mut HookContext) {
        // Nothing was mapped in the end?
        if self.setup().range.len == 0 {
            return;
        }
        self.ask_own(hooks);
        if let Some(inner) = &self.setup().inner {
            if self.answer.load(Acquire) == ALLOWED {
                inner.ask(hooks);
            }
        }
    }

    /// If another task is asking, waits for it; a signal ends the wait, and the next fault asks again.
    fn ask_own(&self, hooks: &mut HookContext) {
        let mut asking = self.asking.lock();
        while *asking {
            if self.asked.wait_interruptible(&mut asking) {
                return;
            }
        }
        if self.answer.load(Acquire) != UNANSWERED {
            return;
        }
        *asking = true;
        drop(asking);

        let range = self.setup().range;
        let answer = self.backing.verify_read(hooks, &self.cred, range);
        match answer {
            Ok(()) => self.answer.store(ALLOWED, Release),
            // The task is being killed: nobody answered.
            Err(err) if err == ERESTARTSYS || err == EINTR => {}
            Err(_) => self.answer.store(REFUSED, Release),
        }
        *self.asking.lock() = false;
        self.asked.notify_all();
    }

    /// The gate of a mapping that has its operations.
    ///
    /// # Safety
    ///
    /// `vma` must be a mapping whose operations are a gate's, for as long as the value is used.
    unsafe fn of(vma: *const bindings::vm_area_struct) -> Borrowed {
        // SAFETY: By the caller's promise the table is in the setup of a gate, to which the mapping
        // owns a reference. `UnsafeCell` has the layout of what is in it.
        unsafe {
            let ops = (*vma).vm_ops.cast_mut();
            let setup = kernel::container_of!(ops, Setup, ops).cast::<UnsafeCell<Setup>>();
            let inner = kernel::container_of!(setup, Self, setup);
            Borrowed(ManuallyDrop::new(Arc::from_raw(inner)))
        }
    }

    /// What a fault on a mapping that is not open does.
    ///
    /// # Safety
    ///
    /// `vmf` must be the fault being handled.
    unsafe fn fault_on_closed(
        this: &Arc<Self>,
        vmf: *const bindings::vm_fault,
    ) -> bindings::vm_fault_t {
        // SAFETY: By the caller's promise. Every task but a thread of the kernel has an address space as
        // long as it can fault.
        let (flags, own) = unsafe {
            let vma = (*vmf).__bindgen_anon_1.vma;
            let mm = (*vma).vm_mm;
            ((*vmf).flags, mm == (*current()).mm)
        };
        let from_user = flags & bindings::fault_flag_FAULT_FLAG_USER != 0;
        if this.is_refused() {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t;
        }
        let asks = own && Self::ask_before_user_mode(this).is_ok();
        let answer = match (from_user, asks) {
            // Handled: the access is tried again after the work.
            (true, true) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            (true, false) => bindings::vm_fault_reason_VM_FAULT_OOM,
            (false, _) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        };
        answer as bindings::vm_fault_t
    }
}

/// A gate borrowed from the reference that a mapping owns.
struct Borrowed(ManuallyDrop<Arc<Inner>>);

impl Deref for Borrowed {
    type Target = Arc<Inner>;

    fn deref(&self) -> &Arc<Inner> {
        &self.0
    }
}

/// The memory management calls these with the arguments `struct vm_operations_struct` documents, on
/// mappings whose operations are a gate's.
#[expect(
    clippy::missing_safety_doc,
    reason = "the contract is that of the impl"
)]
impl Inner {
    unsafe extern "C" fn vm_open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: See above. The new mapping has the same operations, and gets its own reference.
        unsafe {
            let gate = Self::of(vma);
            let _ = Arc::into_raw(Arc::clone(&gate));
            if let Some(open) = gate.below().open {
                open(vma);
            }
        }
    }

    unsafe extern "C" fn vm_close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: See above. The mapping gives up its reference. If it was the last, the mount that kept
        // this module goes; the VFS sees to what that means later, and unloading waits for preempted tasks.
        unsafe {
            let gate = Self::of(vma);
            if let Some(close) = gate.below().close {
                close(vma);
            }
            drop(ManuallyDrop::into_inner(gate.0));
        }
    }

    unsafe extern "C" fn vm_fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: See above.
        unsafe {
            let gate = Self::of((*vmf).__bindgen_anon_1.vma);
            match gate.below().fault {
                _ if !gate.is_open() => Self::fault_on_closed(&gate, vmf),
                Some(fault) => fault(vmf),
                None => bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t,
            }
        }
    }

    unsafe extern "C" fn vm_huge_fault(
        vmf: *mut bindings::vm_fault,
        order: c_uint,
    ) -> bindings::vm_fault_t {
        // SAFETY: See above.
        unsafe {
            let gate = Self::of((*vmf).__bindgen_anon_1.vma);
            match gate.below().huge_fault {
                Some(fault) if gate.is_open() => fault(vmf, order),
                // Page by page, then.
                _ => bindings::vm_fault_reason_VM_FAULT_FALLBACK as bindings::vm_fault_t,
            }
        }
    }

    unsafe extern "C" fn vm_map_pages(
        vmf: *mut bindings::vm_fault,
        start: c_ulong,
        end: c_ulong,
    ) -> bindings::vm_fault_t {
        // SAFETY: See above.
        unsafe {
            let gate = Self::of((*vmf).__bindgen_anon_1.vma);
            match gate.below().map_pages {
                Some(map) if gate.is_open() => map(vmf, start, end),
                _ => 0,
            }
        }
    }
}

#[kunit_tests(backing_file_gate)]
mod tests {
    use super::*;

    unsafe extern "C" fn huge_fault(_: *mut bindings::vm_fault, _: c_uint) -> bindings::vm_fault_t {
        0
    }

    #[test]
    fn functions_that_make_pages_accessible_are_replaced() {
        let below: bindings::vm_operations_struct = pin_init::zeroed();
        let ops = Inner::guarded(&below);
        assert!(Inner::is_gate(&ops) && !Inner::is_gate(&below));
        assert!(ops.open.is_some() && ops.fault.is_some());
        // What the filesystem has not, the gate must not have either.
        assert!(ops.huge_fault.is_none() && ops.map_pages.is_none());

        let below = bindings::vm_operations_struct {
            huge_fault: Some(huge_fault),
            ..below
        };
        let ops = Inner::guarded(&below);
        assert!(ops
            .huge_fault
            .is_some_and(|f| f as usize != huge_fault as usize));
        assert!(ops.map_pages.is_none());
    }

    #[test]
    fn mapped_bytes() {
        let mut vma: bindings::vm_area_struct = pin_init::zeroed();
        vma.vm_pgoff = 5;
        vma.__bindgen_anon_1.__bindgen_anon_1.vm_start = 0x7000_0000;
        vma.__bindgen_anon_1.__bindgen_anon_1.vm_end = 0x7000_3000;
        // SAFETY: Nobody else has it.
        let range = unsafe { mapped_range(&vma) };
        assert_eq!(
            range,
            Range {
                pos: 5 << PAGE_SHIFT,
                len: 0x3000
            }
        );
    }
}
