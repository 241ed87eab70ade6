/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads: the headers whose functions and types the `bindings`
 * crate of the kernel lacks, and our helpers. Which of them become bindings is
 * listed in bindgen_parameters.
 *
 * Sorted alphabetically.
 */

#include <linux/backing-file.h>
#include <linux/exportfs.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_stack.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/splice.h>
#include <linux/statfs.h>
#include <linux/xattr.h>

#include "../../include/linux/rust_backing_file.h"
#include "../helpers/helpers.c"

/* Exported to modules, but declared in fs/internal.h. */
void backing_file_set_user_path(struct file *f, const struct path *path);

/* bindgen does not see through casts: `bindings_generated.rs` drops the prefix. */
const int RUST_CONST_HELPER_ACL_TYPE_ACCESS = ACL_TYPE_ACCESS;
const int RUST_CONST_HELPER_ACL_TYPE_DEFAULT = ACL_TYPE_DEFAULT;
const int RUST_CONST_HELPER_FALLOC_FL_KEEP_SIZE = FALLOC_FL_KEEP_SIZE;
const int RUST_CONST_HELPER_IOCB_APPEND = IOCB_APPEND;
const int RUST_CONST_HELPER_IOCB_ATOMIC = IOCB_ATOMIC;
const int RUST_CONST_HELPER_IOCB_DSYNC = IOCB_DSYNC;
const int RUST_CONST_HELPER_IOCB_HIPRI = IOCB_HIPRI;
const int RUST_CONST_HELPER_IOCB_NOWAIT = IOCB_NOWAIT;
const int RUST_CONST_HELPER_IOCB_SYNC = IOCB_SYNC;
const fmode_t RUST_CONST_HELPER_FMODE_BACKING = FMODE_BACKING;
const fmode_t RUST_CONST_HELPER_FMODE_CAN_ATOMIC_WRITE = FMODE_CAN_ATOMIC_WRITE;
const fmode_t RUST_CONST_HELPER_FMODE_CAN_ODIRECT = FMODE_CAN_ODIRECT;
const fmode_t RUST_CONST_HELPER_FMODE_READ = FMODE_READ;
const fmode_t RUST_CONST_HELPER_FMODE_CAN_WRITE = FMODE_CAN_WRITE;
const fmode_t RUST_CONST_HELPER_FMODE_EXEC = FMODE_EXEC;
const fmode_t RUST_CONST_HELPER_FMODE_NONOTIFY = FMODE_NONOTIFY;
const fmode_t RUST_CONST_HELPER_FMODE_NONOTIFY_PERM = FMODE_NONOTIFY_PERM;
const fmode_t RUST_CONST_HELPER_FMODE_PATH = FMODE_PATH;
const fmode_t RUST_CONST_HELPER_FMODE_OPENED = FMODE_OPENED;
const fmode_t RUST_CONST_HELPER_FMODE_NOWAIT = FMODE_NOWAIT;
const unsigned int RUST_CONST_HELPER_DCACHE_OP_COMPARE = DCACHE_OP_COMPARE;
const unsigned int RUST_CONST_HELPER_DCACHE_OP_HASH = DCACHE_OP_HASH;
const unsigned int RUST_CONST_HELPER_DCACHE_OP_REAL = DCACHE_OP_REAL;
const unsigned int RUST_CONST_HELPER_DCACHE_OP_REVALIDATE = DCACHE_OP_REVALIDATE;
const u32 RUST_CONST_HELPER_I_CTIME_QUERIED = I_CTIME_QUERIED;
const size_t RUST_CONST_HELPER_MAX_RW_COUNT = MAX_RW_COUNT;
const int RUST_CONST_HELPER_MNT_NOATIME = MNT_NOATIME;
const int RUST_CONST_HELPER_MNT_NODIRATIME = MNT_NODIRATIME;
const fmode_t RUST_CONST_HELPER_FMODE_WRITER = FMODE_WRITER;
const int RUST_CONST_HELPER_POSIX_FADV_WILLNEED = POSIX_FADV_WILLNEED;
const int RUST_CONST_HELPER_LOOKUP_FOLLOW = LOOKUP_FOLLOW;
const int RUST_CONST_HELPER_LOOKUP_DIRECTORY = LOOKUP_DIRECTORY;
const int RUST_CONST_HELPER_LOOKUP_RCU = LOOKUP_RCU;
const unsigned long RUST_CONST_HELPER_SB_POSIXACL = SB_POSIXACL;
const unsigned long RUST_CONST_HELPER_SB_RDONLY = SB_RDONLY;
const slab_flags_t RUST_CONST_HELPER_SLAB_HWCACHE_ALIGN = SLAB_HWCACHE_ALIGN;
