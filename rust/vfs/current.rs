// SPDX-License-Identifier: GPL-2.0

//! The current task.
//!
//! C header: `arch/*/include/asm/current.h`.

use crate::bindings;
use kernel::prelude::*;

/// The task that runs this.
///
/// Every operation asks for it, mostly twice. C has this inline; the `kernel` crate calls a C
/// function, which is what remains for the machines that are not written out here.
///
/// C: `get_current()`.
#[inline(always)]
pub fn current() -> *mut bindings::task_struct {
    #[cfg(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_UML)))]
    {
        extern "C" {
            /// Of each CPU, found by its segment `gs`.
            static const_current_task: *mut c_void;
        }

        let task: *mut bindings::task_struct;
        // SAFETY: The kernel keeps in it, on every CPU, the task that runs there. For that task it never changes,
        // which is why reading it need not be told to the compiler (C: `this_cpu_read_const()`).
        unsafe {
            core::arch::asm!(
                "mov {task}, qword ptr gs:[rip + {variable}]",
                task = out(reg) task,
                variable = sym const_current_task,
                options(pure, nomem, nostack, preserves_flags),
            )
        };
        task
    }
    #[cfg(not(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_UML))))]
    {
        // SAFETY: FFI call with no preconditions.
        unsafe { bindings::get_current() }
    }
}

#[kunit_tests(vfs_current)]
mod tests {
    use super::*;

    #[test]
    fn is_who_runs_this() {
        // SAFETY: FFI call with no preconditions.
        assert_eq!(current(), unsafe { bindings::get_current() });
    }
}
