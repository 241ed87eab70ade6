// SPDX-License-Identifier: GPL-2.0

//! What C functions return, beyond [`kernel::error`].

use crate::bindings;
use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// As [`kernel::error::to_result`], but the usual case costs no call.
#[inline]
pub fn to_result(err: c_int) -> Result {
    if err == 0 {
        return Ok(());
    }
    kernel::error::to_result(err)
}

/// As [`kernel::error::from_err_ptr`], but the usual case costs no call.
#[inline]
pub fn from_err_ptr<T>(ptr: *mut T) -> Result<*mut T> {
    // CAST: The last page of addresses holds errnos, by their negative values.
    if ptr as usize >= -(bindings::MAX_ERRNO as isize) as usize {
        return kernel::error::from_err_ptr(ptr);
    }
    Ok(ptr)
}

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

#[kunit_tests(vfs_error)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_errors() {
        assert_eq!(to_size(0), Ok(0));
        assert_eq!(to_size(isize::MAX), Ok(isize::MAX as usize));
        assert_eq!(to_size(EIOCBQUEUED.to_errno() as isize), Err(EIOCBQUEUED));
        assert_eq!(to_size(-1), Err(EPERM));
        assert_eq!(to_size(EIO.to_errno() as isize), Err(EIO));
    }
}
