/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the operations of the hooks tests share: hsm_ops.c has the table, hsm_ops_rw.c reading and writing,
 * hsm_ops_move.c pipes and two files, hsm_ops_space.c size and space.
 */
#ifndef BACKING_FILE_HSM_OPS_H
#define BACKING_FILE_HSM_OPS_H

#include "hsm.h"
#include "hsm_async.h"

/* How an operation is done: see struct op. */
typedef long run_fn(struct job *job, int fd, int to);

/* hsm_ops.c */

/* The bytes that operations write, and room for those they read: aligned for direct I/O. */
extern unsigned char *out, *in;

/* What was read into "in". */
long keep(struct job *job, long ret);
/* The name of a. */
const char *path_of(struct job *job);

/* hsm_ops_rw.c */

run_fn run_read, run_pread, run_preadv2, run_read_direct, run_write, run_pwrite, run_pwritev2, run_write_direct,
	run_rwf_append, run_aio_read, run_aio_write, run_aio_read_direct, run_aio_write_direct, run_uring_read,
	run_uring_write, run_uring_read_worker, run_uring_write_worker, run_uring_read_direct, run_uring_write_direct,
	run_willneed, run_willneed_all, run_readahead, run_uring_willneed, run_no_content, run_mmap;

/* hsm_ops_move.c */

run_fn run_splice_out, run_splice_in, run_uring_splice_out, run_uring_splice_in, run_sendfile_pipe, run_sendfile_out,
	run_sendfile_out_big, run_sendfile_in, run_sendfile_in_big, run_copy, run_copy_blocks, run_sendfile_both,
	run_clone, run_clone_range, run_dedupe;

/* hsm_ops_space.c */

run_fn run_fallocate, run_punch, run_zero, run_collapse, run_insert, run_truncate, run_ftruncate, run_extend,
	run_uring_fallocate, run_uring_ftruncate, run_open_trunc, run_uring_open_trunc;

#endif
