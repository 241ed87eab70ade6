/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a test runs: the same body on the backing filesystem itself, through passfs, and through passfs on passfs.
 *
 * The first shows that what a test expects is what Linux does ("backing first, then the stack"); the others that the
 * stack is no different. Include after <kselftest_harness.h>, say PLACES(name) once in a file, then write
 * TEST_F(name, ...) with the functions below. Everything happens in folders of the test's own, in a mount namespace of
 * its own.
 */
#ifndef PLACE_H
#define PLACE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB 1024
#define MIB (1024 * 1024)
#define NOBODY 65534

/* How many layers of passfs. */
enum { DIRECT, STACK, NESTED };

/*
 * @dir:	the folder a test works in
 * @under:	the same folder as the backing filesystem has it; for DIRECT the same as @dir
 * @plain:	another folder, of the backing filesystem alone: to ask what it answers
 * @path, @under_path, @plain_path: their names
 */
struct place {
	int dir;
	int under;
	int plain;
	char path[PATH_MAX];
	char under_path[PATH_MAX];
	char plain_path[PATH_MAX];
	char root[PATH_MAX];
	char top[PATH_MAX];
};

static inline const char *bf_fs(void)
{
	return getenv("BF_FS") ?: "xfs";
}

static inline bool fs_is(const char *name)
{
	return !strcmp(bf_fs(), name);
}

/* Files of failed tests may be append-only or immutable. */
static inline void remove_tree(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	struct dirent *e;
	int flags = 0;
	DIR *d;

	if (fd < 0) {
		unlinkat(at, name, 0);
		return;
	}
	ioctl(fd, FS_IOC_SETFLAGS, &flags);
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		unlinkat(at, name, 0);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			remove_tree(fd, e->d_name);
	closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

static inline int open_dir(struct __test_metadata *const _metadata, const char *path)
{
	int fd;

	ASSERT_TRUE(!mkdir(path, 0755) || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, fd) TH_LOG("%s: %m", path);
	return fd;
}

static inline void place_setup(struct __test_metadata *const _metadata, struct place *p, int layers)
{
	const char *stack = getenv("BF_STACK"), *backing = getenv("BF_BACKING");
	char name[32];

	umask(022);
	ASSERT_NE(NULL, stack);
	ASSERT_NE(NULL, backing);
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));

	snprintf(name, sizeof(name), "t.%d", getpid());
	snprintf(p->root, sizeof(p->root), "%.2000s/..", backing);
	ASSERT_NE(NULL, realpath(p->root, p->top));
	strcpy(p->root, p->top);
	snprintf(p->plain_path, sizeof(p->plain_path), "%.2000s/plain.%s", p->root, name);
	p->plain = open_dir(_metadata, p->plain_path);

	switch (layers) {
	case DIRECT:
		snprintf(p->under_path, sizeof(p->under_path), "%.2000s/direct.%s", p->root, name);
		snprintf(p->path, sizeof(p->path), "%.2000s", p->under_path);
		break;
	case STACK:
		snprintf(p->under_path, sizeof(p->under_path), "%.2000s/%s", backing, name);
		snprintf(p->path, sizeof(p->path), "%.2000s/%s", stack, name);
		break;
	case NESTED:
		snprintf(p->top, sizeof(p->top), "/tmp/nested.%s", name);
		ASSERT_EQ(0, mkdir(p->top, 0755));
		ASSERT_EQ(0, mount(stack, p->top, "passfs", 0, NULL));
		snprintf(p->under_path, sizeof(p->under_path), "%.2000s/%s", backing, name);
		snprintf(p->path, sizeof(p->path), "%.2000s/%s", p->top, name);
		break;
	}
	p->under = open_dir(_metadata, p->under_path);
	p->dir = open_dir(_metadata, p->path);
}

static inline void place_teardown(struct place *p, int layers)
{
	close(p->dir);
	close(p->under);
	close(p->plain);
	remove_tree(AT_FDCWD, p->under_path);
	remove_tree(AT_FDCWD, p->plain_path);
	if (layers == NESTED) {
		umount2(p->top, MNT_DETACH);
		rmdir(p->top);
	}
}

#define PLACES(name) \
FIXTURE(name) { struct place place; int dir; int under; int plain; }; \
FIXTURE_VARIANT(name) { int layers; }; \
FIXTURE_VARIANT_ADD(name, backing) { .layers = DIRECT }; \
FIXTURE_VARIANT_ADD(name, stack) { .layers = STACK }; \
FIXTURE_VARIANT_ADD(name, nested) { .layers = NESTED }; \
FIXTURE_SETUP(name) \
{ \
	place_setup(_metadata, &self->place, variant->layers); \
	self->dir = self->place.dir; \
	self->under = self->place.under; \
	self->plain = self->place.plain; \
} \
FIXTURE_TEARDOWN(name) { place_teardown(&self->place, variant->layers); } \
struct place

/* -1 and errno become -errno, so that one comparison tells all. */
#define errno_of(call) \
({ \
	long __ret = (long)(call); \
	__ret == -1 ? -(long)errno : __ret; \
})

/* Opens, and fails the test if that fails. */
#define must_open(at, name, ...) \
({ \
	int __fd = openat(at, name, __VA_ARGS__); \
	ASSERT_LE(0, __fd) TH_LOG("%s: %m", name); \
	__fd; \
})

/* Content that tells where it is from: no two 8-byte words of it are equal, and none is zero. */
static inline void fill(void *buf, size_t len, off_t pos, unsigned int seed)
{
	unsigned char *b = buf;
	uint64_t word = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (!i || (pos + i) % 8 == 0)
			word = (((uint64_t)(pos + i) / 8 + 1) * 0x9e3779b97f4a7c15ULL ^ seed) >> (pos + i) % 8 * 8;
		b[i] = word ?: 1;
		word >>= 8;
	}
}

static inline void make_file(struct __test_metadata *const _metadata, int at, const char *name, size_t len,
			     unsigned int seed)
{
	int fd = must_open(at, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char *buf = malloc(len + 1);

	fill(buf, len, 0, seed);
	ASSERT_EQ((ssize_t)len, pwrite(fd, buf, len, 0));
	ASSERT_EQ(0, close(fd));
	free(buf);
}

/* Does @len bytes at @pos of @fd hold what fill() made? Says at which byte not, or -1. */
static inline off_t differs(int fd, size_t len, off_t pos, unsigned int seed)
{
	char *want = malloc(len + 1), *got = calloc(1, len + 1);
	ssize_t n = pread(fd, got, len, pos);
	off_t at = -1;
	size_t i;

	fill(want, len, pos, seed);
	for (i = 0; i < len && at < 0; i++)
		if (n < (ssize_t)(i + 1) || got[i] != want[i])
			at = pos + i;
	free(want);
	free(got);
	return at;
}

static inline off_t name_differs(int at, const char *name, size_t len, unsigned int seed)
{
	int fd = openat(at, name, O_RDONLY);
	struct stat st;
	off_t ret;

	if (fd < 0 || fstat(fd, &st) || st.st_size != (off_t)len) {
		close(fd);
		return 0;
	}
	ret = differs(fd, len, 0, seed);
	close(fd);
	return ret;
}

/* In the test's folder and in the backing filesystem: @len bytes of fill()'s. */
#define expect_content(name, len, seed) \
do { \
	EXPECT_EQ(-1, name_differs(self->dir, name, len, seed)) TH_LOG("%s through the stack", name); \
	EXPECT_EQ(-1, name_differs(self->under, name, len, seed)) TH_LOG("%s below", name); \
} while (0)

static inline off_t size_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) ? -errno : st.st_size;
}

/* FS_APPEND_FL or FS_IMMUTABLE_FL, set on the backing filesystem. */
static inline int set_flag(int at, const char *name, int flag, bool on)
{
	int fd = openat(at, name, O_RDONLY), flags = 0, ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	if (!ret) {
		flags = on ? flags | flag : flags & ~flag;
		ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	close(fd);
	return ret;
}

/* Runs @call in a child that is user @uid without privileges: 0, or the errno it gave. */
#define as_user(uid, call) \
({ \
	pid_t __pid = fork(); \
	int __status = 0; \
	\
	if (!__pid) { \
		if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) \
			_exit(255); \
		_exit((call) < 0 ? errno : 0); \
	} \
	waitpid(__pid, &__status, 0); \
	WIFEXITED(__status) ? WEXITSTATUS(__status) : 1000 + WTERMSIG(__status); \
})

#endif
