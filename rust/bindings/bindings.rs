// SPDX-License-Identifier: GPL-2.0

//! C bindings: those of the kernel crate and, beside them, what it lacks.
//!
//! A name defined here shadows the same name of [`kernel::bindings`], so a later kernel may add
//! it without a change here. Only the crates of this module may use bindings; a filesystem built
//! on them never needs to.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

pub use generated::*;

mod generated {
    include!(concat!(
        env!("BACKING_FILE_OBJ"),
        "/rust/bindings/bindings_generated.rs"
    ));
}
