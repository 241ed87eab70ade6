// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of splice, sendfile and tee: both ways, with the backing filesystem's own methods, its results and errnos;
 * what is written is visible at once; append mode and set-id bits count as they do for write.
 *
 * Bugs of the C code guarded here: B2 (the backing file's own splice_write not used), B3 (size stale after a splice),
 * B13 (append-only file written by splice), B18 (pipe locked before the file: deadlock with a write).
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(splice);

/* All of @len bytes through a pipe from one file to another; what splice returned is added up. */
static ssize_t copy_by_splice(int in, loff_t *in_pos, int out, loff_t *out_pos, size_t len)
{
	ssize_t total = 0;
	int p[2];

	if (pipe(p))
		return -errno;
	while (len) {
		ssize_t n = splice(in, in_pos, p[1], NULL, len, SPLICE_F_MOVE), left;

		if (n <= 0) {
			if (n < 0)
				total = -errno;
			break;
		}
		for (left = n; left; ) {
			ssize_t m = splice(p[0], NULL, out, out_pos, left, SPLICE_F_MOVE);

			if (m <= 0) {
				total = m ? -errno : total;
				goto out;
			}
			left -= m;
		}
		total += n;
		len -= n;
	}
out:
	close(p[0]);
	close(p[1]);
	return total;
}

TEST_F(splice, file_to_file)
{
	int in, out;

	make_file(_metadata, self->dir, "from", 700 * KIB + 3, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	out = must_open(self->dir, "f", O_WRONLY | O_CREAT, 0644);
	EXPECT_EQ(700 * KIB + 3, copy_by_splice(in, NULL, out, NULL, MIB));
	expect_content("f", 700 * KIB + 3, 1);
}

TEST_F(splice, to_and_from_other_filesystem)
{
	int in, out;

	make_file(_metadata, self->plain, "from", 100 * KIB, 1);
	in = must_open(self->plain, "from", O_RDONLY);
	out = must_open(self->dir, "f", O_WRONLY | O_CREAT, 0644);
	EXPECT_EQ(100 * KIB, copy_by_splice(in, NULL, out, NULL, MIB));
	expect_content("f", 100 * KIB, 1);
	in = must_open(self->dir, "f", O_RDONLY);
	out = must_open(self->plain, "back", O_WRONLY | O_CREAT, 0644);
	EXPECT_EQ(100 * KIB, copy_by_splice(in, NULL, out, NULL, MIB));
	EXPECT_EQ(-1, name_differs(self->plain, "back", 100 * KIB, 1));
}

TEST_F(splice, positions)
{
	int in, out, p[2];
	loff_t pos;

	make_file(_metadata, self->dir, "from", 10000, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	out = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	ASSERT_EQ(0, pipe(p));

	pos = 100;
	ASSERT_EQ(50, splice(in, &pos, p[1], NULL, 50, 0));
	EXPECT_EQ(150, pos);
	EXPECT_EQ(0, lseek(in, 0, SEEK_CUR));
	ASSERT_EQ(50, splice(in, NULL, p[1], NULL, 50, 0));
	EXPECT_EQ(50, lseek(in, 0, SEEK_CUR));

	pos = 1000;
	ASSERT_EQ(50, splice(p[0], NULL, out, &pos, 50, 0));
	EXPECT_EQ(1050, pos);
	EXPECT_EQ(0, lseek(out, 0, SEEK_CUR));
	ASSERT_EQ(50, splice(p[0], NULL, out, NULL, 50, 0));
	EXPECT_EQ(50, lseek(out, 0, SEEK_CUR));
	EXPECT_EQ(1050, size_of(self->dir, "f"));
	EXPECT_EQ(1050, size_of(self->under, "f"));
	EXPECT_EQ(-1, differs(out, 50, 0, 1));
}

TEST_F(splice, end_of_file)
{
	char buf[200];
	int in, p[2];
	loff_t pos;

	make_file(_metadata, self->dir, "from", 100, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	ASSERT_EQ(0, pipe(p));
	EXPECT_EQ(100, splice(in, NULL, p[1], NULL, 200, 0));
	EXPECT_EQ(0, splice(in, NULL, p[1], NULL, 200, 0));
	pos = 1 << 20;
	EXPECT_EQ(0, splice(in, &pos, p[1], NULL, 200, 0));
	EXPECT_EQ(100, read(p[0], buf, 200));
}

TEST_F(splice, sendfile)
{
	int in, out, s[2];
	char buf[4096];
	off_t pos = 8;

	make_file(_metadata, self->dir, "from", 300 * KIB, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	out = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	EXPECT_EQ(300 * KIB, sendfile(out, in, NULL, MIB));
	EXPECT_EQ(300 * KIB, lseek(in, 0, SEEK_CUR));
	EXPECT_EQ(300 * KIB, lseek(out, 0, SEEK_CUR));
	expect_content("f", 300 * KIB, 1);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	EXPECT_EQ(4000, sendfile(s[1], in, &pos, 4000));
	EXPECT_EQ(4008, pos);
	EXPECT_EQ(4000, recv(s[0], buf, 4000, MSG_WAITALL));
}

TEST_F(splice, tee)
{
	int in, a[2], b[2];
	char buf[100], other[100];

	make_file(_metadata, self->dir, "from", 100, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	ASSERT_EQ(0, pipe(a));
	ASSERT_EQ(0, pipe(b));
	ASSERT_EQ(100, splice(in, NULL, a[1], NULL, 100, 0));
	ASSERT_EQ(100, tee(a[0], b[1], 100, 0));
	ASSERT_EQ(100, read(a[0], buf, 100));
	ASSERT_EQ(100, splice(b[0], NULL, must_open(self->dir, "f", O_WRONLY | O_CREAT, 0644), NULL, 100, 0));
	expect_content("f", 100, 1);
	fill(other, 100, 0, 1);
	EXPECT_EQ(0, memcmp(buf, other, 100));
}

TEST_F(splice, vmsplice)
{
	struct iovec v;
	int p[2];

	v.iov_len = 16 * KIB;
	v.iov_base = mmap(NULL, v.iov_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill(v.iov_base, v.iov_len, 0, 1);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(16 * KIB, vmsplice(p[1], &v, 1, SPLICE_F_GIFT));
	EXPECT_EQ(16 * KIB, splice(p[0], NULL, must_open(self->dir, "f", O_WRONLY | O_CREAT, 0644), NULL, 16 * KIB, 0));
	expect_content("f", 16 * KIB, 1);
}

/* A pipe buffer of page cache pages: what is read is what the file has when the pipe is read. */
TEST_F(splice, page_cache_is_shared)
{
	char buf[4] = "";
	int fd, p[2];

	make_file(_metadata, self->dir, "f", 4096, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(4, splice(fd, &(loff_t){ 0 }, p[1], NULL, 4, 0));
	ASSERT_EQ(4, pwrite(fd, "late", 4, 0));
	ASSERT_EQ(4, read(p[0], buf, 4));
	EXPECT_EQ(0, memcmp("late", buf, 4));
}

TEST_F(splice, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][14] = {};

	for (w = 0; w < 2; w++) {
		int rw, ro, wo, append, p[2], empty[2];
		loff_t pos = 0, negative = -1;

		make_file(_metadata, at[w], "f", 4096, 1);
		rw = must_open(at[w], "f", O_RDWR);
		ro = must_open(at[w], "f", O_RDONLY);
		wo = must_open(at[w], "f", O_WRONLY);
		append = must_open(at[w], "f", O_WRONLY | O_APPEND);
		ASSERT_EQ(0, pipe(p));
		ASSERT_EQ(0, pipe2(empty, O_NONBLOCK));
		ASSERT_EQ(10, write(p[1], "0123456789", 10));
		ret[w][0] = errno_of(splice(rw, NULL, ro, NULL, 10, 0));
		ret[w][1] = errno_of(splice(wo, NULL, p[1], NULL, 10, 0));
		ret[w][2] = errno_of(splice(p[0], NULL, ro, NULL, 10, 0));
		ret[w][3] = errno_of(splice(p[0], NULL, append, NULL, 10, 0));
		ret[w][4] = errno_of(splice(at[w], NULL, p[1], NULL, 10, 0));
		ret[w][5] = errno_of(splice(rw, NULL, p[1], &pos, 10, 0));
		ret[w][6] = errno_of(splice(rw, &negative, p[1], NULL, 10, 0));
		negative = -1;
		ret[w][7] = errno_of(splice(p[0], NULL, rw, &negative, 10, 0));
		ret[w][8] = errno_of(splice(empty[0], NULL, rw, NULL, 10, SPLICE_F_NONBLOCK));
		ret[w][9] = errno_of(sendfile(append, ro, &(off_t){ 0 }, 10));
		ret[w][10] = errno_of(splice(p[0], NULL, rw, NULL, 10, 1 << 10));
		ret[w][11] = errno_of(splice(p[0], NULL, rw, NULL, 0, 0));
		ret[w][12] = errno_of(splice(p[0], NULL, rw, &(loff_t){ LLONG_MAX - 1 }, 10, 0));
		/* What failed took nothing out of the pipe */
		ret[w][13] = errno_of(splice(p[0], NULL, rw, &(loff_t){ 4090 }, 100, 0));
		EXPECT_EQ(4100, size_of(at[w], "f"));
	}
	EXPECT_EQ(-EINVAL, ret[1][3]);
	EXPECT_EQ(-EAGAIN, ret[1][8]);
	EXPECT_EQ(-EINVAL, ret[1][9]);
	for (i = 0; i < 14; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* B3 */
TEST_F(splice, size_at_once)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), second = must_open(self->dir, "f", O_RDONLY);
	int copy = must_open(self->dir, "copy", O_RDWR | O_CREAT, 0644), p[2];
	char buf[4096];

	fill(buf, 4096, 0, 1);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(4096, write(p[1], buf, 4096));
	ASSERT_EQ(4096, splice(p[0], NULL, fd, NULL, 4096, 0));
	/* The copy first: to look at the size might be what brings it up to date */
	EXPECT_EQ(4096, copy_file_range(second, &(loff_t){ 0 }, copy, NULL, MIB, 0));
	expect_content("copy", 4096, 1);
	EXPECT_EQ(4096, size_of(self->dir, "f"));
	EXPECT_EQ(4096, lseek(second, 0, SEEK_END));
}

TEST_F(splice, times_at_once)
{
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), p[2];
	struct stat st, below;

	ASSERT_EQ(0, futimens(fd, old));
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, write(p[1], "x", 1));
	ASSERT_EQ(1, splice(p[0], NULL, fd, NULL, 1, 0));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
	EXPECT_LT(1500000000, st.st_mtime);
	EXPECT_EQ(0, memcmp(&st.st_mtim, &below.st_mtim, sizeof(st.st_mtim)));
}

TEST_F(splice, set_id_bits)
{
	struct stat st;
	int fd, p[2];

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(2, write(p[1], "xx", 2));
	ASSERT_EQ(1, splice(p[0], NULL, fd, NULL, 1, 0));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(06777, (int)st.st_mode & 07777);
	EXPECT_EQ(0, as_user(NOBODY, splice(p[0], NULL, fd, NULL, 1, 0)));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
	ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
}

/* B13: append-only since after the open, or append mode taken away again. */
TEST_F(splice, append_only)
{
	int fd, appender, p[2];

	make_file(_metadata, self->dir, "f", 10, 1);
	fd = must_open(self->dir, "f", O_WRONLY);
	appender = must_open(self->dir, "f", O_WRONLY | O_APPEND);
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, true));
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(2, write(p[1], "xy", 2));
	/* Who opened it before may go on */
	EXPECT_EQ(1, splice(p[0], NULL, fd, NULL, 1, 0));
	/* but append mode cannot be taken away, or not be used. */
	if (fcntl(appender, F_SETFL, 0) == 0) {
		EXPECT_EQ(-EPERM, errno_of(splice(p[0], NULL, appender, NULL, 1, 0)));
	} else {
		EXPECT_EQ(EPERM, errno);
	}
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, false));
}

TEST_F(splice, direct_descriptor)
{
	int at[2] = { self->plain, self->dir }, w;
	long ret[2][2];

	for (w = 0; w < 2; w++) {
		int in, out, p[2];

		make_file(_metadata, at[w], "from", 8192, 1);
		in = must_open(at[w], "from", O_RDONLY | O_DIRECT);
		out = must_open(at[w], "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
		ASSERT_EQ(0, pipe(p));
		ret[w][0] = errno_of(splice(in, NULL, p[1], NULL, 8192, 0));
		ret[w][1] = errno_of(splice(p[0], NULL, out, NULL, 8192, 0));
		EXPECT_EQ(-1, name_differs(at[w], "f", 8192, 1));
	}
	EXPECT_EQ(ret[0][0], ret[1][0]);
	EXPECT_EQ(ret[0][1], ret[1][1]);
}

TEST_F(splice, small_pipe)
{
	int in, out, p[2];
	size_t n = 0;

	make_file(_metadata, self->dir, "from", 100 * KIB, 1);
	in = must_open(self->dir, "from", O_RDONLY);
	out = must_open(self->dir, "f", O_WRONLY | O_CREAT, 0644);
	ASSERT_EQ(0, pipe2(p, O_NONBLOCK));
	ASSERT_EQ(4096, fcntl(p[1], F_SETPIPE_SZ, 4096));
	for (;;) {
		ssize_t m = splice(in, NULL, p[1], NULL, 1 << 20, SPLICE_F_NONBLOCK);

		if (!m)
			break;
		ASSERT_LT(0, m);
		EXPECT_EQ(-EAGAIN, errno_of(splice(in, NULL, p[1], NULL, 1 << 20, SPLICE_F_NONBLOCK)));
		ASSERT_EQ(m, splice(p[0], NULL, out, NULL, 1 << 20, SPLICE_F_NONBLOCK));
		n += m;
	}
	EXPECT_EQ(100 * KIB, n);
	expect_content("f", 100 * KIB, 1);
}

/* B18: the pipe's lock and the file's in both orders, from two tasks each. */
TEST_F(splice, concurrent_with_write)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), p[2], i, w, status;
	char buf[4096] = "";

	ASSERT_EQ(0, pipe(p));
	for (w = 0; w < 3; w++) {
		if (fork())
			continue;
		for (i = 0; i < 300; i++) {
			if (w == 0 && write(p[1], buf, 4096) != 4096)
				_exit(1);
			if (w == 1 && splice(p[0], NULL, fd, &(loff_t){ 0 }, 4096, 0) <= 0)
				_exit(2);
			if (w == 2 && (pwrite(fd, buf, 4096, 0) != 4096 || pread(fd, buf, 4096, 0) != 4096))
				_exit(3);
		}
		_exit(0);
	}
	for (w = 0; w < 3; w++) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
