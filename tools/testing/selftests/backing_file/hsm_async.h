/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BACKING_FILE_HSM_ASYNC_H
#define BACKING_FILE_HSM_ASYNC_H

#include <linux/io_uring.h>
#include <stddef.h>

/* libaio's call: IOCB_CMD_* of LEN bytes at POS; what the request returned, or the negative errno. */
long aio(int fd, int opcode, void *buf, size_t len, size_t pos);
/* io_uring: there is room for one request, and for two completions. */
long uring(const struct io_uring_sqe *sqe);
/* Gives io_uring a buffer to keep, number 0: 0, or the negative errno. */
long uring_register(void *buf, size_t len);

#endif
