// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the Rust symbols and the helpers of this module, so that other
 * modules can link its crates. The list is generated from the objects (Kbuild).
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
