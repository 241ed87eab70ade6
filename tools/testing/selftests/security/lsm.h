/* SPDX-License-Identifier: GPL-2.0 */
/* What lsm_test.c and its programs in the kernel (lsm.bpf.c) share. */
#ifndef LSM_H
#define LSM_H

#include <linux/types.h>

/*
 * One file is looked at: that with the number @ino on the filesystem @dev, a dev_t as the kernel has it.
 *
 * @deny:	whether the hooks say EACCES of it
 * @reads, @writes: how often file_permission was asked
 * @maps:	how often mmap_backing_file was asked
 * @uid:	of whoever was acting at the last question
 * @map_is_backing: the mapping's file was this one already, when mmap_backing_file was asked last
 */
struct lsm_state {
	__u64 ino;
	__u32 dev;
	__u32 deny;
	__u32 reads;
	__u32 writes;
	__u32 maps;
	__u32 uid;
	__u32 map_is_backing;
};

#endif
