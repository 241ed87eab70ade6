// SPDX-License-Identifier: GPL-2.0

//! When permission hooks may run.

use kernel::types::NotThreadSafe;

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
pub struct HookContext {
    _not_send: NotThreadSafe,
}

impl HookContext {
    /// For the operation tables of this crate, at the start of each operation, and for work on the
    /// way back to user mode.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            _not_send: NotThreadSafe,
        }
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
