// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of a filesystem as a whole, beyond reading and writing: what programs find out about it, what they are told
 * when something changes, what they may not do with a file that is executed, and that of two who make the same name at
 * the same time, one of them through the stack, exactly one succeeds.
 */
#include <dirent.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdalign.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(semantics);

/*
 * Who stacks on the stack in its turn, as overlayfs does, takes the size over when it looks a file up. It has to be
 * that of then, although nobody has opened the file since it changed below.
 */
TEST_F(semantics, size_when_looked_up)
{
	char options[3 * PATH_MAX], over[PATH_MAX], f[PATH_MAX + 2];
	struct stat st;
	int fd, n = 0;
	long ret;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fstatat(self->dir, "f", &st, 0));
	make_file(_metadata, self->under, "f", 10000, 2);
	ASSERT_EQ(0, mkdirat(self->plain, "over", 0755));
	ASSERT_EQ(0, mkdirat(self->plain, "empty", 0755));
	snprintf(over, sizeof(over), "%.4000s/over", self->place.plain_path);
	snprintf(options, sizeof(options), "lowerdir=%.4000s:%.4000s/empty", self->place.path, self->place.plain_path);
	ret = errno_of(mount("overlay", over, "overlay", MS_RDONLY, options));
	if (variant->layers == NESTED) {
		EXPECT_EQ(-EINVAL, ret) TH_LOG("three are too many");
		return;
	}
	ASSERT_EQ(0, ret);
	snprintf(f, sizeof(f), "%s/f", over);
	fd = open(f, O_RDONLY);
	EXPECT_EQ(0, ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(10000, n);
	close(fd);
	ASSERT_EQ(0, umount(over));
}

/* What fanotify tells files of different filesystems apart by. */
TEST_F(semantics, filesystem_id)
{
	struct statfs own, below;

	ASSERT_EQ(0, fstatfs(self->dir, &own));
	ASSERT_EQ(0, fstatfs(self->under, &below));
	EXPECT_TRUE(own.f_fsid.__val[0] || own.f_fsid.__val[1]);
	EXPECT_EQ(variant->layers == DIRECT, !memcmp(&own.f_fsid, &below.f_fsid, sizeof(own.f_fsid)));
	EXPECT_EQ(below.f_blocks, own.f_blocks);
	EXPECT_EQ(below.f_namelen, own.f_namelen);
}

#define EXTENTS 16

static long fiemap(int at, const char *name, struct fiemap *map, unsigned int flags)
{
	int fd = openat(at, name, O_RDONLY);
	long ret;

	memset(map, 0, sizeof(*map) + EXTENTS * sizeof(map->fm_extents[0]));
	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = flags;
	map->fm_extent_count = EXTENTS;
	ret = errno_of(ioctl(fd, FS_IOC_FIEMAP, map));
	close(fd);
	return ret;
}

/* Where a file is on the disk: as the backing filesystem says it. */
TEST_F(semantics, extents)
{
	alignas(8) char a[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
	alignas(8) char b[sizeof(a)];
	struct fiemap *own = (void *)a, *below = (void *)b;
	char buf[64 * KIB];
	unsigned int i;
	long ret;
	int fd;

	fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0644);
	fill(buf, sizeof(buf), 0, 1);
	for (i = 0; i < 3; i++)
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), i * MIB));
	ret = fiemap(self->dir, "f", own, FIEMAP_FLAG_SYNC);
	EXPECT_EQ(fs_is("tmpfs") ? -EOPNOTSUPP : 0, ret);
	EXPECT_EQ(ret, fiemap(self->under, "f", below, FIEMAP_FLAG_SYNC));
	EXPECT_EQ(below->fm_mapped_extents, own->fm_mapped_extents);
	EXPECT_EQ(0, memcmp(below, own, sizeof(a)));
	if (!ret) {
		EXPECT_LE(3, own->fm_mapped_extents);
		EXPECT_EQ(-EBADR, fiemap(self->dir, "f", own, 0x4000));
		EXPECT_EQ(fiemap(self->under, ".", below, 0), fiemap(self->dir, ".", own, 0));
	}
}

/* Copies a program that runs until its standard input ends. */
static void make_program(struct __test_metadata *const _metadata, int at, const char *name)
{
	int from = must_open(AT_FDCWD, "/bin/cat", O_RDONLY), to = must_open(at, name, O_WRONLY | O_CREAT, 0755);
	char buf[64 * KIB];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		ASSERT_EQ(n, write(to, buf, n));
	ASSERT_EQ(0, close(from));
	ASSERT_EQ(0, close(to));
}

/* Starts it; returns the pipe that keeps it running, once it runs. */
static int run_program(struct __test_metadata *const _metadata, int at, const char *name, pid_t *pid)
{
	int in[2], out[2];
	char c;

	ASSERT_EQ(0, pipe(in));
	ASSERT_EQ(0, pipe(out));
	*pid = fork();
	if (!*pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		syscall(SYS_execveat, at, name, (char *[]){ "cat", NULL }, environ, 0);
		_exit(errno);
	}
	close(in[0]);
	close(out[1]);
	ASSERT_EQ(1, write(in[1], "x", 1));
	ASSERT_EQ(1, read(out[0], &c, 1));
	close(out[0]);
	return in[1];
}

static int try_run(int at, const char *name)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		close(0);
		open("/dev/null", O_RDONLY);
		syscall(SYS_execveat, at, name, (char *[]){ "cat", NULL }, environ, 0);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* A program that runs is not written to, from whichever side it was started and is written. */
TEST_F(semantics, write_to_running)
{
	int dirs[2] = { self->dir, self->under }, i, in, status;
	pid_t pid;

	make_program(_metadata, self->dir, "p");
	for (i = 0; i < 2; i++) {
		in = run_program(_metadata, dirs[i], "p", &pid);
		EXPECT_EQ(-ETXTBSY, errno_of(openat(dirs[i], "p", O_WRONLY)));
		EXPECT_EQ(-ETXTBSY, errno_of(openat(self->dir, "p", O_RDWR)));
		EXPECT_EQ(-ETXTBSY, errno_of(openat(self->dir, "p", O_RDONLY | O_TRUNC)));
		close(in);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	EXPECT_LE(0, openat(self->dir, "p", O_WRONLY));
}

/* A file that is open for writing is not executed. */
TEST_F(semantics, run_while_written)
{
	int fd;

	make_program(_metadata, self->dir, "p");
	EXPECT_EQ(0, try_run(self->dir, "p"));
	fd = must_open(self->dir, "p", O_WRONLY);
	EXPECT_EQ(ETXTBSY, try_run(self->dir, "p"));
	EXPECT_EQ(ETXTBSY, try_run(self->under, "p"));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, try_run(self->dir, "p"));
}

/* Swap bypasses the filesystem, so the stack refuses; the same file is good enough directly. */
TEST_F(semantics, swap)
{
	bool can = variant->layers == DIRECT && (fs_is("xfs") || fs_is("ext4"));
	char path[PATH_MAX], command[PATH_MAX + 64];
	int fd = must_open(self->dir, "s", O_RDWR | O_CREAT, 0600);

	snprintf(path, sizeof(path), "%.3000s/s", self->place.path);
	ASSERT_EQ(0, fallocate(fd, 0, 0, MIB));
	ASSERT_EQ(0, fsync(fd));
	snprintf(command, sizeof(command), "mkswap -q %s", path);
	ASSERT_EQ(0, system(command));
	if (can) {
		EXPECT_EQ(0, swapon(path, 0)) TH_LOG("%m");
		EXPECT_EQ(0, swapoff(path));
	} else if (variant->layers != DIRECT) {
		/* Others that refuse may say so in the kernel's log */
		EXPECT_EQ(-EINVAL, errno_of(swapon(path, 0)));
	}
}

/* The content is not in memory that can be mapped without the page cache. */
TEST_F(semantics, no_dax)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0600);
	struct statx stx;

	ASSERT_EQ(0, ftruncate(fd, 4096));
	ASSERT_EQ(0, statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	EXPECT_EQ(0, stx.stx_attributes & STATX_ATTR_DAX);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

static void set_project(int at, const char *name, unsigned int id, unsigned int xflags, long *ret)
{
	int fd = openat(at, name, O_RDONLY);
	struct fsxattr attr = { };

	ret[0] = errno_of(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
	attr.fsx_projid = id;
	attr.fsx_xflags |= xflags;
	ret[1] = errno_of(ioctl(fd, FS_IOC_FSSETXATTR, &attr));
	memset(&attr, 0, sizeof(attr));
	ioctl(fd, FS_IOC_FSGETXATTR, &attr);
	ret[2] = attr.fsx_projid;
	ret[3] = attr.fsx_xflags & xflags;
	close(fd);
}

/* Project ids, by which quotas are kept: the backing filesystem has them or not, and files inherit them there. */
TEST_F(semantics, project_ids)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][12] = { };

	for (w = 0; w < 2; w++) {
		ASSERT_EQ(0, mkdirat(at[w], "d", 0755));
		set_project(at[w], "d", 42, FS_XFLAG_PROJINHERIT, ret[w]);
		make_file(_metadata, at[w], "d/f", 10, 1);
		set_project(at[w], "d/f", 42, 0, ret[w] + 4);
		/* Into a directory of a project from outside */
		make_file(_metadata, at[w], "g", 10, 1);
		ret[w][8] = errno_of(linkat(at[w], "g", at[w], "d/g", 0));
		ret[w][9] = errno_of(renameat(at[w], "g", at[w], "d/h"));
	}
	if (fs_is("xfs")) {
		EXPECT_EQ(42, ret[1][2]);
		EXPECT_EQ(-EXDEV, ret[1][8]);
	}
	for (i = 0; i < 12; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* The next event, as text: "name:mask", or "" when there is none. */
static const char *next_event(int fd)
{
	static alignas(8) char buf[4096];
	static char text[64];
	static size_t at, len;
	struct inotify_event *e;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (at == len) {
		at = 0;
		len = 0;
		if (poll(&p, 1, 0) == 1)
			len = read(fd, buf, sizeof(buf));
		if (!len)
			return "";
	}
	e = (struct inotify_event *)(buf + at);
	at += sizeof(*e) + e->len;
	snprintf(text, sizeof(text), "%.32s:%x", e->len ? e->name : "", e->mask);
	return text;
}

#define expect_event(name, mask) \
do { \
	char __want[64]; \
	\
	snprintf(__want, sizeof(__want), "%s:%x", name, mask); \
	EXPECT_STREQ(__want, next_event(fd)); \
} while (0)

/* Who watches a folder through the stack is told what happens there through the stack. */
TEST_F(semantics, inotify)
{
	int fd = inotify_init1(IN_NONBLOCK), f;

	ASSERT_LE(0, inotify_add_watch(fd, self->place.path,
				       IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE)));
	f = must_open(self->dir, "a", O_RDWR | O_CREAT, 0644);
	ASSERT_EQ(3, write(f, "abc", 3));
	ASSERT_EQ(0, fchmod(f, 0600));
	ASSERT_EQ(0, ftruncate(f, 1));
	ASSERT_EQ(0, close(f));
	ASSERT_EQ(0, linkat(self->dir, "a", self->dir, "l", 0));
	ASSERT_EQ(0, renameat(self->dir, "a", self->dir, "b"));
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, unlinkat(self->dir, "d", AT_REMOVEDIR));
	ASSERT_EQ(0, unlinkat(self->dir, "b", 0));
	expect_event("a", IN_CREATE);
	expect_event("a", IN_MODIFY);
	expect_event("a", IN_ATTRIB);
	expect_event("a", IN_MODIFY);
	expect_event("a", IN_CLOSE_WRITE);
	expect_event("l", IN_CREATE);
	expect_event("a", IN_MOVED_FROM);
	expect_event("b", IN_MOVED_TO);
	expect_event("d", IN_CREATE | IN_ISDIR);
	expect_event("d", IN_DELETE | IN_ISDIR);
	expect_event("b", IN_DELETE);
	EXPECT_STREQ("", next_event(fd));
}

TEST_F(semantics, inotify_of_a_file)
{
	int fd = inotify_init1(IN_NONBLOCK);
	char path[PATH_MAX];

	make_file(_metadata, self->dir, "f", 10, 1);
	snprintf(path, sizeof(path), "%.3000s/f", self->place.path);
	ASSERT_LE(0, inotify_add_watch(fd, path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF));
	make_file(_metadata, self->dir, "f", 10, 2);
	ASSERT_EQ(0, renameat(self->dir, "f", self->dir, "g"));
	ASSERT_EQ(0, unlinkat(self->dir, "g", 0));
	/* Emptied, written */
	expect_event("", IN_MODIFY);
	expect_event("", IN_MOVE_SELF);
	expect_event("", IN_DELETE_SELF);
	expect_event("", IN_IGNORED);
}

TEST_F(semantics, sync_of_a_folder)
{
	int d;

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	d = must_open(self->dir, "d", O_RDONLY | O_DIRECTORY);
	make_file(_metadata, d, "f", 10, 1);
	EXPECT_EQ(0, fsync(d));
	EXPECT_EQ(0, fdatasync(d));
	EXPECT_EQ(0, syncfs(d));
}

static int make_exclusively(int at, const char *name, int how)
{
	switch (how) {
	case 0:
		return openat(at, name, O_RDWR | O_CREAT | O_EXCL, 0644);
	case 1:
		return mkdirat(at, name, 0755);
	case 2:
		return symlinkat("x", at, name);
	case 3:
		return mknodat(at, name, S_IFIFO | 0644, 0);
	case 4:
		return linkat(at, "source", at, name, 0);
	default:
		return syscall(SYS_renameat2, at, "moved", at, name, RENAME_NOREPLACE);
	}
}

#define ROUNDS 60

/* One name, made through the stack and below at the same time: one of the two fails, with EEXIST. */
TEST_F_TIMEOUT(semantics, exclusive_creation, 120)
{
	int go[2][2], done[2][2], w, i, ret[2];
	char name[16], c;

	make_file(_metadata, self->dir, "source", 10, 1);
	for (w = 0; w < 2; w++) {
		ASSERT_EQ(0, pipe(go[w]));
		ASSERT_EQ(0, pipe(done[w]));
		if (fork())
			continue;
		for (i = 0; i < ROUNDS; i++) {
			int err;

			if (read(go[w][0], &c, 1) != 1)
				_exit(1);
			snprintf(name, sizeof(name), "n%d", i);
			err = make_exclusively(w ? self->under : self->dir, name, i % 5) < 0 ? errno : 0;
			if (write(done[w][1], &err, sizeof(err)) != sizeof(err))
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < ROUNDS; i++) {
		/* Both sides have the name in their cache as a missing one, sometimes */
		snprintf(name, sizeof(name), "n%d", i);
		if (i % 2)
			faccessat(self->dir, name, F_OK, 0);
		ASSERT_EQ(1, write(go[i % 2][1], "x", 1));
		ASSERT_EQ(1, write(go[1 - i % 2][1], "x", 1));
		for (w = 0; w < 2; w++)
			ASSERT_EQ((ssize_t)sizeof(int), read(done[w][0], &ret[w], sizeof(int)));
		EXPECT_EQ(EEXIST, ret[0] + ret[1]) TH_LOG("%s: %d %d", name, ret[0], ret[1]);
		EXPECT_EQ(0, faccessat(self->dir, name, F_OK, AT_SYMLINK_NOFOLLOW));
		EXPECT_EQ(0, faccessat(self->under, name, F_OK, AT_SYMLINK_NOFOLLOW));
	}
	for (w = 0; w < 2; w++)
		ASSERT_LT(0, wait(&i));
}

/* As many as BF_ENTRIES says, through the stack: every name once, and positions lead back to where they were taken. */
TEST_F_TIMEOUT(semantics, huge_folder, 3000)
{
	int entries = variant->layers == STACK ? atoi(getenv("BF_ENTRIES") ?: "5000") : 1000;
	int i, d, n = 0, total = 0;
	char *seen = calloc(1, entries), name[16], first[256];
	struct { long at; char name[16]; } mark[64];
	struct dirent *e;
	DIR *s;

	ASSERT_EQ(0, mkdirat(self->under, "d", 0755));
	d = must_open(self->under, "d", O_RDONLY | O_DIRECTORY);
	for (i = 0; i < entries; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_EQ(0, mknodat(d, name, S_IFREG | 0644, 0));
	}
	s = fdopendir(must_open(self->dir, "d", O_RDONLY | O_DIRECTORY));
	ASSERT_NE(NULL, s);
	for (i = 0;; i++) {
		long at = telldir(s);

		e = readdir(s);
		if (!e)
			break;
		if (i % (entries / 64 + 1) == 0 && n < 64) {
			mark[n].at = at;
			snprintf(mark[n++].name, sizeof(name), "%.15s", e->d_name);
		}
		if (e->d_name[0] == '.')
			continue;
		EXPECT_EQ(0, seen[atoi(e->d_name)]++);
		total++;
	}
	EXPECT_EQ(entries, total);
	for (i = n - 1; i >= 0; i--) {
		seekdir(s, mark[i].at);
		e = readdir(s);
		ASSERT_NE(NULL, e);
		EXPECT_STREQ(mark[i].name, e->d_name);
	}
	rewinddir(s);
	e = readdir(s);
	ASSERT_NE(NULL, e);
	snprintf(first, sizeof(first), "%s", e->d_name);
	EXPECT_STREQ(mark[0].name, first);
	closedir(s);
	free(seen);
}

TEST_HARNESS_MAIN
