// SPDX-License-Identifier: GPL-2.0
/*
 * Promise of lseek: the position, and the errno, are those the backing filesystem gives, data and holes included; each
 * open file has a position of its own.
 */
#include "kselftest_harness.h"
#include "place.h"

PLACES(seek);

#define BLOCK 65536

/* Data in blocks 1, 2 and 5 of 8; ends within a block of the filesystem. */
static void make_sparse(struct __test_metadata *const _metadata, int at, const char *name)
{
	int fd = must_open(at, name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *buf = malloc(BLOCK);

	fill(buf, BLOCK, 0, 1);
	ASSERT_EQ(BLOCK, pwrite(fd, buf, BLOCK, 1 * BLOCK));
	ASSERT_EQ(BLOCK, pwrite(fd, buf, BLOCK, 2 * BLOCK));
	ASSERT_EQ(BLOCK, pwrite(fd, buf, BLOCK, 5 * BLOCK));
	ASSERT_EQ(0, ftruncate(fd, 8 * BLOCK + 100));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, close(fd));
	free(buf);
}

TEST_F(seek, every_way)
{
	static const off_t offsets[] = {
		0, 1, -1, 4095, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK - 1, 4 * BLOCK + 7, 5 * BLOCK,
		6 * BLOCK, 8 * BLOCK, 8 * BLOCK + 99, 8 * BLOCK + 100, 8 * BLOCK + 101, 1LL << 40, INT64_MAX, INT64_MIN,
		-8 * BLOCK,
	};
	static const int ways[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 5, -1 };
	int fd[2], w;
	size_t i, j;

	make_sparse(_metadata, self->plain, "f");
	make_sparse(_metadata, self->dir, "f");
	fd[0] = must_open(self->plain, "f", O_RDONLY);
	fd[1] = must_open(self->dir, "f", O_RDONLY);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (j = 0; j < ARRAY_SIZE(offsets); j++) {
			long ret[2], pos[2];

			for (w = 0; w < 2; w++) {
				ASSERT_EQ(1000, lseek(fd[w], 1000, SEEK_SET));
				ret[w] = errno_of(lseek(fd[w], offsets[j], ways[i]));
				pos[w] = lseek(fd[w], 0, SEEK_CUR);
			}
			EXPECT_EQ(ret[0], ret[1]) TH_LOG("way %d, offset %ld", ways[i], (long)offsets[j]);
			EXPECT_EQ(pos[0], pos[1]) TH_LOG("way %d, offset %ld: position", ways[i], (long)offsets[j]);
		}
	}
}

/* The file system may know of more data than was written, not of less; hole and data take turns. */
TEST_F(seek, data_and_holes)
{
	off_t data, hole = 0;
	int fd, covered = 0;

	make_sparse(_metadata, self->dir, "f");
	fd = must_open(self->dir, "f", O_RDONLY);
	while ((data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		EXPECT_LE(hole, data);
		hole = lseek(fd, data, SEEK_HOLE);
		ASSERT_LT(data, hole);
		covered += (data <= 1 * BLOCK && hole >= 3 * BLOCK) + (data <= 5 * BLOCK && hole >= 6 * BLOCK);
	}
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(2, covered);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE)) TH_LOG("each of the four knows of holes");
	EXPECT_EQ(-ENXIO, errno_of(lseek(fd, 8 * BLOCK + 100, SEEK_HOLE)));
}

TEST_F(seek, data_at_once)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), below;

	ASSERT_EQ(0, ftruncate(fd, 8 * BLOCK));
	EXPECT_EQ(-ENXIO, errno_of(lseek(fd, 0, SEEK_DATA)));
	ASSERT_EQ(4, pwrite(fd, "data", 4, 4 * BLOCK));
	EXPECT_EQ(4 * BLOCK, lseek(fd, 0, SEEK_DATA));
	below = must_open(self->under, "f", O_RDWR);
	ASSERT_EQ(4, pwrite(below, "data", 4, 2 * BLOCK));
	EXPECT_EQ(2 * BLOCK, lseek(fd, 0, SEEK_DATA));
	ASSERT_EQ(4, pwrite(below, "data", 4, 10 * BLOCK));
	EXPECT_EQ(10 * BLOCK + 4, lseek(fd, 0, SEEK_END)) TH_LOG("longer below");
	EXPECT_EQ(10 * BLOCK, lseek(fd, 5 * BLOCK, SEEK_DATA));
}

TEST_F(seek, own_position)
{
	int a, b, c;
	char x, y;

	make_file(_metadata, self->dir, "f", 1000, 1);
	a = must_open(self->dir, "f", O_RDWR);
	b = must_open(self->dir, "f", O_RDWR);
	c = dup(a);
	ASSERT_EQ(500, lseek(a, 500, SEEK_SET));
	EXPECT_EQ(0, lseek(b, 0, SEEK_CUR));
	EXPECT_EQ(500, lseek(c, 0, SEEK_CUR));
	ASSERT_EQ(1, read(c, &x, 1));
	EXPECT_EQ(501, lseek(a, 0, SEEK_CUR));
	ASSERT_EQ(1, pread(b, &y, 1, 500));
	EXPECT_EQ(x, y);
	EXPECT_EQ(0, lseek(b, 0, SEEK_CUR));
	ASSERT_EQ(4, write(b, "abcd", 4));
	EXPECT_EQ(4, lseek(b, 0, SEEK_CUR));
	EXPECT_EQ(2000, lseek(b, 2000, SEEK_SET)) TH_LOG("behind the end");
	EXPECT_EQ(0, read(b, &x, 1));
	ASSERT_EQ(1, write(b, "x", 1));
	EXPECT_EQ(2001, size_of(self->under, "f"));
}

TEST_HARNESS_MAIN
