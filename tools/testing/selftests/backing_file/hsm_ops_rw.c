// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the hooks tests, those on the content of one file: reading and writing, asynchronously too, reading
 * ahead and mapping.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hsm_ops.h"

/* Reading and writing */

long run_read(struct job *job, int fd, int to)
{
	return keep(job, err(read(fd, in, LEN)));
}

long run_pread(struct job *job, int fd, int to)
{
	return keep(job, err(pread(fd, in, LEN, OFF)));
}

long run_preadv2(struct job *job, int fd, int to)
{
	struct iovec iov[2] = { { in, 1000 }, { in + 1000, LEN - 1000 } };

	return keep(job, err(preadv2(fd, iov, 2, OFF, RWF_HIPRI)));
}

long run_read_direct(struct job *job, int fd, int to)
{
	return keep(job, err(pread(fd, in, SPAN, AT)));
}

long run_write(struct job *job, int fd, int to)
{
	return err(write(fd, out, LEN));
}

long run_pwrite(struct job *job, int fd, int to)
{
	return err(pwrite(fd, out, LEN, OFF));
}

long run_pwritev2(struct job *job, int fd, int to)
{
	struct iovec iov[2] = { { out, 1000 }, { out + 1000, LEN - 1000 } };

	return err(pwritev2(fd, iov, 2, OFF, RWF_DSYNC));
}

long run_write_direct(struct job *job, int fd, int to)
{
	return err(pwrite(fd, out, SPAN, AT));
}

long run_rwf_append(struct job *job, int fd, int to)
{
	struct iovec iov = { out, LEN };

	return err(pwritev2(fd, &iov, 1, OFF, RWF_APPEND));
}

/* Asynchronously */

long run_aio_read(struct job *job, int fd, int to)
{
	return keep(job, aio(fd, IOCB_CMD_PREAD, in, LEN, OFF));
}

long run_aio_write(struct job *job, int fd, int to)
{
	return aio(fd, IOCB_CMD_PWRITE, out, LEN, OFF);
}

long run_aio_read_direct(struct job *job, int fd, int to)
{
	return keep(job, aio(fd, IOCB_CMD_PREAD, in, SPAN, AT));
}

long run_aio_write_direct(struct job *job, int fd, int to)
{
	return aio(fd, IOCB_CMD_PWRITE, out, SPAN, AT);
}

long run_uring_read(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, LEN, OFF, 0));
}

long run_uring_write(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, LEN, OFF, 0);
}

long run_uring_read_worker(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, LEN, OFF, IOSQE_ASYNC));
}

long run_uring_write_worker(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, LEN, OFF, IOSQE_ASYNC);
}

long run_uring_read_direct(struct job *job, int fd, int to)
{
	return keep(job, uring_rw(fd, IORING_OP_READ, in, SPAN, AT, 0));
}

long run_uring_write_direct(struct job *job, int fd, int to)
{
	return uring_rw(fd, IORING_OP_WRITE, out, SPAN, AT, 0);
}

/* Reading ahead, and what touches no content */

long run_willneed(struct job *job, int fd, int to)
{
	return -posix_fadvise(fd, OFF, LEN, POSIX_FADV_WILLNEED);
}

long run_willneed_all(struct job *job, int fd, int to)
{
	return -posix_fadvise(fd, OFF, 0, POSIX_FADV_WILLNEED);
}

long run_readahead(struct job *job, int fd, int to)
{
	return err(readahead(fd, OFF, LEN));
}

long run_uring_willneed(struct job *job, int fd, int to)
{
	return uring(&(struct io_uring_sqe){
		.opcode = IORING_OP_FADVISE,
		.fd = fd,
		.off = OFF,
		.len = LEN,
		.fadvise_advice = POSIX_FADV_WILLNEED,
	});
}

long run_no_content(struct job *job, int fd, int to)
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

long run_mmap(struct job *job, int fd, int to)
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
