// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the hooks tests, those that change a file's size and space.
 */
#include <linux/falloc.h>
#include <unistd.h>
#include "hsm_ops.h"

long run_fallocate(struct job *job, int fd, int to)
{
	return err(fallocate(fd, 0, SIZE, LEN));
}

long run_punch(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFF, LEN));
}

long run_zero(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_ZERO_RANGE, OFF, LEN));
}

long run_collapse(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, AT, SPAN));
}

long run_insert(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_INSERT_RANGE, AT, SPAN));
}

long run_truncate(struct job *job, int fd, int to)
{
	return err(truncate(path_of(job), OFF));
}

long run_ftruncate(struct job *job, int fd, int to)
{
	return err(ftruncate(fd, OFF));
}

long run_extend(struct job *job, int fd, int to)
{
	return err(ftruncate(fd, SIZE + PG));
}

long run_uring_fallocate(struct job *job, int fd, int to)
{
	/* The operation's own choice of fields: the length is in addr, the mode in len. */
	return uring_rw(fd, IORING_OP_FALLOCATE, (void *)LEN, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFF, 0);
}

long run_uring_ftruncate(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_FTRUNCATE, NULL, 0, OFF, 0);
}

static long opened(long fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

long run_open_trunc(struct job *job, int fd, int to)
{
	return opened(err(open(path_of(job), O_WRONLY | O_TRUNC)));
}

long run_uring_open_trunc(struct job *job, int fd, int to)
{
	return opened(uring(&(struct io_uring_sqe){
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path_of(job),
		.open_flags = O_WRONLY | O_TRUNC,
	}));
}
