// SPDX-License-Identifier: GPL-2.0
/*
 * One C function per inline function or macro that Rust cannot call, one file
 * per header topic. The prefix is our own: the kernel exports its rust_helper_*
 * and a module may not export the same name.
 *
 * Sorted alphabetically.
 */

#include "cred.c"
#include "dcache.c"
#include "fs.c"
#include "mount.c"
#include "pipe.c"
#include "posix_acl.c"
#include "workqueue.c"
