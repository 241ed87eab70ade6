// SPDX-License-Identifier: GPL-2.0

//! What C functions return, beyond [`kernel::error`].

use kernel::prelude::*;

/// The number of bytes in what a C function returned (`ssize_t`).
///
/// # Errors
///
/// The errno, if it is one.
#[inline]
pub fn to_size(ret: isize) -> Result<usize> {
    // CAST: A negative value is an errno.
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as i32))
}
