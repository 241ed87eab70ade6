// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the hooks tests: how each is done, what it has to do to the files, which events it has to raise.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hsm.h"
#include "hsm_async.h"

#define MEM (32 * PG)

/* Dedupe finds these bytes equal in both files. */
#define SAME(i) ((i) >= AT && (i) < AT + SPAN)

unsigned char data(int file, size_t i)
{
	if (SAME(i))
		file = A;
	return 1 + (i * 7 + i / 251 + file * 101) % 255;
}

unsigned char fresh(size_t i)
{
	return 1 + (i * 11 + i / 241 + 77) % 255;
}

/* The bytes that operations write, and room for those they read: aligned for direct I/O. */
static unsigned char *out, *in;

static long err(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* What was read into "in". */
static long keep(struct job *job, long ret)
{
	if (ret > 0) {
		memcpy(job->buf, in, ret);
		job->got = ret;
	}
	return ret;
}

/* Reading and writing */

static long run_read(struct job *job, int fd, int to)
{
	return keep(job, err(read(fd, in, LEN)));
}

static long run_pread(struct job *job, int fd, int to)
{
	return keep(job, err(pread(fd, in, LEN, OFF)));
}

static long run_preadv2(struct job *job, int fd, int to)
{
	struct iovec iov[2] = { { in, 1000 }, { in + 1000, LEN - 1000 } };

	return keep(job, err(preadv2(fd, iov, 2, OFF, RWF_HIPRI)));
}

static long run_read_direct(struct job *job, int fd, int to)
{
	return keep(job, err(pread(fd, in, SPAN, AT)));
}

static long run_write(struct job *job, int fd, int to)
{
	return err(write(fd, out, LEN));
}

static long run_pwrite(struct job *job, int fd, int to)
{
	return err(pwrite(fd, out, LEN, OFF));
}

static long run_pwritev2(struct job *job, int fd, int to)
{
	struct iovec iov[2] = { { out, 1000 }, { out + 1000, LEN - 1000 } };

	return err(pwritev2(fd, iov, 2, OFF, RWF_DSYNC));
}

static long run_write_direct(struct job *job, int fd, int to)
{
	return err(pwrite(fd, out, SPAN, AT));
}

static long run_rwf_append(struct job *job, int fd, int to)
{
	struct iovec iov = { out, LEN };

	return err(pwritev2(fd, &iov, 1, OFF, RWF_APPEND));
}

/* Asynchronously */

static long run_aio_read(struct job *job, int fd, int to)
{
	return keep(job, aio(fd, IOCB_CMD_PREAD, in, LEN, OFF));
}

static long run_aio_write(struct job *job, int fd, int to)
{
	return aio(fd, IOCB_CMD_PWRITE, out, LEN, OFF);
}

static long run_aio_read_direct(struct job *job, int fd, int to)
{
	return keep(job, aio(fd, IOCB_CMD_PREAD, in, SPAN, AT));
}

static long run_aio_write_direct(struct job *job, int fd, int to)
{
	return aio(fd, IOCB_CMD_PWRITE, out, SPAN, AT);
}

static long uring_rw(int fd, int opcode, void *buf, size_t len, size_t pos, int flags)
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

static long run_uring_read(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, LEN, OFF, 0));
}

static long run_uring_write(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, LEN, OFF, 0);
}

static long run_uring_read_worker(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, LEN, OFF, IOSQE_ASYNC));
}

static long run_uring_write_worker(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, LEN, OFF, IOSQE_ASYNC);
}

static long run_uring_read_direct(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, SPAN, AT, 0));
}

static long run_uring_write_direct(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, SPAN, AT, 0);
}

static long run_uring_fallocate(struct job *job, int fd, int to)
{
	/* The operation's own choice of fields: the length is in addr, the mode in len. */
	return uring_rw(fd, IORING_OP_FALLOCATE, (void *)LEN, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFF, 0);
}

static long run_uring_ftruncate(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_FTRUNCATE, NULL, 0, OFF, 0);
}

static long run_uring_willneed(struct job *job, int fd, int to)
{
	return uring(&(struct io_uring_sqe){
		.opcode = IORING_OP_FADVISE,
		.fd = fd,
		.off = OFF,
		.len = LEN,
		.fadvise_advice = POSIX_FADV_WILLNEED,
	});
}

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

static long run_splice_out(struct job *job, int fd, int to)
{
	return splice_out(job, fd, with_call);
}

static long run_splice_in(struct job *job, int fd, int to)
{
	return splice_in(fd, with_call);
}

static long run_uring_splice_out(struct job *job, int fd, int to)
{
	return splice_out(job, fd, with_uring);
}

static long run_uring_splice_in(struct job *job, int fd, int to)
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

static long run_sendfile_pipe(struct job *job, int fd, int to)
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

static long run_sendfile_out(struct job *job, int fd, int to)
{
	return sendfile_out(job, fd, LEN, OFF);
}

static long run_sendfile_out_big(struct job *job, int fd, int to)
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

static long run_sendfile_in(struct job *job, int fd, int to)
{
	return sendfile_in(fd, LEN);
}

static long run_sendfile_in_big(struct job *job, int fd, int to)
{
	return sendfile_in(fd, BIG);
}

/* Size and space */

static long run_fallocate(struct job *job, int fd, int to)
{
	return err(fallocate(fd, 0, SIZE, LEN));
}

static long run_punch(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OFF, LEN));
}

static long run_zero(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_ZERO_RANGE, OFF, LEN));
}

static long run_collapse(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, AT, SPAN));
}

static long run_insert(struct job *job, int fd, int to)
{
	return err(fallocate(fd, FALLOC_FL_INSERT_RANGE, AT, SPAN));
}

static const char *path_of(struct job *job)
{
	static char path[PATH_MAX + 4];

	snprintf(path, sizeof(path), "%s/a", job->dir);
	return path;
}

static long run_truncate(struct job *job, int fd, int to)
{
	return err(truncate(path_of(job), OFF));
}

static long run_ftruncate(struct job *job, int fd, int to)
{
	return err(ftruncate(fd, OFF));
}

static long run_extend(struct job *job, int fd, int to)
{
	return err(ftruncate(fd, SIZE + PG));
}

static long opened(long fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static long run_open_trunc(struct job *job, int fd, int to)
{
	return opened(err(open(path_of(job), O_WRONLY | O_TRUNC)));
}

static long run_uring_open_trunc(struct job *job, int fd, int to)
{
	return opened(uring(&(struct io_uring_sqe){
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path_of(job),
		.open_flags = O_WRONLY | O_TRUNC,
	}));
}

/* Two files */

static long run_copy(struct job *job, int fd, int to)
{
	off_t from_pos = OFF, to_pos = PG + 7;

	return err(copy_file_range(fd, &from_pos, to, &to_pos, LEN, 0));
}

static long run_copy_blocks(struct job *job, int fd, int to)
{
	off_t from_pos = AT, to_pos = 2 * PG;

	return err(copy_file_range(fd, &from_pos, to, &to_pos, SPAN, 0));
}

static long run_sendfile_both(struct job *job, int fd, int to)
{
	off_t pos = OFF;

	return err(sendfile(to, fd, &pos, LEN));
}

static long run_clone(struct job *job, int fd, int to)
{
	return err(ioctl(to, FICLONE, fd));
}

static long run_clone_range(struct job *job, int fd, int to)
{
	struct file_clone_range arg = { .src_fd = fd, .src_offset = AT, .src_length = SPAN, .dest_offset = 2 * PG };

	return err(ioctl(to, FICLONERANGE, &arg));
}

static long run_dedupe(struct job *job, int fd, int to)
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

/* Reading ahead, and what touches no content */

static long run_willneed(struct job *job, int fd, int to)
{
	return -posix_fadvise(fd, OFF, LEN, POSIX_FADV_WILLNEED);
}

static long run_willneed_all(struct job *job, int fd, int to)
{
	return -posix_fadvise(fd, OFF, 0, POSIX_FADV_WILLNEED);
}

static long run_readahead(struct job *job, int fd, int to)
{
	return err(readahead(fd, OFF, LEN));
}

static long run_no_content(struct job *job, int fd, int to)
{
	struct stat st;

	if (lseek(fd, 0, SEEK_DATA) < 0 || lseek(fd, 0, SEEK_END) < 0 || fstat(fd, &st) || fsync(fd) ||
	    fchmod(fd, 0640) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		return -errno;
	return lseek(fd, 0, SEEK_SET);
}

static sigjmp_buf closed;

static void on_bus(int sig)
{
	siglongjmp(closed, 1);
}

static long run_mmap(struct job *job, int fd, int to)
{
	unsigned char *map = mmap(NULL, SPAN, PROT_READ, MAP_SHARED, fd, AT);
	long ret = 0;

	if (map == MAP_FAILED)
		return -errno;
	signal(SIGBUS, on_bus);
	if (sigsetjmp(closed, 1)) {
		ret = -EFAULT;
	} else {
		memcpy(in, map, SPAN);
		keep(job, SPAN);
	}
	signal(SIGBUS, SIG_DFL);
	munmap(map, SPAN);
	return ret;
}

/* What these have to do */

static void reads(struct model *m, size_t pos, size_t len)
{
	memcpy(m->buf, m->file[A] + pos, len);
	m->got = len;
	m->ret = len;
}

static void writes(struct model *m, size_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		m->file[A][pos + i] = fresh(i);
	if (m->size[A] < pos + len)
		m->size[A] = pos + len;
	m->ret = len;
}

static void resizes(struct model *m, size_t size)
{
	if (size < m->size[A])
		memset(m->file[A] + size, 0, m->size[A] - size);
	m->size[A] = size;
	m->ret = 0;
}

static void copies(struct model *m, size_t from, size_t to, size_t len)
{
	memcpy(m->file[B] + to, m->file[A] + from, len);
}

static void reads_on(struct model *m)
{
	reads(m, OFF, LEN);
	m->pos = OFF + LEN;
}

static void reads_there(struct model *m)
{
	reads(m, OFF, LEN);
}

static void reads_aligned(struct model *m)
{
	reads(m, AT, SPAN);
}

static void reads_big(struct model *m)
{
	reads(m, PG, BIG);
}

static void maps(struct model *m)
{
	reads(m, AT, SPAN);
	m->ret = 0;
}

static void writes_on(struct model *m)
{
	writes(m, OFF, LEN);
	m->pos = OFF + LEN;
}

static void writes_there(struct model *m)
{
	writes(m, OFF, LEN);
}

static void writes_aligned(struct model *m)
{
	writes(m, AT, SPAN);
}

static void writes_big(struct model *m)
{
	writes(m, PG, BIG);
	m->pos = PG + BIG;
}

static void appends(struct model *m)
{
	writes(m, SIZE, LEN);
}

static void appends_on(struct model *m)
{
	writes(m, SIZE, LEN);
	m->pos = SIZE + LEN;
}

static void allocates(struct model *m)
{
	resizes(m, SIZE + LEN);
}

static void zeroes(struct model *m)
{
	memset(m->file[A] + OFF, 0, LEN);
	m->ret = 0;
}

static void collapses(struct model *m)
{
	memmove(m->file[A] + AT, m->file[A] + AT + SPAN, SIZE - AT - SPAN);
	resizes(m, SIZE - SPAN);
}

static void inserts(struct model *m)
{
	memmove(m->file[A] + AT + SPAN, m->file[A] + AT, SIZE - AT);
	memset(m->file[A] + AT, 0, SPAN);
	m->size[A] = SIZE + SPAN;
	m->ret = 0;
}

static void truncates(struct model *m)
{
	resizes(m, OFF);
}

static void extends(struct model *m)
{
	resizes(m, SIZE + PG);
}

static void empties(struct model *m)
{
	resizes(m, 0);
}

static void copies_there(struct model *m)
{
	copies(m, OFF, PG + 7, LEN);
	m->ret = LEN;
}

static void copies_blocks(struct model *m)
{
	copies(m, AT, 2 * PG, SPAN);
	m->ret = SPAN;
}

static void sends(struct model *m)
{
	copies(m, OFF, 0, LEN);
	m->ret = LEN;
}

static void clones(struct model *m)
{
	copies(m, 0, 0, SIZE);
	m->ret = 0;
}

static void clones_there(struct model *m)
{
	copies(m, AT, 2 * PG, SPAN);
	m->ret = 0;
}

static void dedupes(struct model *m)
{
	m->ret = SPAN;
}

static void nothing(struct model *m)
{
	m->ret = 0;
}

#define THERE { { A, OFF, LEN } }
#define ALIGNED { { A, AT, SPAN } }
#define NOWHERE { { 0 } }

/* Name, flags of open, flags, position; how it is done, what it does; events directly, and here if they differ. */
const struct op ops[] = {
	{ "read", O_RDONLY, 0, OFF, run_read, reads_on, THERE },
	{ "pread", O_RDONLY, 0, 0, run_pread, reads_there, THERE },
	{ "preadv2", O_RDONLY, 0, 0, run_preadv2, reads_there, THERE },
	{ "pread O_DIRECT", O_RDONLY | O_DIRECT, 0, 0, run_read_direct, reads_aligned, ALIGNED },
	{ "write", O_WRONLY, 0, OFF, run_write, writes_on, THERE },
	{ "pwrite", O_RDWR, 0, 0, run_pwrite, writes_there, THERE },
	{ "pwritev2 RWF_DSYNC", O_WRONLY, 0, 0, run_pwritev2, writes_there, THERE },
	{ "pwrite O_DIRECT", O_WRONLY | O_DIRECT, 0, 0, run_write_direct, writes_aligned, ALIGNED },
	{ "write O_APPEND", O_WRONLY | O_APPEND, OP_DIFFERS, OFF, run_write, appends_on, THERE, { { A, SIZE, LEN } } },
	{ "pwritev2 RWF_APPEND", O_WRONLY, OP_DIFFERS, 0, run_rwf_append, appends, THERE, { { A, SIZE, LEN } } },
	{ "libaio read", O_RDONLY, 0, 0, run_aio_read, reads_there, THERE },
	{ "libaio write", O_WRONLY, 0, 0, run_aio_write, writes_there, THERE },
	{ "libaio read O_DIRECT", O_RDONLY | O_DIRECT, 0, 0, run_aio_read_direct, reads_aligned, ALIGNED },
	{ "libaio write O_DIRECT", O_WRONLY | O_DIRECT, 0, 0, run_aio_write_direct, writes_aligned, ALIGNED },
	{ "io_uring read", O_RDONLY, OP_REPEAT, 0, run_uring_read, reads_there, THERE },
	{ "io_uring write", O_WRONLY, OP_REPEAT, 0, run_uring_write, writes_there, THERE },
	{ "io_uring read IOSQE_ASYNC", O_RDONLY, 0, 0, run_uring_read_worker, reads_there, THERE },
	{ "io_uring write IOSQE_ASYNC", O_WRONLY, 0, 0, run_uring_write_worker, writes_there, THERE },
	{ "io_uring read O_DIRECT", O_RDONLY | O_DIRECT, OP_REPEAT, 0, run_uring_read_direct, reads_aligned, ALIGNED },
	{ "io_uring write O_DIRECT", O_WRONLY | O_DIRECT, OP_REPEAT, 0, run_uring_write_direct, writes_aligned,
	  ALIGNED },
	{ "io_uring fallocate", O_WRONLY, 0, 0, run_uring_fallocate, zeroes, THERE },
	{ "io_uring ftruncate", O_WRONLY, 0, 0, run_uring_ftruncate, truncates, { { A, OFF, 0 } } },
	{ "io_uring open O_TRUNC", 0, OP_PATH | OP_DIFFERS, 0, run_uring_open_trunc, empties,
	  NOWHERE, { { A, 0, 0 } } },
	{ "io_uring fadvise WILLNEED", O_RDONLY, OP_DIFFERS, 0, run_uring_willneed, nothing, NOWHERE, THERE },
	{ "io_uring splice to a pipe", O_RDONLY, 0, 0, run_uring_splice_out, reads_there, THERE },
	{ "io_uring splice from a pipe", O_WRONLY, 0, 0, run_uring_splice_in, writes_there, THERE },
	{ "splice to a pipe", O_RDONLY, 0, 0, run_splice_out, reads_there, THERE },
	{ "splice from a pipe", O_WRONLY, 0, 0, run_splice_in, writes_there, THERE },
	{ "sendfile to a pipe", O_RDONLY, 0, 0, run_sendfile_pipe, reads_there, THERE },
	{ "sendfile to a file", O_RDONLY, 0, 0, run_sendfile_out, reads_there, THERE },
	{ "sendfile to a file, 80 KiB", O_RDONLY, OP_SPLIT, 0, run_sendfile_out_big, reads_big, { { A, PG, BIG } } },
	{ "sendfile into it", O_WRONLY, 0, OFF, run_sendfile_in, writes_on, THERE },
	{ "sendfile into it, 80 KiB", O_WRONLY, OP_SPLIT, PG, run_sendfile_in_big, writes_big, { { A, PG, BIG } } },
	{ "sendfile from a to b", O_RDONLY, OP_TWO, 0, run_sendfile_both, sends, { { A, OFF, LEN }, { B, 0, LEN } } },
	{ "fallocate", O_WRONLY, 0, 0, run_fallocate, allocates, { { A, SIZE, LEN } } },
	{ "fallocate PUNCH_HOLE", O_WRONLY, 0, 0, run_punch, zeroes, THERE },
	{ "fallocate ZERO_RANGE", O_WRONLY, 0, 0, run_zero, zeroes, THERE },
	{ "fallocate COLLAPSE_RANGE", O_RDWR, 0, 0, run_collapse, collapses, ALIGNED },
	{ "fallocate INSERT_RANGE", O_RDWR, 0, 0, run_insert, inserts, ALIGNED },
	{ "truncate", 0, OP_PATH, 0, run_truncate, truncates, { { A, OFF, 0 } } },
	{ "ftruncate", O_WRONLY, 0, 0, run_ftruncate, truncates, { { A, OFF, 0 } } },
	{ "ftruncate to extend", O_WRONLY, 0, 0, run_extend, extends, { { A, SIZE + PG, 0 } } },
	{ "open O_TRUNC", 0, OP_PATH | OP_DIFFERS, 0, run_open_trunc, empties, NOWHERE, { { A, 0, 0 } } },
	{ "copy_file_range", O_RDONLY, OP_TWO, 0, run_copy, copies_there, { { A, OFF, LEN }, { B, PG + 7, LEN } } },
	{ "copy_file_range of whole blocks", O_RDONLY, OP_TWO, 0, run_copy_blocks, copies_blocks,
	  { { A, AT, SPAN }, { B, 2 * PG, SPAN } } },
	{ "FICLONE", O_RDONLY, OP_TWO, 0, run_clone, clones, { { A, 0, 0 }, { B, 0, 0 } } },
	{ "FICLONERANGE", O_RDONLY, OP_TWO, 0, run_clone_range, clones_there,
	  { { A, AT, SPAN }, { B, 2 * PG, SPAN } } },
	/* The kernel looks at the source once for the call and once for the destination. */
	{ "FIDEDUPERANGE", O_RDWR, OP_TWO | OP_DIFFERS, 0, run_dedupe, dedupes,
	  { { A, AT, SPAN }, { A, AT, SPAN }, { B, AT, SPAN } }, { { A, AT, SPAN }, { B, AT, SPAN } } },
	{ "posix_fadvise WILLNEED", O_RDONLY, OP_DIFFERS, 0, run_willneed, nothing, NOWHERE, THERE },
	{ "posix_fadvise WILLNEED to the end", O_RDONLY, OP_DIFFERS, 0, run_willneed_all, nothing, NOWHERE,
	  { { A, OFF, SIZE - OFF } } },
	{ "readahead", O_RDONLY, OP_DIFFERS, 0, run_readahead, nothing, NOWHERE, THERE },
	{ "seek, stat, fsync, chmod, DONTNEED", O_RDWR, 0, 0, run_no_content, nothing, NOWHERE },
	{ "mmap", O_RDONLY, OP_MAPS, 0, run_mmap, maps, ALIGNED },
};

const int nops = ARRAY_LEN(ops);

void do_op(struct job *job)
{
	const struct op *op = &ops[job->op];
	int fd = -1, to = -1;
	char path[PATH_MAX + 4];

	if (!out) {
		out = aligned_alloc(PG, MEM);
		in = aligned_alloc(PG, MEM);
		if (!out || !in)
			exit(1);
		for (size_t i = 0; i < MEM; i++)
			out[i] = fresh(i);
	}
	job->got = 0;
	job->pos = 0;
	if (!(op->flags & OP_PATH)) {
		fd = open(path_of(job), op->oflags);
		if (fd < 0) {
			job->ret = -errno;
			return;
		}
		lseek(fd, op->pos, SEEK_SET);
	}
	if (op->flags & OP_TWO) {
		snprintf(path, sizeof(path), "%s/b", job->dir);
		to = open(path, O_RDWR);
		if (to < 0) {
			job->ret = -errno;
			return;
		}
	}
	job->ret = op->run(job, fd, to);
	if (fd >= 0) {
		job->pos = lseek(fd, 0, SEEK_CUR);
		close(fd);
	}
	if (to >= 0)
		close(to);
}
