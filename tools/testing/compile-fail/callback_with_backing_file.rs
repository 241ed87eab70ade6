// SPDX-License-Identifier: GPL-2.0
//~ E0308: expected `&UserFile`, found `&BackingFile`

//! The wrong file in a callback: a bug of 2024 in C.

use backing_file::{
    BackingFile,
    Callbacks, //
};

/// Tells of an access.
pub fn wrong<C: Callbacks>(backing: &BackingFile) {
    C::accessed(backing, backing);
}
