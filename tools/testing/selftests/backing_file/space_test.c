// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of fallocate, truncate and advice: every mode the backing filesystem has works with its results, errnos and
 * contents; sizes are visible at once; set-id bits go when content changes, and only then.
 *
 * Each mode is done on the same file of the backing filesystem alone and compared.
 */
#include <linux/falloc.h>
#include <signal.h>
#include <sys/resource.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(space);

#define BLOCK 16384
#define SIZE (8 * BLOCK)

static bool same_content(int a, int b)
{
	char *x = malloc(4 * SIZE), *y = malloc(4 * SIZE);
	ssize_t n = pread(a, x, 4 * SIZE, 0), m = pread(b, y, 4 * SIZE, 0);
	bool same = n == m && n >= 0 && !memcmp(x, y, n);

	free(x);
	free(y);
	return same;
}

TEST_F(space, every_mode)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "allocate", 0 },
		{ "KEEP_SIZE", FALLOC_FL_KEEP_SIZE },
		{ "PUNCH_HOLE", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "PUNCH_HOLE alone", FALLOC_FL_PUNCH_HOLE },
		{ "ZERO_RANGE", FALLOC_FL_ZERO_RANGE },
		{ "ZERO_RANGE|KEEP_SIZE", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "COLLAPSE_RANGE", FALLOC_FL_COLLAPSE_RANGE },
		{ "INSERT_RANGE", FALLOC_FL_INSERT_RANGE },
		{ "UNSHARE_RANGE", FALLOC_FL_UNSHARE_RANGE },
		{ "WRITE_ZEROES", 0x80 /* FALLOC_FL_WRITE_ZEROES, newer than some headers */ },
		{ "COLLAPSE|INSERT", FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE },
		{ "NO_HIDE_STALE", FALLOC_FL_NO_HIDE_STALE },
		{ "an unknown one", 1 << 20 },
	};
	static const struct {
		off_t at, len;
	} ranges[] = {
		{ 0, BLOCK }, { BLOCK, 2 * BLOCK }, { 100, 1000 }, { SIZE - BLOCK, 3 * BLOCK }, { SIZE, BLOCK },
		{ 2 * SIZE, 100 }, { 0, SIZE }, { 0, 0 }, { -1, 10 }, { 0, -1 }, { INT64_MAX, 1 },
		{ INT64_MAX - 10, 100 },
	};
	int at[2] = { self->plain, self->dir }, fd[2], w;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			struct stat st[2];
			long ret[2];

			for (w = 0; w < 2; w++) {
				make_file(_metadata, at[w], "f", SIZE, 1);
				fd[w] = must_open(at[w], "f", O_RDWR);
				ret[w] = errno_of(fallocate(fd[w], modes[i].mode, ranges[j].at, ranges[j].len));
				ASSERT_EQ(0, fstat(fd[w], &st[w]));
			}
			EXPECT_EQ(ret[0], ret[1])
				TH_LOG("%s %ld+%ld", modes[i].name, (long)ranges[j].at, (long)ranges[j].len);
			EXPECT_EQ(st[0].st_size, st[1].st_size) TH_LOG("%s: size", modes[i].name);
			EXPECT_EQ(st[1].st_size, size_of(self->under, "f")) TH_LOG("%s: size below", modes[i].name);
			EXPECT_TRUE(same_content(fd[0], fd[1]))
				TH_LOG("%s %ld+%ld: content", modes[i].name, (long)ranges[j].at, (long)ranges[j].len);
			close(fd[0]);
			close(fd[1]);
		}
	}
}

TEST_F(space, blocks)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	struct stat st;

	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, MIB));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_size);
	EXPECT_LE(MIB / 512, st.st_blocks);
	ASSERT_EQ(0, fallocate(fd, 0, 0, MIB));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(MIB, st.st_size);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MIB));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(MIB, st.st_size);
	EXPECT_GT(MIB / 512, st.st_blocks);
}

TEST_F(space, errors)
{
	struct rlimit limit = { 2 * SIZE, 2 * SIZE };
	int fd, dir;

	make_file(_metadata, self->dir, "f", SIZE, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(-EBADF, errno_of(fallocate(fd, 0, 0, BLOCK)));
	EXPECT_EQ(-EINVAL, errno_of(ftruncate(fd, 0)));
	dir = openat(self->dir, ".", O_RDONLY);
	EXPECT_EQ(-EBADF, errno_of(fallocate(dir, 0, 0, BLOCK)));
	EXPECT_EQ(-EINVAL, errno_of(ftruncate(dir, 0)));
	fd = must_open(self->dir, "f", O_RDWR);
	EXPECT_EQ(-EINVAL, errno_of(ftruncate(fd, -1)));
	EXPECT_EQ(-EINVAL, errno_of(fallocate(fd, 0, 0, 0)));

	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, true));
	EXPECT_EQ(-EPERM, errno_of(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK)));
	EXPECT_EQ(-EPERM, errno_of(ftruncate(fd, 0)));
	EXPECT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, BLOCK)) TH_LOG("space alone may be added");
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, false));
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, true));
	EXPECT_EQ(-EPERM, errno_of(fallocate(fd, 0, 0, 2 * SIZE)));
	/* A file system alone lets a descriptor from before go on: README, limits */
	if (variant->layers)
		EXPECT_EQ(-EPERM, errno_of(ftruncate(fd, 0)));
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, false));
	expect_content("f", SIZE, 1);

	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(-EFBIG, errno_of(fallocate(fd, 0, 0, 3 * SIZE)));
	EXPECT_EQ(-EFBIG, errno_of(ftruncate(fd, 3 * SIZE)));
	EXPECT_EQ(SIZE, size_of(self->under, "f"));
}

TEST_F(space, truncate)
{
	static const off_t sizes[] = { 0, 1, 4095, 4096, 4097, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE };
	char path[PATH_MAX], *zero = calloc(1, 4 * SIZE), *buf = malloc(4 * SIZE);
	size_t i;

	snprintf(path, sizeof(path), "%.4000s/f", self->place.path);
	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		off_t size = sizes[i / 2], kept = size < SIZE ? size : SIZE;
		int fd, reader;

		make_file(_metadata, self->dir, "f", SIZE, 1);
		fd = must_open(self->dir, "f", O_RDWR);
		reader = must_open(self->dir, "f", O_RDONLY);
		ASSERT_EQ(0, i % 2 ? truncate(path, size) : ftruncate(fd, size));
		EXPECT_EQ(size, lseek(reader, 0, SEEK_END));
		EXPECT_EQ(size, size_of(self->dir, "f"));
		EXPECT_EQ(size, size_of(self->under, "f"));
		EXPECT_EQ(-1, differs(reader, kept, 0, 1)) TH_LOG("%ld", (long)size);
		ASSERT_EQ(size - kept, pread(reader, buf, 4 * SIZE, kept));
		EXPECT_EQ(0, memcmp(buf, zero, size - kept));
		close(fd);
		close(reader);
	}
	EXPECT_EQ(-EINVAL, errno_of(truncate(path, -1)));
	EXPECT_EQ(EACCES, as_user(NOBODY, truncate(path, 0)));
	EXPECT_EQ(-EISDIR, errno_of(truncate(self->place.path, 0)));
	free(zero);
	free(buf);
}

/* Shrunk and extended again: what was cut off does not come back. */
TEST_F(space, nothing_comes_back)
{
	char zero[BLOCK] = {}, buf[BLOCK];
	int fd;

	make_file(_metadata, self->dir, "f", BLOCK, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, ftruncate(fd, 100));
	ASSERT_EQ(0, ftruncate(fd, BLOCK));
	ASSERT_EQ(BLOCK - 100, pread(fd, buf, BLOCK, 100));
	EXPECT_EQ(0, memcmp(buf, zero, BLOCK - 100));
	ASSERT_EQ(0, ftruncate(must_open(self->under, "f", O_RDWR), 50));
	ASSERT_EQ(0, fallocate(fd, 0, 0, BLOCK));
	ASSERT_EQ(BLOCK - 50, pread(fd, buf, BLOCK, 50));
	EXPECT_EQ(0, memcmp(buf, zero, BLOCK - 50));
}

static int change(int fd, int how)
{
	switch (how) {
	case 0: return fallocate(fd, 0, 0, 2 * SIZE);
	case 1: return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK);
	case 2: return ftruncate(fd, 10);
	case 3: return ftruncate(fd, 3 * SIZE);
	default: return -1;
	}
}

TEST_F(space, set_id_bits)
{
	struct stat st;
	int how;

	for (how = 0; how < 4; how++) {
		int fd;

		make_file(_metadata, self->dir, "f", SIZE, 1);
		ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
		fd = must_open(self->dir, "f", O_RDWR);
		ASSERT_EQ(0, change(fd, how));
		ASSERT_EQ(0, fstat(fd, &st));
		/* ftruncate() takes them from root as well, as a change of the attribute does */
		if (how < 2) {
			EXPECT_EQ(06777, (int)st.st_mode & 07777) TH_LOG("root may keep them, %d", how);
		}
		make_file(_metadata, self->dir, "f", SIZE, 1);
		ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
		EXPECT_EQ(0, as_user(NOBODY, change(fd, how)));
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(0777, (int)st.st_mode & 07777) TH_LOG("change %d, stack", how);
		ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
		EXPECT_EQ(0777, (int)st.st_mode & 07777) TH_LOG("change %d, below", how);
		close(fd);
	}
}

TEST_F(space, times_at_once)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct stat before, after, below;
	int fd, how;

	for (how = 0; how < 4; how++) {
		make_file(_metadata, self->dir, "f", SIZE, 1);
		fd = must_open(self->dir, "f", O_RDWR);
		ASSERT_EQ(0, futimens(fd, old));
		ASSERT_EQ(0, fstat(fd, &before));
		ASSERT_EQ(0, change(fd, how));
		ASSERT_EQ(0, fstat(fd, &after));
		ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
		EXPECT_LT(before.st_mtim.tv_sec, after.st_mtim.tv_sec) TH_LOG("change %d", how);
		EXPECT_EQ(0, memcmp(&below.st_mtim, &after.st_mtim, sizeof(below.st_mtim))) TH_LOG("change %d", how);
		EXPECT_EQ(0, memcmp(&below.st_ctim, &after.st_ctim, sizeof(below.st_ctim))) TH_LOG("change %d", how);
		close(fd);
	}
}

TEST_F(space, advice)
{
	static const int kinds[] = {
		POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,
		POSIX_FADV_NOREUSE, 99, -1,
	};
	int at[2] = { self->plain, self->dir }, w, p[2];
	long ret[2][4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (w = 0; w < 2; w++) {
			int fd;

			make_file(_metadata, at[w], "f", SIZE, 1);
			fd = must_open(at[w], "f", O_RDWR);
			ret[w][0] = posix_fadvise(fd, 0, 0, kinds[i]);
			ret[w][1] = posix_fadvise(fd, 100, BLOCK, kinds[i]);
			ret[w][2] = posix_fadvise(fd, 2 * SIZE, BLOCK, kinds[i]);
			ret[w][3] = posix_fadvise(fd, 0, -1, kinds[i]);
			EXPECT_EQ(-1, differs(fd, SIZE, 0, 1));
			close(fd);
		}
		EXPECT_EQ(0, memcmp(ret[0], ret[1], sizeof(ret[0]))) TH_LOG("advice %d", kinds[i]);
	}
	for (w = 0; w < 2; w++) {
		ret[w][0] = errno_of(readahead(must_open(at[w], "f", O_RDONLY), 0, SIZE));
		ret[w][1] = errno_of(readahead(must_open(at[w], "f", O_WRONLY), 0, SIZE));
		ret[w][2] = errno_of(readahead(must_open(at[w], "f", O_RDONLY), 4 * SIZE, SIZE));
		ret[w][3] = errno_of(readahead(at[w], 0, SIZE));
	}
	EXPECT_EQ(0, ret[1][0]);
	EXPECT_EQ(-EBADF, ret[1][1]);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("readahead %zu", i);
	}
	ASSERT_EQ(0, pipe(p));
	EXPECT_EQ(ESPIPE, posix_fadvise(p[0], 0, 0, POSIX_FADV_WILLNEED));
}

TEST_F(space, sync)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), ro;

	ASSERT_EQ(4, write(fd, "abcd", 4));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, fdatasync(fd));
	EXPECT_EQ(0, sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	EXPECT_EQ(0, syncfs(fd));
	ro = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(0, fsync(ro));
	EXPECT_EQ(0, fsync(self->dir));
	EXPECT_EQ(4, size_of(self->under, "f"));
}

TEST_HARNESS_MAIN
