// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of file handles (name_to_handle_at, open_by_handle_at): a handle finds its file when the caches are dropped
 * and when it was renamed, and a directory with its whole path; the handle of a removed file is stale; a directory that
 * is not under the one that is passed through cannot be reached; who may not use handles below may not use them here.
 */
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(handle);

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200
#endif
#ifndef AT_HANDLE_CONNECTABLE
#define AT_HANDLE_CONNECTABLE 0x002
#endif

struct handle {
	unsigned int bytes;
	int type;
	unsigned char fid[MAX_HANDLE_SZ];
};

static int handle_of(int at, const char *name, struct handle *h, int flags)
{
	int mount_id;

	memset(h, 0, sizeof(*h));
	h->bytes = MAX_HANDLE_SZ;
	return syscall(SYS_name_to_handle_at, at, name, h, &mount_id, flags);
}

static int open_handle(int mount, struct handle *h, int flags)
{
	return syscall(SYS_open_by_handle_at, mount, h, flags);
}

/* 0 if it can be opened, or the error. */
static long try_handle(int mount, struct handle *h, int flags)
{
	long fd = errno_of(open_handle(mount, h, flags));

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Dentries and inodes that nobody uses go, on every filesystem. */
static void forget(struct __test_metadata *const _metadata)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, write(fd, "2", 1));
	ASSERT_EQ(0, close(fd));
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

TEST_F(handle, file)
{
	struct handle h;
	int fd, named;

	make_file(_metadata, self->dir, "f", 5000, 1);
	ASSERT_EQ(0, handle_of(self->dir, "f", &h, 0));
	forget(_metadata);
	fd = open_handle(self->dir, &h, O_RDWR);
	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(-1, differs(fd, 5000, 0, 1));
	named = must_open(self->dir, "f", O_RDONLY);
	EXPECT_TRUE(same_file(fd, named));
	EXPECT_EQ(3, pwrite(fd, "new", 3, 5000));
	EXPECT_EQ(5003, size_of(self->dir, "f"));
	EXPECT_EQ(5003, size_of(self->under, "f"));
}

/* With nothing of its path in memory it gets the path back. */
TEST_F(handle, directory)
{
	char link[64], path[PATH_MAX], want[PATH_MAX];
	int fd, up, named;
	struct handle h;
	ssize_t n;

	ASSERT_EQ(0, mkdirat(self->dir, "a", 0755));
	ASSERT_EQ(0, mkdirat(self->dir, "a/b", 0755));
	ASSERT_EQ(0, mkdirat(self->dir, "a/b/c", 0755));
	make_file(_metadata, self->dir, "a/b/c/f", 100, 1);
	ASSERT_EQ(0, handle_of(self->dir, "a/b/c", &h, 0));
	forget(_metadata);
	fd = open_handle(self->dir, &h, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(-1, name_differs(fd, "f", 100, 1));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	snprintf(want, sizeof(want), "%.3000s/a/b/c", self->place.path);
	n = readlink(link, path, sizeof(path) - 1);
	ASSERT_LT(0, n);
	path[n] = 0;
	EXPECT_STREQ(want, path);
	up = must_open(fd, "..", O_RDONLY);
	named = must_open(self->dir, "a/b", O_RDONLY);
	EXPECT_TRUE(same_file(up, named));
	make_file(_metadata, fd, "g", 10, 2);
	expect_content("a/b/c/g", 10, 2);
}

TEST_F(handle, symlink_and_fifo)
{
	struct handle h;
	char target[16];
	struct stat st;
	int fd;

	ASSERT_EQ(0, symlinkat("nowhere", self->dir, "s"));
	ASSERT_EQ(0, mknodat(self->dir, "p", S_IFIFO | 0600, 0));
	ASSERT_EQ(0, handle_of(self->dir, "s", &h, 0));
	forget(_metadata);
	fd = open_handle(self->dir, &h, O_PATH | O_NOFOLLOW);
	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(7, readlinkat(fd, "", target, sizeof(target)));
	ASSERT_EQ(0, handle_of(self->dir, "p", &h, 0));
	forget(_metadata);
	fd = open_handle(self->dir, &h, O_PATH);
	ASSERT_LE(0, fd) TH_LOG("%m");
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
}

TEST_F(handle, renamed)
{
	struct handle file, dir;
	int fd;

	make_file(_metadata, self->dir, "f", 100, 1);
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, mkdirat(self->dir, "e", 0755));
	ASSERT_EQ(0, handle_of(self->dir, "f", &file, 0));
	ASSERT_EQ(0, handle_of(self->dir, "d", &dir, 0));
	ASSERT_EQ(0, renameat(self->dir, "f", self->dir, "e/g"));
	/* Behind the stack's back */
	ASSERT_EQ(0, renameat(self->under, "d", self->under, "e/d"));
	fd = open_handle(self->dir, &file, O_RDONLY);
	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(-1, differs(fd, 100, 0, 1));
	forget(_metadata);
	fd = open_handle(self->dir, &dir, O_RDONLY);
	ASSERT_LE(0, fd) TH_LOG("%m");
	make_file(_metadata, fd, "x", 10, 2);
	expect_content("e/d/x", 10, 2);
}

TEST_F(handle, removed)
{
	struct handle file, dir, again;

	make_file(_metadata, self->dir, "f", 100, 1);
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, handle_of(self->dir, "f", &file, 0));
	ASSERT_EQ(0, handle_of(self->dir, "d", &dir, 0));
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	ASSERT_EQ(0, unlinkat(self->dir, "d", AT_REMOVEDIR));
	EXPECT_EQ(-ESTALE, errno_of(open_handle(self->dir, &file, O_RDONLY)));
	EXPECT_EQ(-ESTALE, errno_of(open_handle(self->dir, &dir, O_RDONLY)));
	forget(_metadata);
	EXPECT_EQ(-ESTALE, errno_of(open_handle(self->dir, &file, O_RDONLY)));
	EXPECT_EQ(-ESTALE, errno_of(open_handle(self->dir, &dir, O_RDONLY)));

	/* Behind the stack's back, which may still have it in memory */
	make_file(_metadata, self->dir, "g", 100, 1);
	ASSERT_EQ(0, handle_of(self->dir, "g", &file, 0));
	ASSERT_EQ(0, unlinkat(self->under, "g", 0));
	EXPECT_EQ(-ENOENT, errno_of(handle_of(self->dir, "g", &again, 0)));
	forget(_metadata);
	EXPECT_EQ(-ESTALE, errno_of(open_handle(self->dir, &file, O_RDONLY)));
}

/* A file without a name has one: its handle. Linked, it has both. */
TEST_F(handle, tmpfile)
{
	struct handle h;
	int fd, again;

	fd = must_open(self->dir, ".", O_TMPFILE | O_RDWR, 0600);
	ASSERT_EQ(0, handle_of(fd, "", &h, AT_EMPTY_PATH));
	ASSERT_EQ(0, linkat(fd, "", self->dir, "f", AT_EMPTY_PATH));
	ASSERT_EQ(3, write(fd, "abc", 3));
	ASSERT_EQ(0, close(fd));
	forget(_metadata);
	again = open_handle(self->dir, &h, O_RDONLY);
	ASSERT_LE(0, again) TH_LOG("%m");
	EXPECT_EQ(3, size_of(self->dir, "f"));
}

/*
 * A directory of the backing filesystem that is not passed through. (Other files can be reached by those with the
 * capability, as they can through a bind mount: nobody can tell where a file has its names.)
 */
TEST_F(handle, outside)
{
	struct handle h;
	int fd;

	ASSERT_EQ(0, mkdirat(self->plain, "d", 0755));
	ASSERT_EQ(0, handle_of(self->plain, "d", &h, 0));
	fd = errno_of(open_handle(self->dir, &h, O_RDONLY));
	if (variant->layers == DIRECT) {
		EXPECT_LE(0, fd);
	} else {
		EXPECT_EQ(-ESTALE, fd);
	}
}

TEST_F(handle, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	struct handle h, good;
	long ret[2][7];

	for (w = 0; w < 2; w++) {
		make_file(_metadata, at[w], "e", 1, 1);
		ASSERT_EQ(0, handle_of(at[w], "e", &good, 0));
		memset(&h, 0, sizeof(h));
		ret[w][0] = errno_of(syscall(SYS_name_to_handle_at, at[w], "e", &h, &i, 0));
		EXPECT_EQ(good.bytes, h.bytes) TH_LOG("it says how much room is needed");
		h = good;
		memset(h.fid, 0xff, h.bytes);
		ret[w][1] = try_handle(at[w], &h, O_RDONLY);
		h = good;
		h.bytes = 3;
		ret[w][2] = try_handle(at[w], &h, O_RDONLY);
		h = good;
		h.type = 0x77;
		ret[w][3] = try_handle(at[w], &h, O_RDONLY);
		ret[w][4] = try_handle(at[w], &good, O_RDONLY | O_DIRECTORY);
		ret[w][5] = as_user(NOBODY, open_handle(at[w], &good, O_RDONLY));
		ret[w][6] = errno_of(handle_of(at[w], "missing", &h, 0));
	}
	EXPECT_EQ(-EOVERFLOW, ret[1][0]);
	EXPECT_EQ(-ESTALE, ret[1][1]);
	EXPECT_EQ(EPERM, ret[1][5]);
	for (i = 0; i < 7; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* Handles to compare files by need not be decoded. Handles with the parent in them the stack does not have. */
TEST_F(handle, kinds)
{
	struct handle h, again;
	long ret;

	make_file(_metadata, self->dir, "f", 1, 1);
	ASSERT_EQ(0, handle_of(self->dir, "f", &h, AT_HANDLE_FID));
	ASSERT_EQ(0, linkat(self->dir, "f", self->dir, "g", 0));
	ASSERT_EQ(0, handle_of(self->dir, "g", &again, AT_HANDLE_FID));
	EXPECT_EQ(0, memcmp(&h, &again, sizeof(h)));
	ret = errno_of(handle_of(self->dir, "f", &h, AT_HANDLE_CONNECTABLE));
	EXPECT_EQ(variant->layers == DIRECT && !fs_is("tmpfs") ? 0 : -EOPNOTSUPP, ret);
}

/* The same nameless files, found by several tasks at once while the caches are dropped. */
TEST_F_TIMEOUT(handle, races, 120)
{
	struct handle h[8];
	int i, w, status;
	char name[16];

	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (i % 2) {
			ASSERT_EQ(0, mkdirat(self->dir, name, 0755));
		} else {
			make_file(_metadata, self->dir, name, 10, i);
		}
		ASSERT_EQ(0, handle_of(self->dir, name, &h[i], 0));
	}
	for (w = 0; w < 3; w++) {
		if (fork())
			continue;
		for (i = 0; i < 400; i++) {
			int k = (i + w) % 8, fd = open_handle(self->dir, &h[k], O_RDONLY);

			if (fd < 0 && errno != ESTALE)
				_exit(errno);
			/* Data must be there at once, through whatever dentry it was found */
			if (fd >= 0 && k % 2 == 0 && differs(fd, 10, 0, k) != -1)
				_exit(200);
			if (fd >= 0 && k % 2 && syscall(SYS_getdents64, fd, name, 0) != -1)
				_exit(201);
			close(fd);
			if (w == 0 && i % 16 == 0)
				forget(_metadata);
		}
		_exit(0);
	}
	for (w = 0; w < 3; w++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status) TH_LOG("%d", WEXITSTATUS(status));
	}
	for (i = 0; i < 8; i++) {
		int fd = open_handle(self->dir, &h[i], O_RDONLY);

		EXPECT_LE(0, fd) TH_LOG("%d: %m", i);
		close(fd);
	}
}

TEST_HARNESS_MAIN
