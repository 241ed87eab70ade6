// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of io_uring: the same as for libaio (see aio_test.c), by its own ways of submission: from a worker thread,
 * without waiting first, with registered files and buffers, in chains; and its other operations on files.
 *
 * Bugs of the C code guarded here: B3, B8, B9, B12, and B24 (flags of the iocb that only make sense to the submitter).
 */
#include <liburing.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(uring);

#define MANY 64
#define BLOCK 4096

static void ring_of(struct __test_metadata *const _metadata, struct io_uring *ring, unsigned int flags)
{
	ASSERT_EQ(0, io_uring_queue_init(2 * MANY, ring, flags));
}

/* Waits for one completion: its result. */
static int result(struct io_uring *ring)
{
	struct __kernel_timespec limit = { .tv_sec = 20 };
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(ring, &cqe, &limit);

	if (ret)
		return -ETIMEDOUT;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

#define one(ring, prep, ...) \
({ \
	prep(io_uring_get_sqe(ring), __VA_ARGS__); \
	ASSERT_EQ(1, io_uring_submit(ring)); \
	result(ring); \
})

static char *aligned(struct __test_metadata *const _metadata, size_t len)
{
	void *buf;

	ASSERT_EQ(0, posix_memalign(&buf, 4096, len));
	memset(buf, 0, len);
	return buf;
}

enum how { PLAIN, WORKER, FIXED };

static void many(struct __test_metadata *const _metadata, struct io_uring *ring, bool write, const int *fd, char *buf,
		 enum how how)
{
	int i;

	for (i = 0; i < MANY; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
		int at = (i * 37) % MANY;

		if (how == FIXED && write)
			io_uring_prep_write_fixed(sqe, i % 2, buf + at * BLOCK, BLOCK, at * BLOCK, 0);
		else if (how == FIXED)
			io_uring_prep_read_fixed(sqe, i % 2, buf + at * BLOCK, BLOCK, at * BLOCK, 0);
		else if (write)
			io_uring_prep_write(sqe, fd[i % 2], buf + at * BLOCK, BLOCK, at * BLOCK);
		else
			io_uring_prep_read(sqe, fd[i % 2], buf + at * BLOCK, BLOCK, at * BLOCK);
		sqe->flags |= how == FIXED ? IOSQE_FIXED_FILE : how == WORKER ? IOSQE_ASYNC : 0;
	}
	ASSERT_EQ(MANY, io_uring_submit(ring));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(BLOCK, result(ring));
	}
}

/* Direct and buffered descriptor in turn, unless they are the same. */
static void write_and_read(struct __test_metadata *const _metadata, const int *fd, int second, enum how how,
			   unsigned int flags)
{
	char *buf = aligned(_metadata, MANY * BLOCK), *want = aligned(_metadata, MANY * BLOCK);
	struct iovec v = { buf, MANY * BLOCK };
	struct io_uring ring;
	struct stat st;

	ring_of(_metadata, &ring, flags);
	if (how == FIXED) {
		ASSERT_EQ(0, io_uring_register_files(&ring, fd, 2));
		ASSERT_EQ(0, io_uring_register_buffers(&ring, &v, 1));
	}
	fill(buf, MANY * BLOCK, 0, 1);
	many(_metadata, &ring, true, fd, buf, how);
	ASSERT_EQ(0, fstat(second, &st));
	EXPECT_EQ(MANY * BLOCK, st.st_size);
	EXPECT_EQ(MANY * BLOCK, lseek(second, 0, SEEK_END));
	memset(buf, 0, MANY * BLOCK);
	many(_metadata, &ring, false, fd, buf, how);
	fill(want, MANY * BLOCK, 0, 1);
	EXPECT_EQ(0, memcmp(buf, want, MANY * BLOCK));
	io_uring_queue_exit(&ring);
}

#define WRITE_AND_READ(how, flags, a, b) \
do { \
	int __fd[2] = { must_open(self->dir, "f", O_RDWR | O_CREAT | (a), 0644), \
			must_open(self->dir, "f", O_RDWR | (b)) }; \
	write_and_read(_metadata, __fd, must_open(self->dir, "f", O_RDONLY), how, flags); \
	expect_content("f", MANY * BLOCK, 1); \
} while (0)

TEST_F(uring, buffered)
{
	WRITE_AND_READ(PLAIN, 0, 0, 0);
}

TEST_F(uring, direct)
{
	WRITE_AND_READ(PLAIN, 0, O_DIRECT, O_DIRECT);
}

TEST_F(uring, mixed)
{
	WRITE_AND_READ(PLAIN, 0, O_DIRECT, 0);
}

TEST_F(uring, worker_buffered)
{
	WRITE_AND_READ(WORKER, 0, 0, 0);
}

TEST_F(uring, worker_direct)
{
	WRITE_AND_READ(WORKER, 0, O_DIRECT, O_DIRECT);
}

TEST_F(uring, fixed_buffered)
{
	WRITE_AND_READ(FIXED, 0, 0, 0);
}

TEST_F(uring, fixed_direct)
{
	WRITE_AND_READ(FIXED, 0, O_DIRECT, O_DIRECT);
}

TEST_F(uring, fixed_mixed)
{
	WRITE_AND_READ(FIXED, 0, O_DIRECT, 0);
}

TEST_F(uring, deferred_completions)
{
	WRITE_AND_READ(PLAIN, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, O_DIRECT, O_DIRECT);
}

TEST_F(uring, submission_thread)
{
	WRITE_AND_READ(PLAIN, IORING_SETUP_SQPOLL, O_DIRECT, 0);
}

/* B3 */
TEST_F(uring, extending)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), i;
	int copy = must_open(self->dir, "copy", O_RDWR | O_CREAT, 0644);
	char *buf = aligned(_metadata, BLOCK);
	struct io_uring ring;

	ring_of(_metadata, &ring, 0);
	for (i = 0; i < 100; i++) {
		fill(buf, BLOCK, i * BLOCK, 1);
		ASSERT_EQ(BLOCK, one(&ring, io_uring_prep_write, fd, buf, BLOCK, i * BLOCK));
		/* The copy first: to look at the size might be what brings it up to date */
		ASSERT_EQ(BLOCK, copy_file_range(fd, &(loff_t){ i * BLOCK }, copy, NULL, MIB, 0));
		ASSERT_EQ((i + 1) * BLOCK, size_of(self->dir, "f"));
		ASSERT_EQ((i + 1) * BLOCK, lseek(fd, 0, SEEK_END));
	}
	expect_content("f", 100 * BLOCK, 1);
}

/* The position of the file, with -1. */
TEST_F(uring, file_position)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	struct io_uring ring;
	char buf[8] = "";

	ring_of(_metadata, &ring, 0);
	ASSERT_EQ(3, one(&ring, io_uring_prep_write, fd, "abc", 3, -1));
	ASSERT_EQ(3, one(&ring, io_uring_prep_write, fd, "def", 3, -1));
	EXPECT_EQ(6, lseek(fd, 0, SEEK_CUR));
	ASSERT_EQ(2, lseek(fd, 2, SEEK_SET));
	ASSERT_EQ(4, one(&ring, io_uring_prep_read, fd, buf, 8, -1));
	EXPECT_STREQ("cdef", buf);
	EXPECT_EQ(6, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(0, one(&ring, io_uring_prep_read, fd, buf, 8, -1));
}

TEST_F(uring, append)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_APPEND, 0644);
	int below = must_open(self->under, "f", O_WRONLY | O_APPEND);
	struct io_uring ring;
	char buf[8] = "";

	ring_of(_metadata, &ring, 0);
	ASSERT_EQ(2, one(&ring, io_uring_prep_write, fd, "ab", 2, 0));
	ASSERT_EQ(2, write(below, "cd", 2));
	ASSERT_EQ(2, one(&ring, io_uring_prep_write, fd, "ef", 2, 0));
	ASSERT_EQ(6, pread(fd, buf, 8, 0));
	EXPECT_STREQ("abcdef", buf);
}

TEST_F(uring, chain)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), i;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char buf[4] = "";

	ring_of(_metadata, &ring, 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write(sqe, fd, "abc", 3, 0);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, fd, buf, 3, 0);
	ASSERT_EQ(3, io_uring_submit(&ring));
	for (i = 0; i < 3; i++) {
		EXPECT_LE(0, result(&ring));
	}
	EXPECT_STREQ("abc", buf);
}

TEST_F(uring, other_operations)
{
	struct io_uring ring;
	struct statx stx;
	int fd, p[2];

	ring_of(_metadata, &ring, 0);
	fd = one(&ring, io_uring_prep_openat, self->dir, "f", O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, one(&ring, io_uring_prep_fallocate, fd, 0, 0, 10000));
	EXPECT_EQ(0, one(&ring, io_uring_prep_statx, self->dir, "f", 0, STATX_SIZE, &stx));
	EXPECT_EQ(10000, stx.stx_size);
	EXPECT_EQ(0, one(&ring, io_uring_prep_fadvise, fd, 0, 0, POSIX_FADV_WILLNEED));
	EXPECT_EQ(0, one(&ring, io_uring_prep_sync_file_range, fd, 4096, 0, SYNC_FILE_RANGE_WRITE));
	EXPECT_EQ(0, one(&ring, io_uring_prep_ftruncate, fd, 5000));
	EXPECT_EQ(5000, size_of(self->under, "f"));
	ASSERT_EQ(0, pipe(p));
	EXPECT_EQ(5000, one(&ring, io_uring_prep_splice, fd, 0, p[1], -1, 5000, 0));
	EXPECT_EQ(5000, one(&ring, io_uring_prep_splice, p[0], -1, fd, 5000, 5000, 0));
	EXPECT_EQ(10000, size_of(self->dir, "f"));
	EXPECT_EQ(0, one(&ring, io_uring_prep_mkdirat, self->dir, "d", 0755));
	EXPECT_EQ(0, one(&ring, io_uring_prep_linkat, self->dir, "f", self->dir, "d/link", 0));
	EXPECT_EQ(0, one(&ring, io_uring_prep_symlinkat, "f", self->dir, "s"));
	EXPECT_EQ(0, one(&ring, io_uring_prep_renameat, self->dir, "f", self->dir, "g", 0));
	EXPECT_EQ(0, one(&ring, io_uring_prep_unlinkat, self->dir, "g", 0));
	EXPECT_EQ(10000, size_of(self->under, "d/link"));
	EXPECT_EQ(0, one(&ring, io_uring_prep_close, fd));
}

/* Polling for completions needs a method that a stacked file does not have; it is refused, not done wrongly. */
TEST_F(uring, polled)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), ret;
	char *buf = aligned(_metadata, BLOCK);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	ring_of(_metadata, &ring, IORING_SETUP_IOPOLL);
	io_uring_prep_write(io_uring_get_sqe(&ring), fd, buf, BLOCK, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	ret = cqe->res;
	if (variant->layers == DIRECT) {
		EXPECT_TRUE(ret == BLOCK || ret == -EOPNOTSUPP) TH_LOG("%d", ret);
	}
	if (variant->layers != DIRECT) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
	}
}

TEST_F(uring, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	char *buf = aligned(_metadata, BLOCK);
	long ret[2][6] = {};

	for (w = 0; w < 2; w++) {
		struct io_uring ring;
		int ro, rw, direct;

		make_file(_metadata, at[w], "f", 2 * BLOCK, 1);
		ro = must_open(at[w], "f", O_RDONLY);
		rw = must_open(at[w], "f", O_RDWR);
		direct = must_open(at[w], "f", O_RDWR | O_DIRECT);
		ring_of(_metadata, &ring, 0);
		ret[w][0] = one(&ring, io_uring_prep_write, ro, buf, 10, 0);
		ret[w][1] = one(&ring, io_uring_prep_read, rw, (void *)8, 10, 0);
		ret[w][2] = one(&ring, io_uring_prep_read, direct, buf + 1, BLOCK, 0);
		ret[w][3] = one(&ring, io_uring_prep_write, direct, buf, 100, 100);
		ret[w][4] = one(&ring, io_uring_prep_read, at[w], buf, 10, 0);
		ret[w][5] = one(&ring, io_uring_prep_read, rw, buf, BLOCK, 3 * BLOCK);
	}
	EXPECT_EQ(-EBADF, ret[1][0]);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* The ring, and with it the last reference to the file, goes while requests are in flight. */
TEST_F(uring, exit_in_flight)
{
	int status, i;

	for (i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (!pid) {
			int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644), n;
			char *buf = aligned(_metadata, MANY * BLOCK);
			struct io_uring ring;

			ring_of(_metadata, &ring, 0);
			fill(buf, MANY * BLOCK, 0, 3);
			for (n = 0; n < MANY; n++) {
				struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

				io_uring_prep_write(sqe, fd, buf + n * BLOCK, BLOCK, n * BLOCK);
				sqe->flags |= i % 2 ? IOSQE_ASYNC : 0;
			}
			_exit(io_uring_submit(&ring) != MANY);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
}

/* B12 */
TEST_F(uring, freeze_afterwards)
{
	int root = open(self->place.root, O_RDONLY), ret;

	WRITE_AND_READ(PLAIN, 0, O_DIRECT, 0);
	WRITE_AND_READ(WORKER, 0, O_DIRECT, 0);
	alarm(20);
	ret = errno_of(ioctl(root, FIFREEZE, 0));
	EXPECT_EQ(fs_is("tmpfs") ? -EOPNOTSUPP : 0, ret);
	if (!ret) {
		EXPECT_EQ(0, ioctl(root, FITHAW, 0));
	}
}

TEST_HARNESS_MAIN
