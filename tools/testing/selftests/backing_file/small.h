/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small filesystem of a test's own, of the kind that BF_FS says, and the stack on it: to be filled, and to
 * fail. Include after <kselftest_harness.h> and "place.h", say SMALL(fixture). "The same" means: done on that
 * filesystem itself and then through the stack, with the same result.
 */
#ifndef SMALL_H
#define SMALL_H

#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>

#define SIZE (64 * KIB)

/*
 * @at:		where all is: the filesystem at fs, the stack at pass, the disk in disk
 * @device:	the disk's loop device
 * @below:	a folder of the small filesystem
 * @dir:	the same through the stack
 * @mapper:	a device that can be exchanged is on the disk, see disk_test.c
 * @told:	the log is told to expect complaints
 */
struct small {
	char at[64];
	char device[64];
	int below;
	int dir;
	bool mapper;
	bool told;
};

static inline int shell(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return system(line);
}

/* The kernel is going to complain about our disk: that is no report. */
static inline void complaints(bool expected)
{
	static const char * const texts[] = {
		"(loop", "device loop", "dev loop", "for loop", "(dm-", "device dm-", "dev dm-", "for dm-",
	};
	int fd = open("/dev/kmsg", O_WRONLY);
	size_t i;

	for (i = 0; expected && i < ARRAY_SIZE(texts); i++)
		dprintf(fd, "bf-test: expect %s\n", texts[i]);
	if (!expected)
		dprintf(fd, "bf-test: expect\n");
	close(fd);
}

static inline int mount_below(struct small *s)
{
	const char *options = fs_is("xfs") ? "uquota,pquota" : fs_is("ext4") ? "usrquota,prjquota" : "defaults";

	if (fs_is("tmpfs"))
		return shell("mount -t tmpfs -o size=16M,nr_inodes=128 tmpfs %s/fs", s->at);
	return shell("mount -t %s -o %s %s %s/fs", bf_fs(), options, s->device, s->at);
}

static inline int mount_stack(struct small *s)
{
	char lower[128], pass[128];

	snprintf(lower, sizeof(lower), "%s/fs/lower", s->at);
	snprintf(pass, sizeof(pass), "%s/pass", s->at);
	mkdir(lower, 0777);
	chmod(lower, 0777);
	if (mount(lower, pass, "passfs", 0, NULL))
		return -1;
	s->below = open(lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->dir = open(pass, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->below < 0 || s->dir < 0 ? -1 : 0;
}

static inline int unmount(struct small *s, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->at, what);
	return umount(path);
}

static inline int make_disk(struct small *s)
{
	/* Without blocks for root alone; with few inodes, so that they can be used up */
	const char *make = fs_is("xfs") ? "mkfs.xfs -q -f" : fs_is("btrfs") ? "mkfs.btrfs -q -f" :
		"mkfs.ext4 -q -F -m 0 -N 128 -O quota,project -E quotatype=usrquota:prjquota";
	FILE *f;

	if (shell("modprobe -q loop; truncate -s 320M %s/disk && %s %s/disk", s->at, make, s->at))
		return -1;
	snprintf(s->device, sizeof(s->device), "losetup --show -f %.40s/disk", s->at);
	f = popen(s->device, "r");
	if (!f || fscanf(f, "%63s", s->device) != 1)
		return -1;
	return pclose(f);
}

static inline void small_setup(struct __test_metadata *const _metadata, struct small *s)
{
	umask(022);
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(s->at, sizeof(s->at), "/tmp/failure.%d", getpid());
	ASSERT_EQ(0, shell("mkdir -p %s/fs %s/pass", s->at, s->at));
	if (!fs_is("tmpfs")) {
		ASSERT_EQ(0, make_disk(s));
	}
	ASSERT_EQ(0, mount_below(s));
	ASSERT_EQ(0, mount_stack(s));
}

/* Whatever happened. */
static inline void small_teardown(struct __test_metadata *const _metadata, struct small *s)
{
	close(s->dir);
	close(s->below);
	EXPECT_EQ(0, unmount(s, "pass")) TH_LOG("%m");
	EXPECT_EQ(0, unmount(s, "fs")) TH_LOG("%m");
	if (s->mapper) {
		EXPECT_EQ(0, shell("dmsetup remove --noudevsync %s", strrchr(s->at, '/') + 1));
	}
	if (!fs_is("tmpfs")) {
		EXPECT_EQ(0, shell("losetup -d %s", s->device));
	}
	if (s->told)
		complaints(false);
	EXPECT_EQ(0, shell("rm -r %s", s->at));
}

#define SMALL(name) \
FIXTURE(name) { struct small s; }; \
FIXTURE_SETUP(name) { small_setup(_metadata, &self->s); } \
FIXTURE_TEARDOWN(name) { small_teardown(_metadata, &self->s); } \
struct small

/* @op, with the folder in @at: the same, and @want of it. */
#define same(want, op) \
({ \
	int at = self->s.below; \
	long __below = errno_of(op), __stack; \
	\
	at = self->s.dir; \
	__stack = errno_of(op); \
	EXPECT_EQ(__below, __stack) TH_LOG("%s", #op); \
	EXPECT_EQ(want, __stack) TH_LOG("%s", #op); \
	__stack; \
})

static inline int touch(int at, const char *name, int flags)
{
	int fd = openat(at, name, flags, 0644);

	return fd < 0 ? -1 : close(fd);
}

/* Stores one byte into each page of a mapping of @name: 0, or -1 and EFAULT for SIGBUS. */
static inline int store(int at, const char *name, size_t len)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int fd = openat(at, name, O_RDWR);
		char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		size_t i;

		signal(SIGBUS, SIG_DFL);
		if (map == MAP_FAILED)
			_exit(1);
		for (i = 0; i < len; i += 4096)
			map[i] = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	errno = WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS ? EFAULT : EINVAL;
	return status ? -1 : 0;
}

#endif
