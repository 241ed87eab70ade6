// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of asynchronous I/O: data, sizes and results are right with many requests in flight, buffered and direct; a
 * completion that was reported has done everything, sizes and times included; freeze protection ends with the request;
 * a file may be closed, removed or unmounted, and a task may exit, while requests are in flight.
 *
 * Bugs of the C code guarded here: B3 (size stale after an asynchronous write), B4 (completion told of an old
 * position), B8 (request freed while submission still used it), B9 (completion in the wrong context), B10, B12 (freeze
 * protection leaked: a later fsfreeze hangs).
 */
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(aio);

#define MANY 64
#define BLOCK 4096

static int io_setup(unsigned int n, aio_context_t *ctx)
{
	return syscall(SYS_io_setup, n, ctx);
}

static int io_submit(aio_context_t ctx, long n, struct iocb **iocbs)
{
	return syscall(SYS_io_submit, ctx, n, iocbs);
}

static int io_getevents(aio_context_t ctx, long min, long n, struct io_event *events)
{
	return syscall(SYS_io_getevents, ctx, min, n, events, &(struct timespec){ .tv_sec = 20 });
}

static struct iocb request(int op, int fd, void *buf, size_t len, off_t pos, unsigned int flags)
{
	return (struct iocb) {
		.aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = len,
		.aio_offset = pos, .aio_rw_flags = flags, .aio_data = pos,
	};
}

/* One request from submission to end; its result, or a negative errno. */
static long one(aio_context_t ctx, struct iocb iocb)
{
	struct io_event event = {};

	if (io_submit(ctx, 1, (struct iocb *[]){ &iocb }) != 1)
		return -errno;
	return io_getevents(ctx, 1, 1, &event) == 1 ? event.res : -ETIMEDOUT;
}

static void many(struct __test_metadata *const _metadata, int op, int fd, char *buf, int expected)
{
	struct io_event events[MANY];
	struct iocb iocbs[MANY], *list[MANY];
	aio_context_t ctx = 0;
	int i;

	ASSERT_EQ(0, io_setup(MANY, &ctx));
	for (i = 0; i < MANY; i++) {
		/* Not in the order of the file */
		int at = (i * 37) % MANY;

		iocbs[i] = request(op, fd, buf + at * BLOCK, BLOCK, at * BLOCK, 0);
		list[i] = &iocbs[i];
	}
	for (i = 0; i < MANY; ) {
		int n = io_submit(ctx, MANY - i, list + i);

		ASSERT_LT(0, n) TH_LOG("%m");
		i += n;
	}
	ASSERT_EQ(MANY, io_getevents(ctx, MANY, MANY, events));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(expected, events[i].res) TH_LOG("at %lld", events[i].data);
	}
	ASSERT_EQ(0, syscall(SYS_io_destroy, ctx));
}

static char *aligned(struct __test_metadata *const _metadata, size_t len)
{
	void *buf;

	ASSERT_EQ(0, posix_memalign(&buf, 4096, len));
	memset(buf, 0, len);
	return buf;
}

static void write_and_read_many(struct __test_metadata *const _metadata, int fd, int second)
{
	char *buf = aligned(_metadata, MANY * BLOCK), *want = aligned(_metadata, MANY * BLOCK);
	struct stat st;

	fill(buf, MANY * BLOCK, 0, 1);
	many(_metadata, IOCB_CMD_PWRITE, fd, buf, BLOCK);
	/* B3: no completion is reported before the size it made is there */
	ASSERT_EQ(0, fstat(second, &st));
	EXPECT_EQ(MANY * BLOCK, st.st_size);
	EXPECT_EQ(MANY * BLOCK, lseek(second, 0, SEEK_END));
	memset(buf, 0, MANY * BLOCK);
	many(_metadata, IOCB_CMD_PREAD, fd, buf, BLOCK);
	fill(want, MANY * BLOCK, 0, 1);
	EXPECT_EQ(0, memcmp(buf, want, MANY * BLOCK));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
}

TEST_F(aio, buffered)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);

	write_and_read_many(_metadata, fd, must_open(self->dir, "f", O_RDONLY));
	expect_content("f", MANY * BLOCK, 1);
}

TEST_F(aio, direct)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);

	write_and_read_many(_metadata, fd, must_open(self->dir, "f", O_RDONLY));
	expect_content("f", MANY * BLOCK, 1);
}

TEST_F(aio, direct_overwrite)
{
	int fd;

	make_file(_metadata, self->dir, "f", MANY * BLOCK, 2);
	fd = must_open(self->dir, "f", O_RDWR | O_DIRECT);
	write_and_read_many(_metadata, fd, must_open(self->dir, "f", O_RDONLY));
	ASSERT_EQ(0, fsync(fd));
	expect_content("f", MANY * BLOCK, 1);
}

TEST_F(aio, synchronous_writes)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT | O_DSYNC, 0644);

	write_and_read_many(_metadata, fd, must_open(self->dir, "f", O_RDONLY));
	expect_content("f", MANY * BLOCK, 1);
}

/* Half through a direct descriptor, half through a buffered one, of one file and one context. */
TEST_F(aio, mixed)
{
	int fd[2] = { must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), must_open(self->dir, "f", O_RDWR | O_DIRECT) };
	char *buf = aligned(_metadata, MANY * BLOCK);
	struct io_event events[MANY];
	struct iocb iocbs[MANY];
	aio_context_t ctx = 0;
	int i;

	fill(buf, MANY * BLOCK, 0, 1);
	ASSERT_EQ(0, io_setup(MANY, &ctx));
	for (i = 0; i < MANY; i++) {
		iocbs[i] = request(IOCB_CMD_PWRITE, fd[i % 2], buf + i * BLOCK, BLOCK, i * BLOCK, 0);
		ASSERT_EQ(1, io_submit(ctx, 1, (struct iocb *[]){ &iocbs[i] })) TH_LOG("%m");
	}
	ASSERT_EQ(MANY, io_getevents(ctx, MANY, MANY, events));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(BLOCK, events[i].res);
	}
	expect_content("f", MANY * BLOCK, 1);
}

/* B3, B4, B9: after each completion of an extending write, the size is what it should be. */
TEST_F(aio, extending)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	int copy = must_open(self->dir, "copy", O_RDWR | O_CREAT, 0644);
	char *buf = aligned(_metadata, BLOCK);
	aio_context_t ctx = 0;
	int i;

	ASSERT_EQ(0, io_setup(1, &ctx));
	for (i = 0; i < 100; i++) {
		fill(buf, BLOCK, i * BLOCK, 1);
		ASSERT_EQ(BLOCK, one(ctx, request(IOCB_CMD_PWRITE, fd, buf, BLOCK, i * BLOCK, 0)));
		/* The copy first: to look at the size might be what brings it up to date */
		ASSERT_EQ(BLOCK, copy_file_range(fd, &(loff_t){ i * BLOCK }, copy, NULL, MIB, 0));
		ASSERT_EQ((i + 1) * BLOCK, size_of(self->dir, "f"));
		ASSERT_EQ((i + 1) * BLOCK, lseek(fd, 0, SEEK_END));
	}
	expect_content("f", 100 * BLOCK, 1);
	expect_content("copy", 100 * BLOCK, 1);
}

/* B9: sizes seen while 64 requests extend the file never go back. */
TEST_F(aio, size_only_grows)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), status;
	off_t last = 0;
	pid_t pid;

	pid = fork();
	if (!pid) {
		char *buf = aligned(_metadata, MANY * BLOCK);
		int i;

		for (i = 0; i < 3; i++) {
			many(_metadata, IOCB_CMD_PWRITE, fd, buf, BLOCK);
			fd = openat(self->dir, "f", O_RDWR | O_DIRECT);
		}
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		off_t now = size_of(self->dir, "f");

		ASSERT_LE(last, now);
		last = now;
	}
	EXPECT_EQ(0, status);
	EXPECT_EQ(MANY * BLOCK, size_of(self->dir, "f"));
}

TEST_F(aio, times_at_once)
{
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	char *buf = aligned(_metadata, BLOCK);
	struct stat st, below;
	aio_context_t ctx = 0;

	ASSERT_EQ(0, io_setup(1, &ctx));
	ASSERT_EQ(0, futimens(fd, old));
	ASSERT_EQ(BLOCK, one(ctx, request(IOCB_CMD_PWRITE, fd, buf, BLOCK, 0, 0)));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
	EXPECT_LT(1500000000, st.st_mtime);
	EXPECT_EQ(0, memcmp(&st.st_mtim, &below.st_mtim, sizeof(st.st_mtim)));
}

TEST_F(aio, append)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_APPEND, 0644);
	int below = must_open(self->under, "f", O_RDWR | O_APPEND);
	char buf[8] = "";
	aio_context_t ctx = 0;

	ASSERT_EQ(0, io_setup(1, &ctx));
	ASSERT_EQ(2, one(ctx, request(IOCB_CMD_PWRITE, fd, "ab", 2, 0, 0)));
	ASSERT_EQ(2, write(below, "cd", 2));
	ASSERT_EQ(2, one(ctx, request(IOCB_CMD_PWRITE, fd, "ef", 2, 0, 0)));
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(2, one(ctx, request(IOCB_CMD_PWRITE, fd, "gh", 2, 0, RWF_APPEND)));
	ASSERT_EQ(8, pread(fd, buf, 8, 0));
	EXPECT_EQ(0, memcmp("abcdefgh", buf, 8));
}

/* One after the other: what several direct appends in flight do differs between filesystems. */
TEST_F(aio, direct_append)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_APPEND | O_DIRECT, 0644), i;
	char *buf = aligned(_metadata, BLOCK);
	aio_context_t ctx = 0;

	ASSERT_EQ(0, io_setup(1, &ctx));
	for (i = 0; i < 20; i++) {
		fill(buf, BLOCK, i * BLOCK, 1);
		ASSERT_EQ(BLOCK, one(ctx, request(IOCB_CMD_PWRITE, fd, buf, BLOCK, 0, 0)));
	}
	expect_content("f", 20 * BLOCK, 1);
}

TEST_F(aio, vectors_and_sync)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	struct iovec v[2] = { { "abc", 3 }, { "defg", 4 } };
	char a[2], b[5];
	struct iovec r[2] = { { a, 2 }, { b, 5 } };
	aio_context_t ctx = 0;

	ASSERT_EQ(0, io_setup(4, &ctx));
	ASSERT_EQ(7, one(ctx, request(IOCB_CMD_PWRITEV, fd, v, 2, 0, RWF_DSYNC)));
	EXPECT_EQ(0, one(ctx, request(IOCB_CMD_FSYNC, fd, NULL, 0, 0, 0)));
	EXPECT_EQ(0, one(ctx, request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0, 0)));
	ASSERT_EQ(7, one(ctx, request(IOCB_CMD_PREADV, fd, r, 2, 0, 0)));
	EXPECT_EQ(0, memcmp("cdefg", b, 5));
}

TEST_F(aio, short_reads)
{
	char *buf = aligned(_metadata, 2 * BLOCK);
	aio_context_t ctx = 0;
	int fd;

	make_file(_metadata, self->dir, "f", BLOCK + 100, 1);
	fd = must_open(self->dir, "f", O_RDWR | O_DIRECT);
	ASSERT_EQ(0, io_setup(4, &ctx));
	EXPECT_EQ(BLOCK + 100, one(ctx, request(IOCB_CMD_PREAD, fd, buf, 2 * BLOCK, 0, 0)));
	EXPECT_EQ(100, one(ctx, request(IOCB_CMD_PREAD, fd, buf, BLOCK, BLOCK, 0)));
	EXPECT_EQ(0, one(ctx, request(IOCB_CMD_PREAD, fd, buf, BLOCK, 10 * BLOCK, 0)));
	EXPECT_EQ(0, one(ctx, request(IOCB_CMD_PREAD, fd, buf, 0, 0, 0)));
	EXPECT_EQ(0, one(ctx, request(IOCB_CMD_PWRITE, fd, buf, 0, 0, 0)));
}

TEST_F(aio, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	char *buf = aligned(_metadata, BLOCK);
	long ret[2][12] = {};

	for (w = 0; w < 2; w++) {
		aio_context_t ctx = 0;
		int rw, ro, wo, direct;

		make_file(_metadata, at[w], "f", 2 * BLOCK, 1);
		rw = must_open(at[w], "f", O_RDWR);
		ro = must_open(at[w], "f", O_RDONLY);
		wo = must_open(at[w], "f", O_WRONLY);
		direct = must_open(at[w], "f", O_RDWR | O_DIRECT);
		ASSERT_EQ(0, io_setup(4, &ctx));
		ret[w][0] = one(ctx, request(IOCB_CMD_PWRITE, ro, buf, 10, 0, 0));
		ret[w][1] = one(ctx, request(IOCB_CMD_PREAD, wo, buf, 10, 0, 0));
		ret[w][2] = one(ctx, request(IOCB_CMD_PREAD, rw, buf, 10, -1, 0));
		ret[w][3] = one(ctx, request(IOCB_CMD_PREAD, at[w], buf, 10, 0, 0));
		ret[w][4] = one(ctx, request(IOCB_CMD_PREAD, rw, (void *)8, 10, 0, 0));
		ret[w][5] = one(ctx, request(IOCB_CMD_PWRITE, direct, (void *)4096, BLOCK, 0, 0));
		ret[w][6] = one(ctx, request(IOCB_CMD_PREAD, direct, buf + 1, BLOCK, 0, 0));
		ret[w][7] = one(ctx, request(IOCB_CMD_PWRITE, direct, buf, 100, 100, 0));
		ret[w][8] = one(ctx, request(IOCB_CMD_PWRITE, rw, buf, 10, 0, 1 << 30));
		ret[w][9] = one(ctx, request(IOCB_CMD_PWRITE, rw, buf, 10, 0, RWF_ATOMIC));
		ret[w][10] = one(ctx, request(IOCB_CMD_PWRITE, direct, buf, BLOCK, LLONG_MAX & ~4095ULL, 0));
		ret[w][11] = one(ctx, request(IOCB_CMD_POLL, rw, (void *)POLLIN, 0, 0, 0));
	}
	EXPECT_EQ(-EBADF, ret[1][0]);
	EXPECT_EQ(-EBADF, ret[1][1]);
	for (i = 0; i < 12; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

TEST_F(aio, nowait)
{
	int at[2] = { self->plain, self->dir }, w;
	char *buf = aligned(_metadata, BLOCK);
	long ret[2];

	/* It may be that a request would have to wait; any other difference is one */
	for (w = 0; w < 2; w++) {
		aio_context_t ctx = 0;
		int fd;

		make_file(_metadata, at[w], "f", BLOCK, 1);
		fd = must_open(at[w], "f", O_RDWR | O_DIRECT);
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, io_setup(4, &ctx));
		ret[w] = one(ctx, request(IOCB_CMD_PREAD, fd, buf, BLOCK, 0, RWF_NOWAIT));
		ret[w] = ret[w] == -EAGAIN ? BLOCK : ret[w];
	}
	EXPECT_EQ(ret[0], ret[1]);
}

TEST_F(aio, eventfd)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), event = eventfd(0, 0);
	struct iocb iocb = request(IOCB_CMD_PWRITE, fd, aligned(_metadata, BLOCK), BLOCK, 0, 0);
	aio_context_t ctx = 0;
	eventfd_t count;

	iocb.aio_flags = IOCB_FLAG_RESFD;
	iocb.aio_resfd = event;
	ASSERT_EQ(0, io_setup(4, &ctx));
	ASSERT_EQ(1, io_submit(ctx, 1, (struct iocb *[]){ &iocb }));
	ASSERT_EQ(0, eventfd_read(event, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(BLOCK, size_of(self->dir, "f"));
}

TEST_F(aio, set_id_bits)
{
	char *buf = aligned(_metadata, BLOCK);
	aio_context_t ctx = 0;
	struct stat st;
	int fd;

	make_file(_metadata, self->dir, "f", BLOCK, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
	fd = must_open(self->dir, "f", O_RDWR | O_DIRECT);
	EXPECT_EQ(0, as_user(NOBODY, io_setup(4, &ctx) ?: one(ctx, request(IOCB_CMD_PWRITE, fd, buf, BLOCK, 0, 0))));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
}

/* What follows leaves requests behind. Each waits for nothing that it submitted. */
static void submit_many(struct __test_metadata *const _metadata, aio_context_t *ctx, int fd, int op)
{
	static struct iocb iocbs[MANY];
	static struct iocb *list[MANY];
	char *buf = aligned(_metadata, MANY * BLOCK);
	int i;

	fill(buf, MANY * BLOCK, 0, 3);
	*ctx = 0;
	ASSERT_EQ(0, io_setup(MANY, ctx));
	for (i = 0; i < MANY; i++) {
		iocbs[i] = request(op, fd, buf + i * BLOCK, BLOCK, i * BLOCK, 0);
		list[i] = &iocbs[i];
	}
	ASSERT_EQ(MANY, io_submit(*ctx, MANY, list));
}

TEST_F(aio, close_in_flight)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	struct io_event events[MANY];
	aio_context_t ctx;

	submit_many(_metadata, &ctx, fd, IOCB_CMD_PWRITE);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(MANY, io_getevents(ctx, MANY, MANY, events));
	expect_content("f", MANY * BLOCK, 3);
}

TEST_F(aio, unlink_in_flight)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	struct io_event events[MANY];
	aio_context_t ctx;

	submit_many(_metadata, &ctx, fd, IOCB_CMD_PWRITE);
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(MANY, io_getevents(ctx, MANY, MANY, events));
	EXPECT_EQ(-ENOENT, size_of(self->under, "f"));
}

TEST_F(aio, destroy_in_flight)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	aio_context_t ctx;

	submit_many(_metadata, &ctx, fd, IOCB_CMD_PWRITE);
	ASSERT_EQ(0, syscall(SYS_io_destroy, ctx));
	expect_content("f", MANY * BLOCK, 3);
}

TEST_F(aio, exit_in_flight)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), status, i;

	for (i = 0; i < 5; i++) {
		pid_t pid = fork();
		aio_context_t ctx;

		if (!pid) {
			submit_many(_metadata, &ctx, fd, i % 2 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE);
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	expect_content("f", MANY * BLOCK, 3);
}

/* B12: when all has completed, the backing filesystem can be frozen, and a write waits for the thaw. */
TEST_F(aio, freeze_afterwards)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	int root = open(self->place.root, O_RDONLY), status, ret;
	pid_t pid;

	write_and_read_many(_metadata, fd, must_open(self->dir, "f", O_RDONLY));
	alarm(20);
	ret = errno_of(ioctl(root, FIFREEZE, 0));
	if (fs_is("tmpfs")) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		return;
	}
	EXPECT_EQ(0, ret);
	pid = fork();
	if (!pid)
		_exit(pwrite(fd, aligned(_metadata, BLOCK), BLOCK, 0) != BLOCK);
	usleep(300000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, ioctl(root, FITHAW, 0));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
