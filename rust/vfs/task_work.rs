// SPDX-License-Identifier: GPL-2.0

//! Work that the current task does before it returns to user mode.
//!
//! C header: `include/linux/task_work.h`.

use crate::{
    bindings,
    current::current,
    error::to_result,
    hooks::HookContext, //
};
use core::ptr;
use kernel::prelude::*;

/// Tasks without a user mode to return to, io_uring's and vhost's workers among them.
const KERNEL_THREAD: u32 = bindings::PF_KTHREAD | bindings::PF_USER_WORKER;

#[repr(C)]
struct Work<F> {
    // The first field: the kernel hands back its address.
    head: bindings::callback_head,
    run: F,
}

/// Runs `run` in the current task before it next executes in user mode, where it holds no lock and
/// no freeze protection, so that hooks may run.
///
/// May be called with locks held under which memory can be allocated.
///
/// C: `task_work_add()` with `TWA_RESUME`.
///
/// # Errors
///
/// `ENOMEM`, or `ESRCH` if the task is exiting or is a thread of the kernel, which never gets to user
/// mode. Then `run` is dropped.
///
/// # Safety
///
/// What `run` owns must keep the module that `run` is compiled in loaded, until after `run` has
/// returned and been dropped: a reference to a file of that module's filesystem does (the last
/// `fput` is itself a task work, that runs later).
pub unsafe fn before_user_mode<F>(run: F) -> Result
where
    F: FnOnce(&mut HookContext) + Send + 'static,
{
    // SAFETY: The current task is valid.
    if unsafe { (*current()).flags } & KERNEL_THREAD != 0 {
        return Err(ESRCH);
    }
    let work = KBox::new(
        Work {
            head: bindings::callback_head {
                next: ptr::null_mut(),
                func: Some(call::<F>),
            },
            run,
        },
        GFP_KERNEL,
    )?;
    let work = KBox::into_raw(work);
    // SAFETY: The head is valid until `call` frees it; the current task can be given work.
    let added = to_result(unsafe {
        bindings::task_work_add(
            current(),
            work.cast(),
            bindings::task_work_notify_mode_TWA_RESUME,
        )
    });
    if added.is_err() {
        // SAFETY: It was not taken.
        drop(unsafe { KBox::from_raw(work) });
    }
    added
}

/// # Safety
///
/// Called once, with the head of a `Work<F>`, in the task that it was added to.
unsafe extern "C" fn call<F: FnOnce(&mut HookContext)>(head: *mut bindings::callback_head) {
    // SAFETY: The head is the first field of a boxed `Work<F>` that is ours now.
    let work = unsafe { KBox::from_raw(head.cast::<Work<F>>()) };
    let work = KBox::into_inner(work);
    (work.run)(&mut HookContext::new());
}
