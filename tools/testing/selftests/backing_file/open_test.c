// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of open and fcntl(F_SETFL): what only matters to a name (O_CREAT, O_EXCL, O_TRUNC, O_NOCTTY) does not reach
 * the filesystem below; append-only and immutable files are refused as there, also if they became so below; direct I/O
 * is refused where there is none; flags changed later count from the next operation on.
 *
 * Bugs of the C code guarded here: B11 (direct I/O set where there is none), B13 (append-only and immutable of the
 * backing inode ignored).
 */
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"

#define TRACING "/sys/kernel/tracing"
/* What opening a name clears; the same on all that Debian runs on. */
#define NAME_FLAGS (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY)

PLACES(open);

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | (strstr(path, "kprobe_events") ? O_APPEND : 0));
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

/* A probe on the kernel's function that opens backing files, in a trace buffer of our own. */
static bool probe_start(void)
{
	char text[256], path[256];

	snprintf(text, sizeof(text), "p:bf/open%d backing_file_open flags=$arg2:x32\n", getpid());
	if (!put(TRACING "/kprobe_events", text))
		return false;
	snprintf(path, sizeof(path), TRACING "/instances/bf%d", getpid());
	if (mkdir(path, 0755))
		return false;
	snprintf(path, sizeof(path), TRACING "/instances/bf%d/events/bf/open%d/enable", getpid(), getpid());
	return put(path, "1");
}

/* Ends it; how many files were opened since, and all of their flags in @flags. */
static int probe_end(unsigned int *flags)
{
	char line[512], path[256], text[64];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), TRACING "/instances/bf%d/events/bf/open%d/enable", getpid(), getpid());
	put(path, "0");
	snprintf(path, sizeof(path), TRACING "/instances/bf%d/trace", getpid());
	*flags = 0;
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "flags=");

		if (line[0] == '#' || !at)
			continue;
		*flags |= strtoul(at + 6, NULL, 16);
		found++;
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), TRACING "/instances/bf%d", getpid());
	rmdir(path);
	snprintf(text, sizeof(text), "-:bf/open%d\n", getpid());
	put(TRACING "/kprobe_events", text);
	return found;
}

TEST_F(open, flags_cleaned)
{
	unsigned int flags;
	int fd[3];

	if (access(TRACING "/kprobe_events", W_OK))
		SKIP(return, "this kernel has no kprobes");
	make_file(_metadata, self->dir, "old", 100, 1);
	ASSERT_TRUE(probe_start());
	fd[0] = openat(self->dir, "new", O_RDWR | O_CREAT | O_EXCL | O_NOCTTY | O_APPEND, 0644);
	fd[1] = openat(self->dir, "old", O_RDWR | O_TRUNC | O_CREAT | O_SYNC, 0644);
	fd[2] = openat(self->dir, ".", O_RDWR | O_TMPFILE | O_EXCL, 0600);
	EXPECT_EQ(2 * variant->layers, probe_end(&flags)) TH_LOG("a temporary file has a function of its own");
	EXPECT_EQ(0, flags & NAME_FLAGS) TH_LOG("%#x", flags);
	if (variant->layers) {
		EXPECT_EQ(O_RDWR | O_APPEND | O_SYNC, flags & (O_ACCMODE | O_APPEND | O_SYNC)) TH_LOG("%#x", flags);
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_LE(0, fd[i]);
		EXPECT_EQ(0, fcntl(fd[i], F_GETFL) & NAME_FLAGS) TH_LOG("descriptor %d", i);
	}
	EXPECT_EQ(0, size_of(self->under, "old"));
}

TEST_F(open, create_flags)
{
	EXPECT_EQ(-ENOENT, errno_of(openat(self->dir, "f", O_RDWR | O_EXCL)));
	must_open(self->dir, "f", O_RDWR | O_CREAT | O_EXCL, 0644);
	EXPECT_EQ(-EEXIST, errno_of(openat(self->dir, "f", O_RDWR | O_CREAT | O_EXCL, 0644)));
	EXPECT_EQ(-EISDIR, errno_of(openat(self->dir, ".", O_RDWR)));
	EXPECT_EQ(-ENOTDIR, errno_of(openat(self->dir, "f", O_RDONLY | O_DIRECTORY)));
	ASSERT_EQ(0, symlinkat("f", self->dir, "l"));
	EXPECT_EQ(-ELOOP, errno_of(openat(self->dir, "l", O_RDONLY | O_NOFOLLOW)));
	make_file(_metadata, self->dir, "f", 100, 1);
	must_open(self->dir, "f", O_RDONLY | O_TRUNC);
	EXPECT_EQ(0, size_of(self->under, "f"));
}

TEST_F(open, append_only)
{
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, true));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_WRONLY)));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_WRONLY | O_APPEND | O_TRUNC)));
	EXPECT_EQ(10, size_of(self->under, "f"));
	must_open(self->dir, "f", O_RDONLY);
	fd = must_open(self->dir, "f", O_WRONLY | O_APPEND);
	EXPECT_EQ(3, write(fd, "abc", 3));
	EXPECT_EQ(-EPERM, errno_of(fcntl(fd, F_SETFL, 0)));
	EXPECT_EQ(3, pwrite(fd, "abc", 3, 0));
	EXPECT_EQ(16, size_of(self->under, "f"));
	EXPECT_EQ(-1, differs(must_open(self->under, "f", O_RDONLY), 8, 0, 1)) TH_LOG("appended, not written over");
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, false));
	must_open(self->dir, "f", O_WRONLY);
}

/* B13: it becomes append-only while it is open; the user inode cannot know. */
TEST_F(open, append_only_afterwards)
{
	struct iovec v = { "abc", 3 };
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	fd = must_open(self->dir, "f", O_RDWR | O_APPEND);
	ASSERT_EQ(0, set_flag(self->under, "f", FS_APPEND_FL, true));
	EXPECT_EQ(3, write(fd, "abc", 3));
	/* Whether this is refused or the write is: the content must stay */
	if (fcntl(fd, F_SETFL, 0) == 0) {
		EXPECT_EQ(-EPERM, errno_of(pwrite(fd, "abc", 3, 0)));
	} else {
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_EQ(-EPERM, errno_of(pwritev2(fd, &v, 1, 0, RWF_NOAPPEND)));
	EXPECT_EQ(-1, differs(must_open(self->under, "f", O_RDONLY), 10, 0, 1));
	EXPECT_EQ(13, size_of(self->under, "f"));
}

TEST_F(open, immutable)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, true));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_WRONLY)));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_RDWR | O_APPEND)));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_RDONLY | O_TRUNC)));
	EXPECT_EQ(-EPERM, errno_of(fchmodat(self->dir, "f", 0600, 0)));
	EXPECT_EQ(-EPERM, errno_of(unlinkat(self->dir, "f", 0)));
	EXPECT_EQ(-1, differs(must_open(self->dir, "f", O_RDONLY), 10, 0, 1));
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, false));
	must_open(self->dir, "f", O_WRONLY);
}

/* The user inode was looked up, and may have been asked, before. */
TEST_F(open, permission_changed_below)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->under, "f", 0666, 0));
	EXPECT_EQ(0, as_user(NOBODY, openat(self->dir, "f", O_RDWR)));
	ASSERT_EQ(0, fchmodat(self->under, "f", 0600, 0));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_RDONLY)));
}

/* ramfs has no direct I/O. B11. */
TEST_F(open, no_direct_io)
{
	char ram[64], at[2][64];
	int dir, fd, i;

	snprintf(ram, sizeof(ram), "/tmp/ram.%d", getpid());
	ASSERT_EQ(0, mkdir(ram, 0755));
	ASSERT_EQ(0, mount("ram", ram, "ramfs", 0, NULL));
	for (i = 0; i < variant->layers; i++) {
		snprintf(at[i], sizeof(at[i]), "/tmp/ram.%d.%d", getpid(), i);
		ASSERT_EQ(0, mkdir(at[i], 0755));
		ASSERT_EQ(0, mount(i ? at[i - 1] : ram, at[i], "passfs", 0, NULL)) TH_LOG("%m");
	}
	dir = open(i ? at[i - 1] : ram, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, dir);
	make_file(_metadata, dir, "f", 8192, 1);
	EXPECT_EQ(-EINVAL, errno_of(openat(dir, "f", O_RDWR | O_DIRECT)));
	EXPECT_EQ(-EINVAL, errno_of(openat(dir, "g", O_RDWR | O_CREAT | O_DIRECT, 0644)));
	EXPECT_EQ(-EINVAL, errno_of(openat(dir, ".", O_RDWR | O_TMPFILE | O_DIRECT, 0644)));
	fd = must_open(dir, "f", O_RDWR);
	EXPECT_EQ(-EINVAL, errno_of(fcntl(fd, F_SETFL, O_DIRECT)));
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_DIRECT);
	EXPECT_EQ(-1, differs(fd, 8192, 0, 1)) TH_LOG("still of use");
	close(fd);
	close(dir);
	while (i--) {
		EXPECT_EQ(0, umount(at[i]));
		rmdir(at[i]);
	}
	EXPECT_EQ(0, umount(ram));
	rmdir(ram);
}

/* From the next operation on, whatever the backing filesystem says to it. */
TEST_F(open, direct_changed_after_open)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][6];
	char *buf;

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 8192));
	for (w = 0; w < 2; w++) {
		int fd;

		make_file(_metadata, at[w], "f", 8192, 1);
		fd = must_open(at[w], "f", O_RDWR);
		fill(buf, 8192, 0, 2);
		ret[w][0] = errno_of(fcntl(fd, F_SETFL, O_DIRECT));
		ret[w][1] = fcntl(fd, F_GETFL) & O_DIRECT;
		ret[w][2] = errno_of(pwrite(fd, buf, 4096, 0));
		ret[w][3] = errno_of(pwrite(fd, buf + 4096 + 1, 100, 4097));
		ret[w][4] = errno_of(pread(fd, buf + 1, 100, 1));
		ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
		ret[w][5] = errno_of(pread(fd, buf + 1, 100, 1));
		close(fd);
	}
	for (i = 0; i < 6; i++)
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	EXPECT_EQ(-1, differs(must_open(self->under, "f", O_RDONLY), 4096, 0, 2));
	free(buf);
}

static long long atime_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, 0) ? -1 : st.st_atim.tv_sec * 1000000000LL + st.st_atim.tv_nsec;
}

TEST_F(open, noatime)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	long long before;
	char c;
	int fd;

	make_file(_metadata, self->dir, "f", 100, 1);
	ASSERT_EQ(0, utimensat(self->dir, "f", old, 0));
	before = atime_of(self->under, "f");
	fd = must_open(self->dir, "f", O_RDONLY | O_NOATIME);
	ASSERT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ(before, atime_of(self->under, "f")) TH_LOG("O_NOATIME at open");
	ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
	ASSERT_EQ(1, read(fd, &c, 1));
	EXPECT_LT(before, atime_of(self->under, "f")) TH_LOG("taken away");
	EXPECT_EQ(atime_of(self->under, "f"), atime_of(self->dir, "f"));

	ASSERT_EQ(0, utimensat(self->dir, "f", old, 0));
	fd = must_open(self->dir, "f", O_RDONLY);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NOATIME));
	ASSERT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ(before, atime_of(self->under, "f")) TH_LOG("added later");
	/* Only its owner may ask for it */
	EXPECT_EQ(EPERM, as_user(NOBODY, openat(self->dir, "f", O_RDONLY | O_NOATIME)));
}

TEST_F(open, nonblock)
{
	int fd;
	char c;

	make_file(_metadata, self->dir, "f", 100, 1);
	fd = must_open(self->dir, "f", O_RDWR | O_NONBLOCK);
	EXPECT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ(1, write(fd, "x", 1));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_APPEND));
	EXPECT_EQ(O_APPEND, fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK));
	EXPECT_EQ(1, write(fd, "x", 1));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ(101, size_of(self->under, "f"));
	/* A pipe's file is the pipe, on any filesystem */
	ASSERT_EQ(0, mknodat(self->dir, "p", S_IFIFO | 0644, 0));
	EXPECT_EQ(-ENXIO, errno_of(openat(self->dir, "p", O_WRONLY | O_NONBLOCK)));
}

/* Opened by path alone, it is not open below. */
TEST_F(open, path_only)
{
	struct stat st, via;
	char path[64];
	int fd;

	make_file(_metadata, self->dir, "f", 100, 1);
	fd = must_open(self->dir, "f", O_PATH);
	EXPECT_EQ(-EBADF, errno_of(read(fd, path, 1)));
	ASSERT_EQ(0, fstat(fd, &st));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &via));
	EXPECT_EQ(st.st_ino, via.st_ino);
	EXPECT_EQ(3, pwrite(fd, "abc", 3, 0));
}

/* Each descriptor has its own access mode, flags and position, of one file. */
TEST_F(open, many_descriptors)
{
	int fd[200], i;
	char c;

	make_file(_metadata, self->dir, "f", 4096, 1);
	for (i = 0; i < 200; i++)
		fd[i] = must_open(self->dir, "f", i % 3 == 0 ? O_RDONLY : i % 3 == 1 ? O_RDWR : O_WRONLY | O_APPEND);
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(i % 3 == 2 ? -EBADF : 1, errno_of(pread(fd[i], &c, 1, i)));
		EXPECT_EQ(i % 3 == 0 ? -EBADF : 1, errno_of(pwrite(fd[i], "x", 1, i)));
	}
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, close(fd[i]));
	EXPECT_EQ(4096 + 66, size_of(self->under, "f"));
}

TEST_HARNESS_MAIN
