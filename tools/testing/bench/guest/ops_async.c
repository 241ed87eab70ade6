// SPDX-License-Identifier: GPL-2.0
/* Many requests at once: libaio and io_uring. */
#include <libaio.h>
#include <liburing.h>
#include "bench.h"

#define DEPTH 32

static io_context_t context;
static struct iocb iocbs[DEPTH], *list[DEPTH];
static struct io_event events[DEPTH];
static struct io_uring ring;

static int prepare_aio(const struct op *op)
{
	int error = open_file(op->flags), i;

	if (error)
		return error;
	context = NULL;
	error = -io_setup(DEPTH, &context);
	if (error)
		return error;
	for (i = 0; i < DEPTH; i++) {
		if ((op->flags & O_ACCMODE) == O_RDONLY)
			io_prep_pread(&iocbs[i], fd, buffer + i * len, len, i * len);
		else
			io_prep_pwrite(&iocbs[i], fd, buffer + i * len, len, i * len);
		list[i] = &iocbs[i];
	}
	return 0;
}

static void run_aio(void)
{
	want(io_submit(context, DEPTH, list), DEPTH);
	want(io_getevents(context, DEPTH, DEPTH, events, NULL), DEPTH);
	want(events[DEPTH - 1].res, len);
}

static void finish_aio(void)
{
	io_destroy(context);
	close_file();
}

static int prepare_uring(const struct op *op)
{
	int error = open_file(op->flags);
	unsigned int workers[] = { 1, 1 };
	cpu_set_t set;

	if (error)
		return error;
	error = -io_uring_queue_init(DEPTH, &ring, 0);
	if (error)
		return error;
	/* A worker is part of the cost: it is to run where we count, and there is one, so that boots agree. */
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	error = -io_uring_register_iowq_max_workers(&ring, workers);
	return error ?: -io_uring_register_iowq_aff(&ring, sizeof(set), &set);
}

static void run_uring(bool write)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;
	int i;

	for (i = 0; i < DEPTH; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (write)
			io_uring_prep_write(sqe, fd, buffer + i * len, len, i * len);
		else
			io_uring_prep_read(sqe, fd, buffer + i * len, len, i * len);
	}
	want(io_uring_submit_and_wait(&ring, DEPTH), DEPTH);
	io_uring_for_each_cqe(&ring, head, cqe) {
		errno = -cqe->res;
		want(cqe->res, len);
		seen++;
	}
	want(seen, DEPTH);
	io_uring_cq_advance(&ring, seen);
}

static void run_uring_read(void)
{
	run_uring(false);
}

static void run_uring_write(void)
{
	run_uring(true);
}

static void finish_uring(void)
{
	io_uring_queue_exit(&ring);
	close_file();
}

#define AIO .requests = DEPTH, .prepare = prepare_aio, .run = run_aio, .finish = finish_aio
#define URING .requests = DEPTH, .prepare = prepare_uring, .finish = finish_uring

const struct op async_ops[] = {
	{ "libaio read 4K", AIO, .len = 4096, .flags = O_RDONLY },
	{ "libaio write 4K", AIO, .len = 4096, .flags = O_RDWR },
	{ "libaio read DIRECT 4K", AIO, .len = 4096, .flags = O_RDONLY | O_DIRECT },
	{ "libaio write DIRECT 4K", AIO, .len = 4096, .flags = O_RDWR | O_DIRECT },
	{ "io_uring read 4K", URING, .run = run_uring_read, .len = 4096, .flags = O_RDONLY },
	{ "io_uring write 4K", URING, .run = run_uring_write, .len = 4096, .flags = O_RDWR },
	{ "io_uring read DIRECT 4K", URING, .run = run_uring_read, .len = 4096, .flags = O_RDONLY | O_DIRECT },
	{ "io_uring write DIRECT 4K", URING, .run = run_uring_write, .len = 4096, .flags = O_RDWR | O_DIRECT },
	{}
};
