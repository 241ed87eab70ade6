// SPDX-License-Identifier: GPL-2.0

//! When permission hooks may run.

use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// Evidence that permission hooks may run: the current operation protects no filesystem *below* its
/// own against freezing.
///
/// A listener of a pre-content event may have to write to the filesystem it watches. If the task
/// that raised the event held freeze protection there, and somebody were freezing it, all three
/// would wait for each other. So freeze protection borrows this evidence for as long as it is held
/// ([`crate::Mount::want_write`], and the write guard of the crate `backing_file`), and whatever may
/// raise a hook, open a file below or move in one asks for it: the wrong order does not compile.
///
/// There is one for each operation the VFS calls, made by the operation tables of this crate. What
/// it cannot know is the freeze protection of the *stacked* filesystem, which the VFS takes before a
/// write; that one is harmless because a stacked super block has no `freeze_fs` and so is never
/// frozen.
///
/// It also knows whether the operation's request was queued, which is not for the filesystem to say.
pub struct HookContext {
    queued: bool,
    _not_send: NotThreadSafe,
}

impl HookContext {
    /// For the operation tables of this crate, at the start of each operation, and for work on the
    /// way back to user mode.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            queued: false,
            _not_send: NotThreadSafe,
        }
    }

    /// For whoever submitted the request of the operation: it completes later, or has already, and is not
    /// the operation's any more.
    ///
    /// # Safety
    ///
    /// The request must have been queued by the operation this evidence was made for: whoever has it now
    /// completes it, once.
    #[inline]
    pub unsafe fn set_queued(&mut self) {
        self.queued = true;
    }

    /// What the VFS is told of a request for which the filesystem says `result`. Whether it was queued
    /// depends on who has it: if the VFS thought otherwise, it would be completed twice or never.
    #[inline]
    pub(crate) fn result(&self, result: Result<usize>) -> Result<usize> {
        if self.queued {
            return Err(EIOCBQUEUED);
        }
        result.map_err(|err| if err == EIOCBQUEUED { EIO } else { err })
    }

    /// For an operation whose table is not one of this crate, because its filesystem is written in C.
    ///
    /// # Safety
    ///
    /// Until the value is dropped, the current task must not protect a filesystem below the
    /// operation's own against freezing by other means than this crate's.
    #[inline]
    pub unsafe fn assume() -> Self {
        Self::new()
    }
}

#[kunit_tests(vfs_hooks)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_request_decides_what_the_vfs_is_told() {
        let mut hooks = HookContext::new();
        assert_eq!(hooks.result(Ok(1)), Ok(1));
        assert_eq!(hooks.result(Err(EPERM)), Err(EPERM));
        assert_eq!(hooks.result(Err(EIOCBQUEUED)), Err(EIO));
        // SAFETY: There is no request to complete.
        unsafe { hooks.set_queued() };
        for said in [Ok(0), Err(EIO), Err(EIOCBQUEUED)] {
            assert_eq!(hooks.result(said), Err(EIOCBQUEUED));
        }
    }
}
