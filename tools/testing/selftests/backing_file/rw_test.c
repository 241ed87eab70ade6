// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of read and write: the bytes, the result and the errno are those of the backing filesystem; sizes and times
 * are visible at once, by whatever way one looks; RWF flags reach it; set-id bits and file capabilities go on a write.
 *
 * Bugs of the C code guarded here: B3 (end_write without position and result: sizes stale), B10 (append mode lost),
 * B11 and B24 (flags of the iocb).
 */
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <signal.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(rw);

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif

TEST_F(rw, write_then_read)
{
	make_file(_metadata, self->dir, "f", 300 * KIB + 7, 1);
	expect_content("f", 300 * KIB + 7, 1);
}

TEST_F(rw, below_then_read)
{
	int fd;

	make_file(_metadata, self->under, "f", 10000, 2);
	expect_content("f", 10000, 2);
	fd = must_open(self->under, "f", O_WRONLY);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 20000));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(20001, size_of(self->dir, "f"));
}

TEST_F(rw, big_write)
{
	make_file(_metadata, self->dir, "f", 9 * MIB + 1, 3);
	expect_content("f", 9 * MIB + 1, 3);
}

TEST_F(rw, short_reads)
{
	char buf[100];
	int fd;

	make_file(_metadata, self->dir, "f", 150, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(100, pread(fd, buf, 100, 0));
	EXPECT_EQ(50, pread(fd, buf, 100, 100));
	EXPECT_EQ(0, pread(fd, buf, 100, 150));
	EXPECT_EQ(0, pread(fd, buf, 100, 1ULL << 40));
	EXPECT_EQ(0, pread(fd, buf, 0, 0));
}

TEST_F(rw, position)
{
	char buf[8] = "";
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644), second;

	second = dup(fd);
	ASSERT_EQ(5, write(fd, "12345", 5));
	EXPECT_EQ(5, lseek(second, 0, SEEK_CUR));
	ASSERT_EQ(5, write(second, "67890", 5));
	EXPECT_EQ(10, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(2, pwrite(fd, "ab", 2, 1));
	EXPECT_EQ(10, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(3, lseek(fd, 3, SEEK_SET));
	EXPECT_EQ(4, read(fd, buf, 4));
	EXPECT_STREQ("4567", buf);
	EXPECT_EQ(7, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(3, read(fd, buf, 8));
	EXPECT_EQ(0, read(fd, buf, 8));
}

TEST_F(rw, vectors)
{
	char a[3], b[5000], c[1], all[5004];
	struct iovec v[] = { { a, 3 }, { b, 5000 }, { NULL, 0 }, { c, 1 } };
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);

	fill(all, 5004, 0, 4);
	memcpy(a, all, 3);
	memcpy(b, all + 3, 5000);
	memcpy(c, all + 5003, 1);
	ASSERT_EQ(5004, writev(fd, v, 4));
	expect_content("f", 5004, 4);
	memset(b, 0, sizeof(b));
	EXPECT_EQ(5004, preadv(fd, v, 4, 0));
	EXPECT_EQ(0, memcmp(b, all + 3, 5000));
	EXPECT_EQ(c[0], all[5003]);
}

/* B3: whoever looks after an extending write sees it: another descriptor, the name, the end, a copy. */
TEST_F(rw, size_at_once)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	int second = must_open(self->dir, "f", O_RDWR);
	int copy = must_open(self->dir, "copy", O_RDWR | O_CREAT, 0644);
	char buf[5000];
	struct stat st;
	loff_t in = 0;

	fill(buf, sizeof(buf), 0, 1);
	ASSERT_EQ(5000, write(fd, buf, 5000));
	/* The copy first: to look at the size by name or descriptor might be what brings it up to date */
	EXPECT_EQ(5000, copy_file_range(second, &in, copy, NULL, 1 << 20, 0));
	expect_content("copy", 5000, 1);
	ASSERT_EQ(0, fstat(second, &st));
	EXPECT_EQ(5000, st.st_size);
	EXPECT_EQ(5000, size_of(self->dir, "f"));
	EXPECT_EQ(5000, size_of(self->under, "f"));
	EXPECT_EQ(5000, lseek(second, 0, SEEK_END));
	EXPECT_EQ(-1, differs(second, 5000, 0, 1));
}

/* The same when the backing file was extended behind the stack's back: a copy sees it after whoever copies looked. */
TEST_F(rw, size_at_once_from_below)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	int copy = must_open(self->dir, "copy", O_RDWR | O_CREAT, 0644);
	struct stat st;

	make_file(_metadata, self->under, "f", 5000, 6);
	EXPECT_EQ(5000, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(5000, copy_file_range(fd, &(loff_t){ 0 }, copy, NULL, 1 << 20, 0));
	EXPECT_EQ(-1, differs(fd, 5000, 0, 6));
	make_file(_metadata, self->under, "f", 9000, 6);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(9000, st.st_size);
	EXPECT_EQ(9000, copy_file_range(fd, &(loff_t){ 0 }, copy, &(loff_t){ 0 }, 1 << 20, 0));
	expect_content("copy", 9000, 6);
}

TEST_F(rw, times_at_once)
{
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	struct stat st, below;

	ASSERT_EQ(0, futimens(fd, old));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(1000000000, st.st_mtime);
	ASSERT_EQ(1, write(fd, "x", 1));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
	EXPECT_LT(1500000000, st.st_mtime);
	EXPECT_EQ(0, memcmp(&st.st_mtim, &below.st_mtim, sizeof(st.st_mtim)));
	EXPECT_EQ(0, memcmp(&st.st_ctim, &below.st_ctim, sizeof(st.st_ctim)));
	EXPECT_EQ(0, memcmp(&st.st_atim, &below.st_atim, sizeof(st.st_atim)));
}

/* B10 */
TEST_F(rw, append_behind_other_writer)
{
	int fd = must_open(self->dir, "f", O_WRONLY | O_CREAT | O_APPEND, 0644);
	int other = must_open(self->under, "f", O_WRONLY | O_APPEND);
	char buf[8] = "";

	ASSERT_EQ(2, write(fd, "ab", 2));
	ASSERT_EQ(2, write(other, "cd", 2));
	ASSERT_EQ(2, write(fd, "ef", 2));
	EXPECT_EQ(6, lseek(fd, 0, SEEK_CUR));
	/* POSIX would have the offset win, Linux has append mode win */
	ASSERT_EQ(2, pwrite(fd, "gh", 2, 0));
	other = must_open(self->under, "f", O_RDONLY);
	ASSERT_EQ(8, read(other, buf, 8));
	EXPECT_EQ(0, memcmp("abcdefgh", buf, 8));
}

TEST_F(rw, rwf_append)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	int other = must_open(self->under, "f", O_WRONLY | O_APPEND);
	struct iovec v = { "ab", 2 };
	char buf[8] = "";

	ASSERT_EQ(2, pwritev2(fd, &v, 1, 0, RWF_APPEND));
	ASSERT_EQ(2, write(other, "cd", 2));
	ASSERT_EQ(2, pwritev2(fd, &v, 1, 0, RWF_APPEND));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	ASSERT_EQ(2, pwritev2(fd, &v, 1, -1, RWF_APPEND));
	EXPECT_EQ(8, lseek(fd, 0, SEEK_CUR));
	ASSERT_EQ(8, pread(fd, buf, 8, 0));
	EXPECT_EQ(0, memcmp("abcdabab", buf, 8));
}

TEST_F(rw, rwf_noappend)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_APPEND, 0644);
	struct iovec v = { "XY", 2 };
	char buf[8] = "";

	ASSERT_EQ(6, write(fd, "abcdef", 6));
	ASSERT_EQ(2, pwritev2(fd, &v, 1, 1, RWF_NOAPPEND));
	EXPECT_EQ(6, size_of(self->dir, "f"));
	ASSERT_EQ(6, pread(fd, buf, 8, 0));
	EXPECT_STREQ("aXYdef", buf);
	EXPECT_EQ(-EINVAL, errno_of(pwritev2(fd, &v, 1, 1, RWF_NOAPPEND | RWF_APPEND)));
}

TEST_F(rw, append_flag_changed_after_open)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	char buf[8] = "";

	ASSERT_EQ(4, write(fd, "abcd", 4));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_APPEND));
	ASSERT_EQ(1, pwrite(fd, "e", 1, 0));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
	ASSERT_EQ(1, pwrite(fd, "X", 1, 0));
	ASSERT_EQ(5, pread(fd, buf, 8, 0));
	EXPECT_STREQ("Xbcde", buf);
}

/* Each flag, on a descriptor with and without O_DIRECT: what the backing filesystem says. */
TEST_F(rw, rwf_flags)
{
	static const struct {
		const char *name;
		int flag;
	} flags[] = {
		{ "HIPRI", RWF_HIPRI }, { "DSYNC", RWF_DSYNC }, { "SYNC", RWF_SYNC }, { "NOWAIT", RWF_NOWAIT },
		{ "APPEND", RWF_APPEND }, { "NOAPPEND", RWF_NOAPPEND }, { "ATOMIC", RWF_ATOMIC },
		{ "ATOMIC|DSYNC", RWF_ATOMIC | RWF_DSYNC }, { "an unknown one", 1 << 30 },
	};
	int mode, at[2] = { self->plain, self->dir };
	size_t i;
	char *buf;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 4096));
	fill(buf, 4096, 0, 1);
	for (mode = 0; mode < 2; mode++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			struct iovec v = { buf, 4096 };
			long ret[2][3];
			int w;

			for (w = 0; w < 2; w++) {
				int fd;

				make_file(_metadata, at[w], "f", 8192, 1);
				fd = must_open(at[w], "f", O_RDWR | (mode ? O_DIRECT : 0));
				ret[w][0] = errno_of(preadv2(fd, &v, 1, 0, flags[i].flag));
				ret[w][1] = errno_of(pwritev2(fd, &v, 1, 0, flags[i].flag));
				ret[w][2] = size_of(at[w], "f");
				ASSERT_EQ(0, close(fd));
			}
			/* Whether a page is there to be read, or a block to be written, without waiting may differ */
			if (flags[i].flag == RWF_NOWAIT) {
				for (w = 0; w < 4; w++)
					if (ret[w / 2][w % 2] == -EAGAIN)
						ret[w / 2][w % 2] = 4096;
			}
			EXPECT_EQ(ret[0][0], ret[1][0]) TH_LOG("read, %s, direct %d", flags[i].name, mode);
			EXPECT_EQ(ret[0][1], ret[1][1]) TH_LOG("write, %s, direct %d", flags[i].name, mode);
			EXPECT_EQ(ret[0][2], ret[1][2]) TH_LOG("size after %s, direct %d", flags[i].name, mode);
		}
	}
	free(buf);
}

/* What is in the page cache is to be had without waiting, where the backing filesystem can tell. */
TEST_F(rw, nowait_read)
{
	int at[2] = { self->plain, self->dir }, w;
	long ret[2][2];
	char buf[4096];
	struct iovec v = { buf, sizeof(buf) };

	for (w = 0; w < 2; w++) {
		int fd;

		make_file(_metadata, at[w], "f", 4096, 1);
		fd = must_open(at[w], "f", O_RDONLY);
		ASSERT_EQ(4096, read(fd, buf, 4096));
		ret[w][0] = errno_of(preadv2(fd, &v, 1, 0, RWF_NOWAIT));
		ret[w][1] = errno_of(preadv2(fd, &v, 1, 4096, RWF_NOWAIT));
	}
	EXPECT_EQ(fs_is("tmpfs") ? -EOPNOTSUPP : 4096, ret[1][0]);
	EXPECT_EQ(ret[0][0], ret[1][0]);
	EXPECT_EQ(ret[0][1], ret[1][1]);
}

TEST_F(rw, direct)
{
	int at[2] = { self->plain, self->dir }, w;
	long ret[2][8];
	char *buf;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 16384));
	for (w = 0; w < 2; w++) {
		int fd = openat(at[w], "f", O_RDWR | O_CREAT | O_DIRECT, 0644);

		ASSERT_LE(0, fd);
		fill(buf, 16384, 0, 1);
		ret[w][0] = errno_of(pwrite(fd, buf, 16384, 0));
		ret[w][1] = errno_of(pwrite(fd, buf + 1, 4096, 0));
		fill(buf, 16384, 0, 1);
		ret[w][1] += errno_of(pwrite(fd, buf, 16384, 0)) - 16384;
		ret[w][2] = errno_of(pwrite(fd, buf, 100, 16384));
		ret[w][3] = errno_of(pread(fd, buf, 16384, 0));
		ret[w][4] = errno_of(pread(fd, buf + 1, 4096, 0));
		ret[w][5] = errno_of(pread(fd, buf, 100, 0));
		ret[w][6] = errno_of(pread(fd, buf, 4096, 1 << 20));
		ret[w][7] = size_of(at[w], "f");
		EXPECT_EQ(-1, differs(openat(at[w], "f", O_RDONLY), 16384, 0, 1));
		close(fd);
	}
	for (w = 0; w < 8; w++) {
		EXPECT_EQ(ret[0][w], ret[1][w]) TH_LOG("step %d", w);
	}
	free(buf);
}

/* Buffered and direct, through the stack and below, see each other's bytes. */
TEST_F(rw, direct_and_buffered)
{
	int direct = must_open(self->dir, "f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	int buffered = must_open(self->dir, "f", O_RDWR);
	int below = must_open(self->under, "f", O_RDWR);
	char *buf;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 8192));
	fill(buf, 8192, 0, 1);
	ASSERT_EQ(8192, pwrite(buffered, buf, 8192, 0));
	memset(buf, 0, 8192);
	ASSERT_EQ(8192, pread(direct, buf, 8192, 0));
	EXPECT_EQ(-1, differs(below, 8192, 0, 1));
	fill(buf, 4096, 0, 2);
	ASSERT_EQ(4096, pwrite(direct, buf, 4096, 0));
	EXPECT_EQ(-1, differs(buffered, 4096, 0, 2));
	EXPECT_EQ(-1, differs(below, 4096, 0, 2));
	EXPECT_EQ(-1, differs(buffered, 4096, 4096, 1));
	free(buf);
}

TEST_F(rw, sync_flags)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_SYNC, 0644);

	EXPECT_EQ(3, write(fd, "abc", 3));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, fdatasync(fd));
	EXPECT_EQ(0, syncfs(fd));
	EXPECT_EQ(0, sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	EXPECT_EQ(0, fsync(self->dir));
}

TEST_F(rw, errors)
{
	char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][12] = {};

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + 4096, 4096));
	for (w = 0; w < 2; w++) {
		int fd, ro, wo;

		make_file(_metadata, at[w], "f", 8192, 1);
		fd = must_open(at[w], "f", O_RDWR);
		ro = must_open(at[w], "f", O_RDONLY);
		wo = must_open(at[w], "f", O_WRONLY);
		ret[w][0] = errno_of(read(wo, page, 1));
		ret[w][1] = errno_of(write(ro, page, 1));
		ret[w][2] = errno_of(pread(fd, page, 1, -1));
		ret[w][3] = errno_of(pwrite(fd, page, 1, -1));
		ret[w][4] = errno_of(pread(fd, page + 4096, 10, 0));
		ret[w][5] = errno_of(pwrite(fd, page + 4096, 10, 0));
		/* Half of the buffer is there: short */
		ret[w][6] = errno_of(pread(fd, page + 4096 - 100, 200, 0));
		ret[w][7] = errno_of(pwrite(fd, page + 4096 - 100, 200, 0));
		ret[w][8] = errno_of(pwrite(fd, page, 4096, LLONG_MAX - 10));
		ret[w][9] = errno_of(pread(fd, page, 4096, LLONG_MAX - 10));
		ret[w][10] = errno_of(read(at[w], page, 1));
		ret[w][11] = size_of(at[w], "f");
	}
	EXPECT_EQ(-EBADF, ret[1][0]);
	EXPECT_EQ(-EBADF, ret[1][1]);
	EXPECT_EQ(-EINVAL, ret[1][2]);
	EXPECT_EQ(-EFAULT, ret[1][4]);
	EXPECT_EQ(-EISDIR, ret[1][10]);
	for (i = 0; i < 12; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

TEST_F(rw, file_size_limit)
{
	struct rlimit limit = { 10000, RLIM_INFINITY };
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	char buf[4096] = "";

	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(1000, pwrite(fd, buf, 4096, 9000));
	EXPECT_EQ(-EFBIG, errno_of(pwrite(fd, buf, 4096, 10000)));
	EXPECT_EQ(-EFBIG, errno_of(ftruncate(fd, 10001)));
	EXPECT_EQ(10000, size_of(self->under, "f"));
}

/* The write takes set-id bits away, whoever opened the file; not if the writer may keep them. */
TEST_F(rw, set_id_bits)
{
	static const struct {
		int mode, after;
	} modes[] = { { 04777, 0777 }, { 02777, 0777 }, { 06777, 0777 }, { 04666, 0666 }, { 0777, 0777 } };
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		int fd;

		make_file(_metadata, self->dir, "f", 10, 1);
		ASSERT_EQ(0, fchmodat(self->dir, "f", modes[i].mode, 0));
		fd = must_open(self->dir, "f", O_RDWR);
		ASSERT_EQ(1, write(fd, "x", 1));
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(modes[i].mode, (int)st.st_mode & 07777) TH_LOG("root may keep them");

		EXPECT_EQ(0, as_user(NOBODY, write(fd, "x", 1)));
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(modes[i].after, (int)st.st_mode & 07777) TH_LOG("mode %o, stack", modes[i].mode);
		ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
		EXPECT_EQ(modes[i].after, (int)st.st_mode & 07777) TH_LOG("mode %o, below", modes[i].mode);

		/* The bit set again, below: the write must see it */
		ASSERT_EQ(0, fchmodat(self->under, "f", modes[i].mode, 0));
		EXPECT_EQ(0, as_user(NOBODY, write(fd, "x", 1)));
		ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
		EXPECT_EQ(modes[i].after, (int)st.st_mode & 07777) TH_LOG("mode %o, set again below", modes[i].mode);
		ASSERT_EQ(0, close(fd));
	}
}

/* Direct I/O does not go through the same code. */
TEST_F(rw, set_id_bits_direct)
{
	struct stat st;
	char *buf;
	int fd;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 4096));
	make_file(_metadata, self->dir, "f", 8192, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
	fd = must_open(self->dir, "f", O_RDWR | O_DIRECT);
	EXPECT_EQ(0, as_user(NOBODY, write(fd, buf, 4096)));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0777, (int)st.st_mode & 07777);
	free(buf);
}

TEST_F(rw, file_capability)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2, .data[0].permitted = 1 << CAP_NET_RAW };
	char got[64];
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0777, 0));
	fd = must_open(self->under, "f", O_RDONLY);
	ASSERT_EQ(0, fsetxattr(fd, "security.capability", &cap, XATTR_CAPS_SZ_2, 0));
	ASSERT_LT(0, fgetxattr(fd, "security.capability", got, sizeof(got)));
	fd = must_open(self->dir, "f", O_RDWR);
	EXPECT_EQ(0, as_user(NOBODY, write(fd, "x", 1)));
	fd = must_open(self->under, "f", O_RDONLY);
	EXPECT_EQ(-ENODATA, errno_of(fgetxattr(fd, "security.capability", got, sizeof(got))));
}

/* An open for reading by name, a write by a descriptor opened before a chmod: permission is a matter of open. */
TEST_F(rw, permission_at_open)
{
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0666, 0));
	EXPECT_EQ(0, as_user(NOBODY, openat(self->dir, "f", O_RDWR)));
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_WRONLY)));
	EXPECT_EQ(0, as_user(NOBODY, write(fd, "x", 1)));
	/* Changed below: seen at the next open */
	ASSERT_EQ(0, fchmodat(self->under, "f", 0644, 0));
	EXPECT_EQ(0, as_user(NOBODY, openat(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_WRONLY)));
	ASSERT_EQ(0, fchownat(self->under, "f", NOBODY, NOBODY, 0));
	EXPECT_EQ(0, as_user(NOBODY, openat(self->dir, "f", O_WRONLY)));
}

TEST_F(rw, unlinked_file)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	char buf[8] = "";
	struct stat st;

	ASSERT_EQ(3, write(fd, "abc", 3));
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	ASSERT_EQ(3, write(fd, "def", 3));
	ASSERT_EQ(6, pread(fd, buf, 8, 0));
	EXPECT_STREQ("abcdef", buf);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, (int)st.st_nlink);
	EXPECT_EQ(6, st.st_size);
	ASSERT_EQ(0, ftruncate(fd, 2));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(2, st.st_size);
}

#define RECORD 300
#define RECORDS 100

/* Whole records, none lost, from writers on both sides. */
TEST_F(rw, concurrent_appends)
{
	unsigned char record[RECORD];
	int counts[8] = {}, w, i, fd;

	make_file(_metadata, self->dir, "f", 0, 1);
	for (w = 0; w < 4; w++) {
		if (fork())
			continue;
		fd = openat(w % 2 ? self->under : self->dir, "f", O_WRONLY | O_APPEND);
		memset(record, w + 1, RECORD);
		for (i = 0; i < RECORDS; i++)
			if (write(fd, record, RECORD) != RECORD)
				_exit(1);
		_exit(0);
	}
	for (w = 0; w < 4; w++) {
		int status;

		wait(&status);
		EXPECT_EQ(0, status);
	}
	fd = must_open(self->dir, "f", O_RDONLY);
	while (read(fd, record, RECORD) == RECORD) {
		for (i = 0; i < RECORD; i++) {
			ASSERT_EQ(record[0], record[i]);
		}
		ASSERT_LE(record[0], 4);
		counts[record[0]]++;
	}
	for (w = 1; w <= 4; w++) {
		EXPECT_EQ(RECORDS, counts[w]);
	}
	EXPECT_EQ(4 * RECORD * RECORDS, size_of(self->dir, "f"));
}

TEST_HARNESS_MAIN
