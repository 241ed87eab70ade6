// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of attributes: statx says of a file of the stack, of whatever kind, what it says of the file below, but for
 * the device; what is done to a file shows at once, in each field that it changes; who may change what is as below.
 */
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(attr);

/* All that there is: basic fields, btime, ids of mounts and subvolumes, alignment of direct I/O, atomic writes. */
#define EVERYTHING 0x7fffffff

static void make_kinds(struct __test_metadata *const _metadata, int at)
{
	int fd;

	make_file(_metadata, at, "file", 100000, 1);
	make_file(_metadata, at, "empty", 0, 1);
	ASSERT_EQ(0, fchownat(at, "empty", 1234, 4321, 0));
	ASSERT_EQ(0, fchmodat(at, "empty", 06751, 0));
	fd = must_open(at, "sparse", O_RDWR | O_CREAT, 0600);
	ASSERT_EQ(3, pwrite(fd, "abc", 3, 100 * MIB));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, linkat(at, "file", at, "linked", 0));
	ASSERT_EQ(0, mkdirat(at, "folder", 01777));
	ASSERT_EQ(0, mkdirat(at, "folder/inside", 0700));
	ASSERT_EQ(0, symlinkat("some/where", at, "symlink"));
	ASSERT_EQ(0, mknodat(at, "fifo", S_IFIFO | 0640, 0));
	ASSERT_EQ(0, mknodat(at, "device", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_EQ(0, mknodat(at, "disk", S_IFBLK | 0600, makedev(259, 200000)));
	ASSERT_EQ(0, mknodat(at, "socket", S_IFSOCK | 0600, 0));
}

static const char * const kinds[] = {
	"file", "empty", "sparse", "linked", "folder", "folder/inside", "symlink", "fifo", "device", "disk", "socket",
	".",
};

/* The device, and which mount it is, are the stack's own. */
static void look(struct __test_metadata *const _metadata, int at, const char *name, struct statx *stx)
{
	memset(stx, 0, sizeof(*stx));
	ASSERT_EQ(0, statx(at, name, AT_SYMLINK_NOFOLLOW, EVERYTHING, stx)) TH_LOG("%s: %m", name);
	stx->stx_dev_major = 0;
	stx->stx_dev_minor = 0;
	stx->stx_mnt_id = 0;
}

#define expect_same(name) \
do { \
	struct statx own, below; \
	\
	look(_metadata, self->dir, name, &own); \
	look(_metadata, self->under, name, &below); \
	EXPECT_EQ(0, memcmp(&own, &below, sizeof(own))) TH_LOG("%s", name); \
} while (0)

TEST_F(attr, every_field)
{
	struct stat st, top;
	struct statx stx;
	size_t i;

	make_kinds(_metadata, self->dir);
	ASSERT_EQ(0, fstat(self->dir, &top));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		expect_same(kinds[i]);
		look(_metadata, self->dir, kinds[i], &stx);
		EXPECT_EQ(STATX_BASIC_STATS | STATX_BTIME, stx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
		ASSERT_EQ(0, fstatat(self->dir, kinds[i], &st, AT_SYMLINK_NOFOLLOW));
		EXPECT_EQ(top.st_dev, st.st_dev) TH_LOG("%s", kinds[i]);
		EXPECT_EQ(st.st_ino, stx.stx_ino);
	}
	ASSERT_EQ(0, fstat(self->under, &st));
	EXPECT_EQ(variant->layers == DIRECT, st.st_dev == top.st_dev);

	look(_metadata, self->dir, "linked", &stx);
	EXPECT_EQ(2, stx.stx_nlink);
	EXPECT_EQ(100000, stx.stx_size);
	EXPECT_LE(100000 / 512, stx.stx_blocks);
	look(_metadata, self->dir, "sparse", &stx);
	EXPECT_EQ(100 * MIB + 3, stx.stx_size);
	EXPECT_GT(MIB / 512, stx.stx_blocks);
	look(_metadata, self->dir, "empty", &stx);
	EXPECT_EQ(1234, stx.stx_uid);
	EXPECT_EQ(4321, stx.stx_gid);
	EXPECT_EQ(S_IFREG | 06751, stx.stx_mode);
	look(_metadata, self->dir, "disk", &stx);
	EXPECT_EQ(259, stx.stx_rdev_major);
	EXPECT_EQ(200000, stx.stx_rdev_minor);
	look(_metadata, self->dir, "symlink", &stx);
	EXPECT_EQ(strlen("some/where"), stx.stx_size);
}

/* What chattr sets shows in statx, and where the filesystem tells it also that it could. */
TEST_F(attr, attributes)
{
	static const int flags[] = { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, FS_COMPR_FL };
	static const __u64 bits[] = {
		STATX_ATTR_APPEND, STATX_ATTR_IMMUTABLE, STATX_ATTR_NODUMP, STATX_ATTR_COMPRESSED,
	};
	struct statx stx;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		make_file(_metadata, self->dir, "f", 10, 1);
		if (!set_flag(self->under, "f", flags[i], true)) {
			expect_same("f");
			look(_metadata, self->dir, "f", &stx);
			if (flags[i] != FS_COMPR_FL) {
				EXPECT_TRUE(stx.stx_attributes & bits[i]) TH_LOG("flag %#x", flags[i]);
				EXPECT_TRUE(stx.stx_attributes_mask & bits[i]) TH_LOG("flag %#x", flags[i]);
			}
			ASSERT_EQ(0, set_flag(self->under, "f", flags[i], false));
			expect_same("f");
		}
		ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	}
}

static struct timespec stamp(const struct statx_timestamp *t)
{
	return (struct timespec){ t->tv_sec, t->tv_nsec };
}

static int compare(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}

enum { NEW_ATIME = 1, NEW_MTIME = 2, NEW_CTIME = 4 };

static int newer(const struct statx *before, const struct statx *after)
{
	int what = 0;

	if (compare(stamp(&before->stx_atime), stamp(&after->stx_atime)))
		what |= NEW_ATIME;
	if (compare(stamp(&before->stx_mtime), stamp(&after->stx_mtime)))
		what |= NEW_MTIME;
	if (compare(stamp(&before->stx_ctime), stamp(&after->stx_ctime)))
		what |= NEW_CTIME;
	return what;
}

/* Of "f" in @at, which also has "d/g" */
static int act(int at, int fd, int how)
{
	static const struct timespec times[2] = { { .tv_sec = 77, .tv_nsec = 88 }, { .tv_nsec = UTIME_OMIT } };
	char buf[16], *map;
	int ret;

	switch (how) {
	case 0:
		return pwrite(fd, "abc", 3, 10) != 3;
	case 1:
		return ftruncate(fd, 50);
	case 2:
		return fallocate(fd, 0, 0, 8192);
	case 3:
		return fchmod(fd, 0640);
	case 4:
		return fchown(fd, 10, -1);
	case 5:
		return linkat(at, "f", at, "l", 0);
	case 6:
		return unlinkat(at, "l", 0);
	case 7:
		return fsetxattr(fd, "user.x", "y", 1, 0);
	case 8:
		return futimens(fd, times);
	case 9:
		return pread(fd, buf, 10, 0) != 10;
	case 10:
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return -1;
		map[0]++;
		ret = msync(map, 4096, MS_SYNC);
		return munmap(map, 4096) ?: ret;
	case 11:
		return renameat(at, "f", at, "f2") ?: renameat(at, "f2", at, "f");
	default:
		return futimens(fd, NULL);
	}
}

#define ACTS 13

/* Each action changes the times that it does on the backing filesystem, on both sides, before the next look. */
TEST_F(attr, times)
{
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	int at[2] = { self->plain, self->dir }, w, how, fd[2], changed[2];
	struct statx before, after;

	for (w = 0; w < 2; w++) {
		make_file(_metadata, at[w], "f", 10000, 1);
		fd[w] = must_open(at[w], "f", O_RDWR);
	}
	for (how = 0; how < ACTS; how++) {
		for (w = 0; w < 2; w++) {
			ASSERT_EQ(0, futimens(fd[w], old));
			look(_metadata, at[w], "f", &before);
			usleep(10000);
			ASSERT_EQ(0, act(at[w], fd[w], how)) TH_LOG("act %d: %m", how);
			look(_metadata, at[w], "f", &after);
			changed[w] = newer(&before, &after);
			EXPECT_EQ(0, compare(stamp(&before.stx_btime), stamp(&after.stx_btime))) TH_LOG("act %d", how);
		}
		expect_same("f");
		EXPECT_EQ(changed[0], changed[1]) TH_LOG("act %d", how);
	}
	/* One to be sure that there is something to compare */
	EXPECT_EQ(NEW_ATIME | NEW_MTIME | NEW_CTIME, changed[1]);
}

/* Of a folder: when names come and go, and when it is read. */
TEST_F(attr, folder_times)
{
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	int at[2] = { self->plain, self->dir }, w, how, changed[2], d;
	struct statx before, after;
	struct stat st;

	for (w = 0; w < 2; w++)
		ASSERT_EQ(0, mkdirat(at[w], "d", 0755));
	for (how = 0; how < 8; how++) {
		for (w = 0; w < 2; w++) {
			d = must_open(at[w], "d", O_RDONLY | O_DIRECTORY);
			ASSERT_EQ(0, futimens(d, old));
			look(_metadata, at[w], "d", &before);
			usleep(10000);
			switch (how) {
			case 0:
				make_file(_metadata, d, "f", 10, 1);
				break;
			case 1:
				ASSERT_EQ(0, mkdirat(d, "sub", 0755));
				break;
			case 2:
				ASSERT_EQ(0, renameat(d, "f", d, "g"));
				break;
			case 3:
				ASSERT_EQ(0, unlinkat(d, "g", 0));
				break;
			case 4:
				ASSERT_EQ(0, symlinkat("x", d, "s"));
				break;
			case 5:
				ASSERT_EQ(-1, unlinkat(d, "missing", 0));
				break;
			case 6:
				ASSERT_EQ(0, unlinkat(d, "sub", AT_REMOVEDIR));
				break;
			default:
				ASSERT_EQ(0, fstatat(d, "s", &st, AT_SYMLINK_NOFOLLOW));
				close(openat(at[w], "d/missing", O_RDONLY));
			}
			close(d);
			look(_metadata, at[w], "d", &after);
			changed[w] = newer(&before, &after);
		}
		expect_same("d");
		EXPECT_EQ(changed[0], changed[1]) TH_LOG("act %d", how);
		EXPECT_EQ(how == 5 || how == 7 ? 0 : NEW_MTIME | NEW_CTIME, changed[1]) TH_LOG("act %d", how);
	}
}

/* To the nanosecond if the filesystem has them; NOW, OMIT, and far away. */
TEST_F(attr, set_times)
{
	static const struct timespec start[2] = { { 3, 3 }, { 4, 4 } };
	static const struct timespec pairs[][2] = {
		{ { 1, 999999999 }, { 2, 1 } },
		{ { -1, 500 }, { 0, 0 } },
		{ { 1L << 33, 0 }, { 1L << 40, 5 } },
		{ { 5, 5 }, { 0, UTIME_OMIT } },
		{ { 0, UTIME_OMIT }, { 6, 6 } },
		{ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } },
		{ { 0, 1000000000 }, { 0, 0 } },
	};
	int at[2] = { self->plain, self->dir }, w;
	struct statx stx[2];
	long ret[2];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		for (w = 0; w < 2; w++) {
			make_file(_metadata, at[w], "f", 10, 1);
			ASSERT_EQ(0, utimensat(at[w], "f", start, 0));
			ret[w] = errno_of(utimensat(at[w], "f", pairs[i], 0));
			look(_metadata, at[w], "f", &stx[w]);
		}
		expect_same("f");
		EXPECT_EQ(ret[0], ret[1]) TH_LOG("pair %zu", i);
		EXPECT_EQ(0, compare(stamp(&stx[0].stx_atime), stamp(&stx[1].stx_atime))) TH_LOG("pair %zu", i);
		EXPECT_EQ(0, compare(stamp(&stx[0].stx_mtime), stamp(&stx[1].stx_mtime))) TH_LOG("pair %zu", i);
	}
	/* Of a symbolic link itself, and of a folder */
	ASSERT_EQ(0, symlinkat("f", self->dir, "s"));
	ASSERT_EQ(0, utimensat(self->dir, "s", pairs[0], AT_SYMLINK_NOFOLLOW));
	look(_metadata, self->dir, "s", &stx[0]);
	EXPECT_EQ(2, stx[0].stx_mtime.tv_sec);
	expect_same("s");
	ASSERT_EQ(0, utimensat(self->dir, ".", pairs[0], 0));
	expect_same(".");
}

/* Who may: the owner, a member of the group, anybody with the right to write, nobody else. */
TEST_F(attr, who_may)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
	static const struct timespec then[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][10] = { };

	for (w = 0; w < 2; w++) {
		make_file(_metadata, at[w], "f", 10, 1);
		ASSERT_EQ(0, fchownat(at[w], "f", 1234, 1234, 0));
		ASSERT_EQ(0, fchmodat(at[w], "f", 06766, 0));
		ret[w][0] = as_user(1235, fchmodat(at[w], "f", 0777, 0));
		ret[w][1] = as_user(1235, fchownat(at[w], "f", 1235, -1, 0));
		ret[w][2] = as_user(1235, utimensat(at[w], "f", then, 0));
		ret[w][3] = as_user(1235, utimensat(at[w], "f", now, 0));
		ret[w][4] = as_user(1234, fchownat(at[w], "f", 1235, -1, 0));
		ret[w][5] = as_user(1234, fchownat(at[w], "f", -1, 1235, 0));
		ret[w][6] = as_user(1234, utimensat(at[w], "f", then, 0));
		/* The set-id bits go, even when nothing else changes */
		ret[w][7] = as_user(1234, fchownat(at[w], "f", 1234, 1234, 0));
		ret[w][8] = as_user(1234, fchmodat(at[w], "f", 04700, 0));
		ret[w][9] = as_user(1235, fchmodat(at[w], "f", 0777, 0));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
	EXPECT_EQ(EPERM, ret[1][0]);
	EXPECT_EQ(0, ret[1][3]);
	expect_same("f");
}

/* A change of the owner takes the set-id bits and the capabilities away, from programs only. */
TEST_F(attr, owner_takes_privileges)
{
	static const int modes[] = { 06755, 04711, 02755, 02644, 06000 };
	int at[2] = { self->plain, self->dir }, w;
	struct stat st[2];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		for (w = 0; w < 2; w++) {
			make_file(_metadata, at[w], "f", 10, 1);
			ASSERT_EQ(0, fchmodat(at[w], "f", modes[i], 0));
			ASSERT_EQ(0, fchownat(at[w], "f", 10 + i, 10 + i, 0));
			ASSERT_EQ(0, fstatat(at[w], "f", &st[w], 0));
		}
		EXPECT_EQ(st[0].st_mode, st[1].st_mode) TH_LOG("mode %o", modes[i]);
		EXPECT_EQ(10 + i, st[1].st_uid);
		expect_same("f");
	}
}

TEST_HARNESS_MAIN
