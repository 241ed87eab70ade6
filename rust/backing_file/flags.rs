// SPDX-License-Identifier: GPL-2.0

//! Flags: of an iocb, and of an open file.

use crate::{
    BackingFile,
    UserFile, //
};
use kernel::prelude::*;
use vfs::{
    bindings,
    file::flags_with_mount, //
};

/// The flags of an iocb that mean the same to the backing filesystem, whoever submitted it.
///
/// Synchronous and asynchronous requests use this one list. What is left out refers to something
/// that is not passed on, or is an agreement between the submitter and the file it called:
/// `EVENTFD`, `AIO_RW` and `ALLOC_CACHE` (the submitter's own iocb), `WAITQ` and `HAS_METADATA`
/// (payload in a union), `NOIO` (set below), `DONTCACHE` (needs `FOP_DONTCACHE` of the user file),
/// `WRITE` (a matter of the operation).
///
/// # Invariants
///
/// No bit outside of [`IocbFlags::ALLOWED`] is set.
#[derive(Clone, Copy)]
pub(crate) struct IocbFlags(i32);

impl IocbFlags {
    const ALLOWED: i32 = bindings::IOCB_NOWAIT
        | bindings::IOCB_HIPRI
        | bindings::IOCB_DSYNC
        | bindings::IOCB_SYNC
        | bindings::IOCB_APPEND
        | bindings::IOCB_ATOMIC
        | bindings::IOCB_DIRECT as i32;

    /// What is allowed of `flags`.
    #[inline]
    pub(crate) fn of(flags: i32) -> Self {
        // INVARIANT: Masked.
        Self(flags & Self::ALLOWED)
    }

    #[inline]
    pub(crate) fn bits(self) -> i32 {
        self.0
    }

    #[inline]
    pub(crate) fn is_direct(self) -> bool {
        self.0 & bindings::IOCB_DIRECT as i32 != 0
    }

    /// Whether the file has to be asked if it can do that (`NOWAIT`, `ATOMIC`).
    #[inline]
    fn needs_ability(self) -> bool {
        self.0 & (bindings::IOCB_NOWAIT | bindings::IOCB_ATOMIC) != 0
    }

    #[inline]
    pub(crate) fn is_append(self) -> bool {
        self.0 & bindings::IOCB_APPEND != 0
    }
}

/// What opening with `flags` asks of the inode's permission method (`MAY_*`). C: `ACC_MODE()`.
#[inline]
pub(crate) fn access_mask(flags: u32) -> i32 {
    const BOTH: u32 = bindings::MAY_READ | bindings::MAY_WRITE;
    // By `O_RDONLY`, `O_WRONLY`, `O_RDWR`, and the fourth, which is for `ioctl` alone.
    const MODES: [u32; 4] = [bindings::MAY_READ, bindings::MAY_WRITE, BOTH, BOTH];
    let mut mask = bindings::MAY_OPEN | MODES[(flags & bindings::O_ACCMODE) as usize];
    if flags & bindings::O_APPEND != 0 {
        mask |= bindings::MAY_APPEND;
    }
    mask as i32
}

/// The flags that `fcntl(F_SETFL)` can change in the user file and that matter to a read below.
const SETFL_READ: u32 = bindings::O_NONBLOCK | bindings::O_DIRECT | bindings::O_NOATIME;

/// As [`SETFL_READ`], for everything else.
const SETFL: u32 = SETFL_READ | bindings::O_APPEND;

impl BackingFile {
    /// Whether the file has the abilities that `flags` need, apart from direct I/O.
    #[inline]
    pub(crate) fn can_do(&self, flags: IocbFlags) -> bool {
        if !flags.needs_ability() {
            return true;
        }
        // SAFETY: The mode does not change after open.
        let mode = unsafe { (*self.as_ptr()).f_mode };
        let can = |flag, ability| flags.0 & flag == 0 || mode & ability != 0;
        can(bindings::IOCB_NOWAIT, bindings::FMODE_NOWAIT)
            && can(bindings::IOCB_ATOMIC, bindings::FMODE_CAN_ATOMIC_WRITE)
    }

    /// Takes over what `fcntl(F_SETFL)`, or a remount, changed in the user file since.
    ///
    /// # Errors
    ///
    /// `EPERM` if the backing inode is append-only and append mode was taken away, `EINVAL` if
    /// direct I/O was asked for and is not possible.
    #[inline]
    pub(crate) fn follow_flags(&self, user: &UserFile) -> Result {
        self.follow(flags_with_mount(user), SETFL)
    }

    /// As [`BackingFile::follow_flags`], but without append mode, which no read depends on.
    #[inline]
    pub(crate) fn follow_read_flags(&self, user: &UserFile) -> Result {
        self.follow(flags_with_mount(user), SETFL_READ)
    }

    #[inline]
    fn follow(&self, flags: u32, mask: u32) -> Result {
        if (flags ^ self.flags()) & mask == 0 {
            return Ok(());
        }
        self.change_flags(flags & mask, mask)
    }

    #[cold]
    fn change_flags(&self, flags: u32, mask: u32) -> Result {
        let file = self.as_ptr();
        if (flags ^ self.flags()) & mask & bindings::O_APPEND != 0 && self.inode().is_append_only()
        {
            return Err(EPERM);
        }
        if flags & bindings::O_DIRECT != 0 && !self.can_direct() {
            return Err(EINVAL);
        }
        // It is asked about all flags, as by `fcntl`.
        if let Some(check) = self.operations().check_flags {
            // SAFETY: FFI call of the file's own method.
            kernel::error::to_result(unsafe { check((self.flags() & !mask | flags) as i32) })?;
        }
        // SAFETY: The fields are changed under `f_lock`, as `fcntl` does.
        unsafe {
            bindings::spin_lock(&raw mut (*file).f_lock);
            (*file).f_flags = ((*file).f_flags & !mask) | flags;
            (*file).f_iocb_flags = bindings::iocb_flags(file) as u32;
            bindings::spin_unlock(&raw mut (*file).f_lock);
        }
        Ok(())
    }
}

#[kunit_tests(backing_file_flags)]
mod tests {
    use super::*;

    #[test]
    fn allow_list_is_exact() {
        let passed = [
            bindings::IOCB_NOWAIT,
            bindings::IOCB_HIPRI,
            bindings::IOCB_DSYNC,
            bindings::IOCB_SYNC,
            bindings::IOCB_APPEND,
            bindings::IOCB_ATOMIC,
            bindings::IOCB_DIRECT as i32,
        ];
        for bit in (0..i32::BITS).map(|n| 1i32 << n) {
            let expected = if passed.contains(&bit) { bit } else { 0 };
            assert_eq!(IocbFlags::of(bit).bits(), expected);
        }
        assert_eq!(IocbFlags::of(!0).bits(), passed.iter().sum::<i32>());
    }

    #[test]
    fn flags_are_told_apart() {
        let flags = IocbFlags::of(bindings::IOCB_DIRECT as i32);
        assert!(flags.is_direct() && !flags.is_append());
        let flags = IocbFlags::of(bindings::IOCB_APPEND | bindings::IOCB_NOWAIT);
        assert!(flags.is_append() && !flags.is_direct());
    }

    #[test]
    fn access_follows_the_open_mode() {
        let (r, w) = (bindings::MAY_READ, bindings::MAY_WRITE);
        let cases = [
            (bindings::O_RDONLY, r),
            (bindings::O_WRONLY, w),
            (bindings::O_RDWR, r | w),
            // What open(2) takes for "check both, allow neither".
            (bindings::O_ACCMODE, r | w),
            (bindings::O_WRONLY | bindings::O_TRUNC, w),
            (
                bindings::O_WRONLY | bindings::O_APPEND,
                w | bindings::MAY_APPEND,
            ),
        ];
        for (flags, mask) in cases {
            assert_eq!(access_mask(flags), (mask | bindings::MAY_OPEN) as i32);
        }
    }
}
