// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of copy_file_range, FICLONE, FICLONERANGE and FIDEDUPERANGE: what the backing filesystem can do works with
 * its results and errnos; sizes are up to date, so that what was just written is copied; a file of the stack and one
 * of the filesystem below are files of two filesystems.
 *
 * Bugs of the C code guarded here: B3 (size stale after a write: the following copy found nothing to copy).
 */
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(copy);

#define BLOCK 65536
#define SIZE (4 * BLOCK)

static long copy(int from, off_t at, int to, off_t pos, size_t len)
{
	return errno_of(copy_file_range(from, &at, to, &pos, len, 0));
}

static long clone_range(int from, off_t at, off_t len, int to, off_t pos)
{
	struct file_clone_range range = { .src_fd = from, .src_offset = at, .src_length = len, .dest_offset = pos };

	return errno_of(ioctl(to, FICLONERANGE, &range));
}

/* The status, or the number of bytes. */
static long dedupe(int from, off_t at, off_t len, int to, off_t pos)
{
	char buf[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)] = {};
	struct file_dedupe_range *range = (void *)buf;

	range->src_offset = at;
	range->src_length = len;
	range->dest_count = 1;
	range->info[0].dest_fd = to;
	range->info[0].dest_offset = pos;
	if (ioctl(from, FIDEDUPERANGE, range))
		return -errno;
	if (range->info[0].status == FILE_DEDUPE_RANGE_DIFFERS)
		return -1000;
	return range->info[0].status ?: (long)range->info[0].bytes_deduped;
}

TEST_F(copy, whole_and_parts)
{
	int a, b;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	a = must_open(self->dir, "a", O_RDONLY);
	b = must_open(self->dir, "b", O_RDWR | O_CREAT, 0644);
	EXPECT_EQ(SIZE, copy(a, 0, b, 0, SIZE));
	expect_content("b", SIZE, 1);
	EXPECT_EQ(SIZE - 8 * 100, copy(a, 8 * 100, b, 8 * 100, SIZE)) TH_LOG("short at the end");
	EXPECT_EQ(0, copy(a, SIZE, b, 0, 10));
	expect_content("b", SIZE, 1);
	EXPECT_EQ(100, copy(a, 5, b, SIZE + 1000, 100)) TH_LOG("behind the end");
	EXPECT_EQ(SIZE + 1100, size_of(self->dir, "b"));
	EXPECT_EQ(SIZE + 1100, size_of(self->under, "b"));
	EXPECT_EQ(SIZE, size_of(self->dir, "a"));
}

TEST_F(copy, positions)
{
	int a, b;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	a = must_open(self->dir, "a", O_RDONLY);
	b = must_open(self->dir, "b", O_RDWR | O_CREAT, 0644);
	EXPECT_EQ(1000, copy_file_range(a, NULL, b, NULL, 1000, 0));
	EXPECT_EQ(1000, lseek(a, 0, SEEK_CUR));
	EXPECT_EQ(1000, lseek(b, 0, SEEK_CUR));
	EXPECT_EQ(SIZE - 1000, copy_file_range(a, NULL, b, NULL, SIZE, 0));
	EXPECT_EQ(0, copy_file_range(a, NULL, b, NULL, SIZE, 0));
	expect_content("b", SIZE, 1);
}

TEST_F(copy, within_a_file)
{
	int a;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	a = must_open(self->dir, "a", O_RDWR);
	EXPECT_EQ(BLOCK, copy(a, 0, a, SIZE, BLOCK));
	EXPECT_EQ(SIZE + BLOCK, size_of(self->dir, "a"));
	EXPECT_EQ(-EINVAL, copy(a, 0, a, 100, 1000)) TH_LOG("the ranges overlap");
	EXPECT_EQ(-1, differs(a, SIZE, 0, 1));
}

/* B3: written by one descriptor in each way there is, copied at once by another. */
TEST_F(copy, what_was_just_written)
{
	int writer = must_open(self->dir, "a", O_RDWR | O_CREAT, 0644);
	int direct = must_open(self->dir, "a", O_RDWR | O_DIRECT);
	int reader = must_open(self->dir, "a", O_RDONLY);
	int copied = must_open(self->dir, "b", O_RDWR | O_CREAT, 0644), p[2], how;
	aio_context_t ctx = 0;
	char *buf;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 4096));
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, syscall(SYS_io_setup, 1, &ctx));
	for (how = 0; how < 6; how++) {
		struct iocb iocb = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = how == 2 ? direct : writer,
				     .aio_buf = (uintptr_t)buf, .aio_nbytes = 4096, .aio_offset = how * 4096 };
		struct iocb *list[] = { &iocb };
		struct io_event event;
		off_t pos = how * 4096;

		fill(buf, 4096, pos, 1);
		switch (how) {
		case 0:
			ASSERT_EQ(4096, pwrite(writer, buf, 4096, pos));
			break;
		case 1:
			ASSERT_EQ(4096, pwrite(direct, buf, 4096, pos));
			break;
		case 2:
		case 3:
			ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, list)) TH_LOG("%m");
			ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL));
			ASSERT_EQ(4096, event.res);
			break;
		case 4:
			ASSERT_EQ(4096, write(p[1], buf, 4096));
			ASSERT_EQ(4096, splice(p[0], NULL, writer, &pos, 4096, 0));
			break;
		case 5:
			ASSERT_EQ(0, fallocate(writer, 0, pos, 4096));
			ASSERT_EQ(4096, pwrite(writer, buf, 4096, pos));
			break;
		}
		EXPECT_EQ(4096, copy(reader, how * 4096, copied, how * 4096, MIB)) TH_LOG("way %d", how);
		EXPECT_EQ((how + 1) * 4096, size_of(self->dir, "b"));
	}
	expect_content("b", 6 * 4096, 1);
	free(buf);
}

/* A copy of a copy: the size that a copy made is known as well, to descriptors that were open before. */
TEST_F(copy, chain)
{
	int fd[6], i;

	make_file(_metadata, self->dir, "f0", BLOCK, 1);
	for (i = 0; i < 6; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		fd[i] = must_open(self->dir, name, O_RDWR | O_CREAT, 0644);
	}
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(BLOCK, copy(fd[i], 0, fd[i + 1], 0, MIB)) TH_LOG("copy %d", i);
	}
	expect_content("f5", BLOCK, 1);
}

/* Made longer below: whoever has asked for the end gets all of it. */
TEST_F(copy, longer_below)
{
	int from, to, below;

	make_file(_metadata, self->dir, "a", 1000, 1);
	from = must_open(self->dir, "a", O_RDONLY);
	to = must_open(self->dir, "b", O_WRONLY | O_CREAT, 0644);
	below = must_open(self->under, "a", O_WRONLY);
	ASSERT_EQ(0, ftruncate(below, SIZE));
	EXPECT_EQ(SIZE, lseek(from, 0, SEEK_END));
	EXPECT_EQ(SIZE, copy(from, 0, to, 0, MIB));
	EXPECT_EQ(SIZE, size_of(self->under, "b"));
}

TEST_F(copy, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][10];

	for (w = 0; w < 2; w++) {
		int a, b, append;

		make_file(_metadata, at[w], "a", SIZE, 1);
		a = must_open(at[w], "a", O_RDWR);
		b = must_open(at[w], "b", O_RDWR | O_CREAT, 0644);
		append = must_open(at[w], "b", O_RDWR | O_APPEND);
		ret[w][0] = copy(must_open(at[w], "a", O_WRONLY), 0, b, 0, 10);
		ret[w][1] = copy(a, 0, must_open(at[w], "b", O_RDONLY), 0, 10);
		ret[w][2] = copy(a, 0, append, 0, 10);
		ret[w][3] = copy(a, -1, b, 0, 10);
		ret[w][4] = copy(a, 0, b, INT64_MAX - 5, 10);
		ASSERT_EQ(0, ftruncate(b, 0));
		ret[w][5] = copy(at[w], 0, b, 0, 10);
		ret[w][6] = copy(a, 0, at[w], 0, 10);
		ret[w][7] = errno_of(copy_file_range(a, NULL, b, NULL, 10, 1));
		ret[w][8] = copy(a, 0, b, 0, 0);
		ASSERT_EQ(0, set_flag(w ? self->under : self->plain, "b", FS_IMMUTABLE_FL, true));
		ret[w][9] = copy(a, 0, b, 0, 10);
		ASSERT_EQ(0, set_flag(w ? self->under : self->plain, "b", FS_IMMUTABLE_FL, false));
	}
	for (i = 0; i < 10; i++)
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("error %d", i);
	EXPECT_EQ(0, size_of(self->under, "b"));
}

TEST_F(copy, set_id_bits)
{
	struct stat st;
	int a, b;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	make_file(_metadata, self->dir, "b", SIZE, 2);
	ASSERT_EQ(0, fchmodat(self->dir, "b", 06777, 0));
	a = must_open(self->dir, "a", O_RDONLY);
	b = must_open(self->dir, "b", O_RDWR);
	ASSERT_EQ(SIZE, copy(a, 0, b, 0, SIZE));
	ASSERT_EQ(0, fstat(b, &st));
	EXPECT_EQ(06777, (int)st.st_mode & 07777) TH_LOG("root may keep them");
	EXPECT_EQ(0, as_user(NOBODY, copy(a, 0, b, 0, SIZE) == SIZE ? 0 : -1));
	ASSERT_EQ(0, fstat(b, &st));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
	ASSERT_EQ(0, fstatat(self->under, "b", &st, 0));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
}

/* Between the stack and the filesystem below, and between two stacks on it. */
TEST_F(copy, boundaries)
{
	const char *source;
	char second[64];
	int a, b, other;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	make_file(_metadata, self->plain, "p", SIZE, 2);
	a = must_open(self->dir, "a", O_RDWR);
	b = must_open(self->plain, "p", O_RDWR);
	if (variant->layers == DIRECT) {
		EXPECT_EQ(SIZE, copy(a, 0, b, 0, SIZE));
		EXPECT_EQ(-1, differs(b, SIZE, 0, 1));
		return;
	}
	EXPECT_EQ(-EXDEV, copy(a, 0, b, 0, SIZE));
	EXPECT_EQ(-EXDEV, copy(b, 0, a, 0, SIZE));
	EXPECT_EQ(-EXDEV, errno_of(ioctl(b, FICLONE, a)));
	EXPECT_EQ(-EXDEV, errno_of(ioctl(a, FICLONE, b)));
	EXPECT_EQ(-1, differs(a, SIZE, 0, 1));
	EXPECT_EQ(-1, differs(b, SIZE, 0, 2));

	/* A stack of the same depth on the same filesystem: the backing files can be copied */
	snprintf(second, sizeof(second), "/tmp/second.%d", getpid());
	ASSERT_EQ(0, mkdir(second, 0755));
	source = variant->layers == STACK ? self->place.plain_path : getenv("BF_STACK");
	ASSERT_EQ(0, mount(source, second, "passfs", 0, NULL)) TH_LOG("%m");
	other = open(second, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, other);
	b = must_open(other, "copied", O_RDWR | O_CREAT, 0644);
	EXPECT_EQ(SIZE, copy(a, 0, b, 0, SIZE));
	EXPECT_EQ(-1, differs(b, SIZE, 0, 1));
	EXPECT_EQ(-EXDEV, errno_of(ioctl(b, FICLONE, a))) TH_LOG("blocks are shared within a filesystem");
	unlinkat(other, "copied", 0);
	close(b);
	close(other);
	EXPECT_EQ(0, umount(second));
	rmdir(second);
}

TEST_F(copy, clone)
{
	int at[2] = { self->plain, self->dir }, w, i;
	bool able = fs_is("xfs") || fs_is("btrfs");
	long ret[2][9];

	for (w = 0; w < 2; w++) {
		int a, b, c;

		make_file(_metadata, at[w], "a", SIZE + 100, 1);
		a = must_open(at[w], "a", O_RDWR);
		b = must_open(at[w], "b", O_RDWR | O_CREAT, 0644);
		c = must_open(at[w], "c", O_RDWR | O_CREAT, 0644);
		ret[w][0] = errno_of(ioctl(b, FICLONE, a));
		ret[w][1] = clone_range(a, BLOCK, BLOCK, c, 2 * BLOCK);
		ret[w][2] = size_of(at[w], "c");
		ret[w][3] = clone_range(a, 100, BLOCK, c, 0);
		ret[w][4] = clone_range(a, 0, 2 * BLOCK, a, BLOCK);
		ret[w][5] = clone_range(a, 0, 4 * SIZE, c, 0);
		ret[w][6] = clone_range(a, 0, 0, c, 3 * BLOCK);
		ret[w][7] = errno_of(ioctl(must_open(at[w], "b", O_RDONLY), FICLONE, a));
		ret[w][8] = errno_of(ioctl(b, FICLONE, at[w]));
	}
	for (i = 0; i < 9; i++)
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("clone %d", i);
	EXPECT_EQ(able ? 0 : -EOPNOTSUPP, ret[1][0]);
	if (able)
		expect_content("b", SIZE + 100, 1);
	EXPECT_EQ(size_of(self->dir, "c"), size_of(self->under, "c"));
}

/* A file that shares its blocks stays what it is when the other changes. */
TEST_F(copy, clone_is_independent)
{
	int a, b;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	a = must_open(self->dir, "a", O_RDWR);
	b = must_open(self->dir, "b", O_RDWR | O_CREAT, 0644);
	if (ioctl(b, FICLONE, a)) {
		EXPECT_EQ(EOPNOTSUPP, errno);
		EXPECT_TRUE(fs_is("ext4") || fs_is("tmpfs"));
		ASSERT_EQ(SIZE, copy(a, 0, b, 0, SIZE));
	}
	ASSERT_EQ(7, pwrite(a, "changed", 7, BLOCK));
	expect_content("b", SIZE, 1);
}

TEST_F(copy, dedupe)
{
	int at[2] = { self->plain, self->dir }, w, i;
	bool able = fs_is("xfs") || fs_is("btrfs");
	long ret[2][6];

	for (w = 0; w < 2; w++) {
		int a, b, c;

		make_file(_metadata, at[w], "a", SIZE, 1);
		make_file(_metadata, at[w], "b", SIZE, 1);
		make_file(_metadata, at[w], "c", SIZE, 2);
		a = must_open(at[w], "a", O_RDWR);
		b = must_open(at[w], "b", O_RDWR);
		c = must_open(at[w], "c", O_RDWR);
		ret[w][0] = dedupe(a, 0, SIZE, b, 0);
		ret[w][1] = dedupe(a, 0, BLOCK, c, 0);
		ret[w][2] = dedupe(a, 100, BLOCK, b, 100);
		ret[w][3] = dedupe(a, 0, 0, b, 0);
		ret[w][4] = dedupe(a, 0, 2 * SIZE, b, 0);
		ret[w][5] = dedupe(a, 0, BLOCK, must_open(at[w], "b", O_RDONLY), 0);
	}
	for (i = 0; i < 6; i++) {
		/* Ranges that are none, where there is no dedupe: README, limits */
		if (!able && variant->layers && (i == 3 || i == 4))
			continue;
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("dedupe %d", i);
	}
	EXPECT_EQ(able ? SIZE : -EOPNOTSUPP, ret[1][0]);
	EXPECT_EQ(able ? -1000 : -EOPNOTSUPP, ret[1][1]);
	expect_content("b", SIZE, 1);
	expect_content("c", SIZE, 2);
}

/* Content stays, and with it what a change of content takes away. */
TEST_F(copy, dedupe_keeps_set_id_bits)
{
	struct stat st;

	make_file(_metadata, self->dir, "a", SIZE, 1);
	make_file(_metadata, self->dir, "b", SIZE, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "b", 06777, 0));
	dedupe(must_open(self->dir, "a", O_RDONLY), 0, SIZE, must_open(self->dir, "b", O_RDWR), 0);
	ASSERT_EQ(0, fstatat(self->dir, "b", &st, 0));
	EXPECT_EQ(06777, (int)st.st_mode & 07777);
}

TEST_HARNESS_MAIN
