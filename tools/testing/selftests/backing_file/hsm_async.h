/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BACKING_FILE_HSM_ASYNC_H
#define BACKING_FILE_HSM_ASYNC_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stddef.h>

/* What a system call returned, or the negative errno. */
static inline long err(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* libaio's call: IOCB_CMD_* of LEN bytes at POS; what the request returned, or the negative errno. */
long aio(int fd, int opcode, void *buf, size_t len, size_t pos);
/* io_uring: there is room for one request, and for two completions. */
long uring(const struct io_uring_sqe *sqe);
/* The same with the fields that most operations have. */
long uring_rw(int fd, int opcode, void *buf, size_t len, size_t pos, int flags);
/* Gives io_uring a buffer to keep, number 0: 0, or the negative errno. */
long uring_register(void *buf, size_t len);

#endif
