// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the hooks tests, those that move content: to and from pipes and other files, and between the two.
 */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "hsm_ops.h"

/* Pipes and sockets */

static long drain(struct job *job, int fd, long want)
{
	long n, got = 0;

	while (got < want) {
		n = read(fd, in + got, want - got);
		if (n <= 0)
			break;
		got += n;
	}
	return keep(job, got);
}

/* Moves LEN bytes between positions; -1 is a pipe's. */
typedef long (*splice_fn)(int from, loff_t at, int to, loff_t pos);

static long with_call(int from, loff_t at, int to, loff_t pos)
{
	return err(splice(from, at < 0 ? NULL : &at, to, pos < 0 ? NULL : &pos, LEN, 0));
}

static long with_uring(int from, loff_t at, int to, loff_t pos)
{
	return uring(&(struct io_uring_sqe){
		.opcode = IORING_OP_SPLICE,
		.splice_fd_in = from,
		.splice_off_in = at,
		.fd = to,
		.off = pos,
		.len = LEN,
	});
}

static long splice_out(struct job *job, int fd, splice_fn how)
{
	int p[2];
	long ret;

	if (pipe(p))
		return -errno;
	ret = how(fd, OFF, p[1], -1);
	if (ret > 0)
		drain(job, p[0], ret);
	close(p[0]);
	close(p[1]);
	return ret;
}

static long splice_in(int fd, splice_fn how)
{
	int p[2];
	long ret;

	if (pipe(p))
		return -errno;
	if (write(p[1], out, LEN) != LEN)
		return -EPIPE;
	ret = how(p[0], -1, fd, OFF);
	close(p[0]);
	close(p[1]);
	return ret;
}

long run_splice_out(struct job *job, int fd, int to)
{
	return splice_out(job, fd, with_call);
}

long run_splice_in(struct job *job, int fd, int to)
{
	return splice_in(fd, with_call);
}

long run_uring_splice_out(struct job *job, int fd, int to)
{
	return splice_out(job, fd, with_uring);
}

long run_uring_splice_in(struct job *job, int fd, int to)
{
	return splice_in(fd, with_uring);
}

/* A file on tmpfs, that no storage manager can watch. */
static int memory_file(size_t len)
{
	int fd = memfd_create("hooks", 0);

	if (fd >= 0 && len && pwrite(fd, out, len, 0) != (ssize_t)len)
		return -1;
	return fd;
}

long run_sendfile_pipe(struct job *job, int fd, int to)
{
	off_t pos = OFF;
	int p[2];
	long ret;

	if (pipe(p))
		return -errno;
	ret = err(sendfile(p[1], fd, &pos, LEN));
	if (ret > 0)
		drain(job, p[0], ret);
	close(p[0]);
	close(p[1]);
	return ret;
}

static long sendfile_out(struct job *job, int fd, size_t len, size_t from)
{
	off_t pos = from;
	int mem = memory_file(0);
	long ret = err(sendfile(mem, fd, &pos, len));

	if (ret > 0) {
		lseek(mem, 0, SEEK_SET);
		drain(job, mem, ret);
	}
	close(mem);
	return ret;
}

long run_sendfile_out(struct job *job, int fd, int to)
{
	return sendfile_out(job, fd, LEN, OFF);
}

long run_sendfile_out_big(struct job *job, int fd, int to)
{
	return sendfile_out(job, fd, BIG, PG);
}

static long sendfile_in(int fd, size_t len)
{
	off_t pos = 0;
	int mem = memory_file(len);
	long ret = err(sendfile(fd, mem, &pos, len));

	close(mem);
	return ret;
}

long run_sendfile_in(struct job *job, int fd, int to)
{
	return sendfile_in(fd, LEN);
}

long run_sendfile_in_big(struct job *job, int fd, int to)
{
	return sendfile_in(fd, BIG);
}

/* Two files */

long run_copy(struct job *job, int fd, int to)
{
	off_t from_pos = OFF, to_pos = PG + 7;

	return err(copy_file_range(fd, &from_pos, to, &to_pos, LEN, 0));
}

long run_copy_blocks(struct job *job, int fd, int to)
{
	off_t from_pos = AT, to_pos = 2 * PG;

	return err(copy_file_range(fd, &from_pos, to, &to_pos, SPAN, 0));
}

long run_sendfile_both(struct job *job, int fd, int to)
{
	off_t pos = OFF;

	return err(sendfile(to, fd, &pos, LEN));
}

long run_clone(struct job *job, int fd, int to)
{
	return err(ioctl(to, FICLONE, fd));
}

long run_clone_range(struct job *job, int fd, int to)
{
	struct file_clone_range arg = { .src_fd = fd, .src_offset = AT, .src_length = SPAN, .dest_offset = 2 * PG };

	return err(ioctl(to, FICLONERANGE, &arg));
}

long run_dedupe(struct job *job, int fd, int to)
{
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} arg = {
		.head = { .src_offset = AT, .src_length = SPAN, .dest_count = 1 },
		.info = { .dest_fd = to, .dest_offset = AT },
	};
	long ret = err(ioctl(fd, FIDEDUPERANGE, &arg));

	if (ret)
		return ret;
	return arg.info.status ? arg.info.status : (long)arg.info.bytes_deduped;
}
