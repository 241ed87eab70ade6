// SPDX-License-Identifier: GPL-2.0
/* Reading and writing one open file, each request waited for. */
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include "bench.h"

static int pipes[2];
static int out;

static int prepare_file(const struct op *op)
{
	int error = open_file(op->flags);
	long ret;

	if (error)
		return error;
	ret = (op->flags & O_ACCMODE) == O_RDONLY ? pread(fd, buffer, len, 0) : pwrite(fd, buffer, len, 0);
	if (ret == (long)len)
		return 0;
	error = errno;
	close_file();
	return error;
}

static void run_pread(void)
{
	want(pread(fd, buffer, len, 0), len);
}

static void run_pwrite(void)
{
	want(pwrite(fd, buffer, len, 0), len);
}

static int prepare_nowait(const struct op *op)
{
	struct iovec iov = { .iov_base = buffer, .iov_len = len };
	int error = prepare_file(op);

	if (error)
		return error;
	if (preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == (long)len)
		return 0;
	error = errno;
	close_file();
	return error;
}

static void run_preadv2_nowait(void)
{
	struct iovec iov = { .iov_base = buffer, .iov_len = len };

	want(preadv2(fd, &iov, 1, 0, RWF_NOWAIT), len);
}

static int prepare_pipe(const struct op *op)
{
	if (pipe(pipes))
		err(1, "pipe");
	return prepare_file(op);
}

static void finish_pipe(void)
{
	close(pipes[0]);
	close(pipes[1]);
	close_file();
}

static void fill_pipe(void)
{
	want(write(pipes[1], buffer, len), len);
}

static void drain_pipe(void)
{
	want(read(pipes[0], buffer, len), len);
}

static void run_splice_read(void)
{
	loff_t pos = 0;

	want(splice(fd, &pos, pipes[1], NULL, len, 0), len);
}

static void run_splice_write(void)
{
	loff_t pos = 0;

	want(splice(pipes[0], NULL, fd, &pos, len, 0), len);
}

static void run_sendfile_out(void)
{
	off_t pos = 0;

	want(sendfile(pipes[1], fd, &pos, len), len);
}

static int prepare_sendfile_in(const struct op *op)
{
	out = memfd_create("source", 0);
	if (out < 0 || ftruncate(out, FILE_SIZE))
		err(1, "memfd");
	want(pwrite(out, buffer, len, 0), len);
	return prepare_file(op);
}

static void finish_sendfile_in(void)
{
	close(out);
	close_file();
}

static void rewind_file(void)
{
	want(lseek(fd, 0, SEEK_SET), 0);
}

static void run_sendfile_in(void)
{
	off_t pos = 0;

	want(sendfile(fd, out, &pos, len), len);
}

#define READ .prepare = prepare_file, .run = run_pread, .finish = close_file
#define WRITE .prepare = prepare_file, .run = run_pwrite, .finish = close_file

const struct op rw_ops[] = {
	{ "pread 1", READ, .len = 1, .flags = O_RDONLY },
	{ "pread 4K", READ, .len = 4096, .flags = O_RDONLY },
	{ "pread 64K", READ, .len = 65536, .flags = O_RDONLY },
	{ "pwrite 1", WRITE, .len = 1, .flags = O_RDWR },
	{ "pwrite 4K", WRITE, .len = 4096, .flags = O_RDWR },
	{ "pwrite 64K", WRITE, .len = 65536, .flags = O_RDWR },
	{ "preadv2 NOWAIT 4K", .prepare = prepare_nowait, .run = run_preadv2_nowait, .finish = close_file,
	  .len = 4096, .flags = O_RDONLY },
	{ "pread DIRECT 4K", READ, .len = 4096, .flags = O_RDONLY | O_DIRECT },
	{ "pwrite DIRECT 4K", WRITE, .len = 4096, .flags = O_RDWR | O_DIRECT },
	{ "splice from 4K", .prepare = prepare_pipe, .run = run_splice_read, .after = drain_pipe, .finish = finish_pipe,
	  .len = 4096, .flags = O_RDONLY },
	{ "splice to 4K", .prepare = prepare_pipe, .before = fill_pipe, .run = run_splice_write, .finish = finish_pipe,
	  .len = 4096, .flags = O_RDWR },
	{ "sendfile from 4K", .prepare = prepare_pipe, .run = run_sendfile_out, .after = drain_pipe,
	  .finish = finish_pipe, .len = 4096, .flags = O_RDONLY },
	{ "sendfile to 4K", .prepare = prepare_sendfile_in, .before = rewind_file, .run = run_sendfile_in,
	  .finish = finish_sendfile_in, .len = 4096, .flags = O_RDWR },
	{}
};
