// SPDX-License-Identifier: GPL-2.0
//~ E0451: field `hooks` of struct `Verified` is private

//! Proof of a verification that never happened.

use backing_file::{
    BackingFile,
    Range,
    Verified,
    Write, //
};
use vfs::HookContext;

/// Writes unverified.
pub fn wrong(file: &BackingFile, hooks: &mut HookContext, range: Range) {
    let verified: Verified<'_, Write> = Verified {
        file,
        range,
        hooks,
        _access: core::marker::PhantomData,
    };
    drop(verified.start_write());
}
