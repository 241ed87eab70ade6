// SPDX-License-Identifier: GPL-2.0

//! A mapping that is closed until the hook has allowed its bytes.
//!
//! A gate stands in the place of the backing filesystem's `vm_operations_struct`: it has a copy of
//! it in which the functions that could make a page accessible ask the gate first.
//!
//! * Nothing here waits in a fault. A fault from user mode on bytes that are not allowed yet gives
//!   the task work to do before it gets back there, in which it may wait, and is tried again. A fault
//!   of the kernel fails: it may be in the middle of a `write`, under freeze protection.
//! * Splitting, copying to a child and moving a mapping keep the gate: each mapping that has its
//!   operations holds a reference to it.
//! * What is allowed are the pages from the start of the first mapping to [`Inner::allowed_end`],
//!   which grows: mappings with this gate lose pages anywhere, but gain them at an end only. The hook
//!   is always asked for what follows, so there is no gap.

use crate::{
    range::{
        Range,
        Read, //
    },
    BackingFile, //
};
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ops::Deref,
    ptr,
    sync::atomic::{
        AtomicBool,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::{
    cred::Credential,
    ffi::{
        c_uint,
        c_ulong, //
    },
    mm::virt::VmaNew,
    new_condvar, new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        CondVar,
        Mutex, //
    },
};
use vfs::{
    bindings,
    task_work,
    with_creds,
    HookContext, //
};

/// Page offsets in the file, from the first to one behind the last.
#[derive(Clone, Copy)]
struct Pages {
    start: usize,
    end: usize,
}

impl Pages {
    /// # Safety
    ///
    /// The lock of the mapping, or of its address space, must be held.
    unsafe fn of(vma: *const bindings::vm_area_struct) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            let len = (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_end
                - (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start;
            Self {
                start: (*vma).vm_pgoff,
                end: (*vma).vm_pgoff + (len >> PAGE_SHIFT),
            }
        }
    }

    fn range(self) -> Range {
        Range {
            // CAST: `mmap` refuses offsets that are not a position in a file.
            pos: (self.start << PAGE_SHIFT) as i64,
            len: (self.end - self.start) * PAGE_SIZE,
        }
    }
}

/// A gate for one mapping and its descendants.
pub(super) struct Gate(Arc<Inner>);

/// # Invariants
///
/// * `below` is the table of the backing filesystem, or not set yet; `ops` is a copy of it with the
///   functions of the gate. Neither changes once a mapping uses `ops`.
/// * A mapping whose operations are `ops` owns a reference to the gate.
#[pin_data]
struct Inner {
    ops: UnsafeCell<bindings::vm_operations_struct>,
    below: UnsafeCell<*const bindings::vm_operations_struct>,
    backing: ARef<BackingFile>,
    cred: ARef<Credential>,
    /// One behind the last page offset that the hook allowed.
    allowed_end: AtomicUsize,
    /// The hook refused; the gate stays closed.
    refused: AtomicBool,
    /// Whether a task is asking the hook.
    #[pin]
    asking: Mutex<bool>,
    /// `asking` ended.
    #[pin]
    asked: CondVar,
}

// SAFETY: The tables are constant once the gate is shared, the rest is synchronised.
unsafe impl Send for Inner {}
// SAFETY: As above.
unsafe impl Sync for Inner {}

impl Gate {
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(backing: &BackingFile, cred: &Credential) -> Result<Self> {
        let (backing, cred) = (ARef::from(backing), ARef::from(cred));
        // INVARIANT: No mapping uses the gate.
        let inner = Arc::pin_init(
            pin_init!(Inner {
                ops: UnsafeCell::new(pin_init::zeroed()),
                below: UnsafeCell::new(ptr::null()),
                backing,
                cred,
                allowed_end: AtomicUsize::new(0),
                refused: AtomicBool::new(false),
                asking <- new_mutex!(false, "Gate::asking"),
                asked <- new_condvar!("Gate::asked"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self(inner))
    }

    /// Closes the mapping `vma`, which the backing filesystem has set up, until the current task is
    /// on its way back to user mode and the hook has allowed it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `ESRCH` if the task is exiting; then the mapping must not be used.
    pub(super) fn close(self, vma: &VmaNew) -> Result {
        let vma = vma.as_ptr();
        // SAFETY: The mapping is being set up by this task.
        let pages = unsafe { Pages::of(vma) };
        // SAFETY: A mapping that the filesystem has set up has operations, of a static table; no
        // mapping uses the gate yet.
        unsafe {
            let below = (*vma).vm_ops;
            *self.0.below.get() = below;
            *self.0.ops.get() = Inner::guarded(&*below);
        }
        self.0.allowed_end.store(pages.start, Ordering::Relaxed);
        Inner::ask_before_user_mode(&self.0, pages.end)?;
        // SAFETY: The mapping is being set up by this task. It gets its reference to the gate. Huge
        // pages could be put into a mapping without a fault.
        unsafe {
            let raw: *const Inner = Arc::into_raw(self.0);
            (*vma).vm_ops = (*raw).ops.get();
            (*vma).__bindgen_anon_2.vm_flags |= bindings::VM_NOHUGEPAGE as bindings::vm_flags_t;
        }
        Ok(())
    }
}

impl Inner {
    /// `below`, with the functions that open, close, and make pages accessible replaced by those of
    /// the gate.
    fn guarded(below: &bindings::vm_operations_struct) -> bindings::vm_operations_struct {
        bindings::vm_operations_struct {
            open: Some(Self::vm_open),
            close: Some(Self::vm_close),
            fault: Some(Self::vm_fault),
            huge_fault: below.huge_fault.and(Some(Self::vm_huge_fault)),
            map_pages: below.map_pages.and(Some(Self::vm_map_pages)),
            ..*below
        }
    }

    /// Gives the current task the work to ask the hook for what is not allowed yet, up to `end`.
    fn ask_before_user_mode(this: &Arc<Self>, end: usize) -> Result {
        let gate = this.clone();
        // SAFETY: The gate holds the backing file, whose user path keeps the stacked filesystem
        // mounted, and with it its module and this one.
        unsafe { task_work::before_user_mode(move |hooks| gate.ask(hooks, end)) }
    }

    fn allows(&self, page: usize) -> bool {
        page < self.allowed_end.load(Ordering::Acquire)
    }

    /// Asks the hook for the pages from what is allowed up to `end`. If another task is asking, waits
    /// for it; a signal ends the wait, and the next fault asks again.
    fn ask(&self, hooks: &mut HookContext, end: usize) {
        let mut asking = self.asking.lock();
        while *asking {
            if self.asked.wait_interruptible(&mut asking) {
                return;
            }
        }
        let start = self.allowed_end.load(Ordering::Acquire);
        if start >= end || self.refused.load(Ordering::Acquire) {
            return;
        }
        *asking = true;
        drop(asking);

        let range = Pages { start, end }.range();
        let answer = with_creds(&self.cred, || {
            self.backing.verify::<Read>(hooks, range).map(drop)
        });

        match answer {
            Ok(()) => self.allowed_end.store(end, Ordering::Release),
            // The task is being killed: nobody answered.
            Err(err) if err == ERESTARTSYS || err == EINTR => {}
            Err(_) => self.refused.store(true, Ordering::Release),
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
        // SAFETY: By the caller's promise the table is the field of a gate, to which the mapping
        // owns a reference.
        unsafe {
            let inner = kernel::container_of!(
                (*vma)
                    .vm_ops
                    .cast_mut()
                    .cast::<UnsafeCell<bindings::vm_operations_struct>>(),
                Self,
                ops
            );
            Borrowed(ManuallyDrop::new(Arc::from_raw(inner)))
        }
    }

    fn below(&self) -> &bindings::vm_operations_struct {
        // SAFETY: By the type invariant; called on gates that a mapping uses.
        unsafe { &**self.below.get() }
    }

    /// What a fault on bytes that are not allowed does.
    ///
    /// # Safety
    ///
    /// `vmf` must be the fault being handled.
    unsafe fn fault_on_closed(
        this: &Arc<Self>,
        vmf: *mut bindings::vm_fault,
    ) -> bindings::vm_fault_t {
        // SAFETY: By the caller's promise.
        let (from_user, end) = unsafe {
            (
                (*vmf).flags & bindings::fault_flag_FAULT_FLAG_USER != 0,
                Pages::of((*vmf).__bindgen_anon_1.vma).end,
            )
        };
        let answer = if !from_user || this.refused.load(Ordering::Acquire) {
            bindings::vm_fault_reason_VM_FAULT_SIGBUS
        } else if Self::ask_before_user_mode(this, end).is_err() {
            bindings::vm_fault_reason_VM_FAULT_OOM
        } else {
            // Handled: the access is tried again after the work.
            bindings::vm_fault_reason_VM_FAULT_NOPAGE
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
        // SAFETY: See above. The mapping gives up its reference; the file of the mapping, which is
        // dropped later, keeps this module.
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
            if !gate.allows((*vmf).__bindgen_anon_1.pgoff) {
                return Self::fault_on_closed(&gate, vmf);
            }
            match gate.below().fault {
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
            let last = (*vmf).__bindgen_anon_1.pgoff | ((1 << order) - 1);
            match gate.below().huge_fault {
                Some(fault) if gate.allows(last) => fault(vmf, order),
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
            let allowed = gate.allowed_end.load(Ordering::Acquire);
            match gate.below().map_pages {
                // `end` is the last page, included.
                Some(map) if start < allowed => map(vmf, start, end.min(allowed - 1)),
                _ => 0,
            }
        }
    }
}
