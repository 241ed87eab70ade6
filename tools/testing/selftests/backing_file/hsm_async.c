// SPDX-License-Identifier: GPL-2.0
/*
 * One asynchronous request with the system calls themselves, and the wait for its completion.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hsm_async.h"

long aio(int fd, int opcode, void *buf, size_t len, size_t pos)
{
	struct iocb iocb = {
		.aio_fildes = fd,
		.aio_lio_opcode = opcode,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = pos,
	}, *list = &iocb;
	struct io_event event = {};
	aio_context_t ctx = 0;
	long ret;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -errno;
	ret = err(syscall(SYS_io_submit, ctx, 1, &list));
	if (ret == 1) {
		ret = err(syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL));
		if (ret == 1)
			ret = event.res;
	}
	syscall(SYS_io_destroy, ctx);
	return ret;
}

/* The worker's ring. It stays open: taking one down interrupts system calls, which then raise their events again. */
static struct {
	int fd;
	unsigned int *sq_tail, *cq_head;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static int ring_setup(void)
{
	struct io_uring_params p = {};
	size_t size, cq_size;
	unsigned char *mem;

	if (ring.fd)
		return 0;
	ring.fd = syscall(SYS_io_uring_setup, 1, &p);
	if (ring.fd < 0)
		return -errno;
	size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	if (cq_size > size)
		size = cq_size;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, p.sq_entries * sizeof(*ring.sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 ring.fd, IORING_OFF_SQES);
	if (mem == MAP_FAILED || ring.sqes == MAP_FAILED)
		return -ENOMEM;
	*(unsigned int *)(mem + p.sq_off.array) = 0;
	ring.sq_tail = (unsigned int *)(mem + p.sq_off.tail);
	ring.cq_head = (unsigned int *)(mem + p.cq_off.head);
	ring.cqes = (struct io_uring_cqe *)(mem + p.cq_off.cqes);
	return 0;
}

long uring(const struct io_uring_sqe *sqe)
{
	long ret = ring_setup();

	if (ret)
		return ret;
	ring.sqes[0] = *sqe;
	__atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
	ret = err(syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	if (ret == 1) {
		ret = ring.cqes[*ring.cq_head % 2].res;
		__atomic_store_n(ring.cq_head, *ring.cq_head + 1, __ATOMIC_RELEASE);
	}
	return ret;
}

long uring_rw(int fd, int opcode, void *buf, size_t len, size_t pos, int flags)
{
	return uring(&(struct io_uring_sqe){
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)buf,
		.len = len,
		.off = pos,
		.flags = flags,
	});
}

long uring_register(void *buf, size_t len)
{
	struct iovec v = { buf, len };
	long ret = ring_setup();

	if (ret)
		return ret;
	return err(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &v, 1));
}
