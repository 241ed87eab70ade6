// SPDX-License-Identifier: GPL-2.0
/*
 * Promises when the filesystem below fails: full, over quota, read-only, frozen, shut down, on a broken disk, taken
 * away. Each operation fails as it does there, or waits as it does there; nothing is reported as written that is not,
 * no old content is shown as good, and unmounting always works.
 *
 * On a small filesystem of the test's own, of the kind that BF_FS says. "The same" below means: done on that filesystem
 * itself and then through the stack, with the same result.
 */
#include <linux/fiemap.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

#define SIZE (64 * KIB)
#define USER 1234

/* _IOR('X', 125): XFS_IOC_GOINGDOWN, EXT4_IOC_SHUTDOWN and BTRFS_IOC_SHUTDOWN; 2: the log is not written out. */
#define IOC_SHUTDOWN _IOR('X', 125, unsigned int)
#define NO_LOG_FLUSH 2

/*
 * @at:		where all is: the filesystem at fs, the stack at pass, the disk in disk
 * @device:	the disk's loop device
 * @below:	a folder of the small filesystem
 * @dir:	the same through the stack
 * @mapper:	a device that can be exchanged is on the disk
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

FIXTURE(failure) { struct small s; };

static int shell(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return system(line);
}

/* The kernel is going to complain about our disk: that is no report. */
static void complaints(bool expected)
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

static int mount_below(struct small *s)
{
	const char *options = fs_is("xfs") ? "uquota,pquota" : fs_is("ext4") ? "usrquota,prjquota" : "defaults";

	if (fs_is("tmpfs"))
		return shell("mount -t tmpfs -o size=16M,nr_inodes=128 tmpfs %s/fs", s->at);
	return shell("mount -t %s -o %s %s %s/fs", bf_fs(), options, s->device, s->at);
}

static int mount_stack(struct small *s)
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

static int unmount(struct small *s, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->at, what);
	return umount(path);
}

/* A layer on the disk, which changes while it is in use: of @len sectors at @bad nothing can be read or written. */
static int break_disk(struct small *s, unsigned long bad, unsigned long len)
{
	const char *loop = strrchr(s->device, '/') + 1, *name = strrchr(s->at, '/') + 1;
	unsigned long size = 0, end;
	char path[128], table[256];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%.64s/size", loop);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &size) != 1 || fclose(f))
		return -1;
	end = bad + len > size ? size : bad + len;
	if (bad)
		n += sprintf(table + n, "0 %lu linear %s 0\\n", bad, s->device);
	if (end > bad)
		n += sprintf(table + n, "%lu %lu error\\n", bad, end - bad);
	if (end < size)
		n += sprintf(table + n, "%lu %lu linear %s %lu\\n", end, size - end, s->device, end);
	if (s->mapper && shell("dmsetup suspend --noflush --nolockfs %s", name))
		return -1;
	if (shell("printf '%s' | dmsetup %s %s --noudevsync", table, s->mapper ? "load" : "create", name))
		return -1;
	return shell(s->mapper ? "dmsetup resume --noudevsync %s" : "dmsetup mknodes %s", name);
}

static int make_disk(struct small *s)
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

FIXTURE_SETUP(failure)
{
	umask(022);
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->s.at, sizeof(self->s.at), "/tmp/failure.%d", getpid());
	ASSERT_EQ(0, shell("mkdir -p %s/fs %s/pass", self->s.at, self->s.at));
	if (!fs_is("tmpfs")) {
		ASSERT_EQ(0, make_disk(&self->s));
	}
	ASSERT_EQ(0, mount_below(&self->s));
	ASSERT_EQ(0, mount_stack(&self->s));
}

/* All again, on a disk that can be broken. */
static int mount_on_mapper(struct small *s)
{
	close(s->dir);
	close(s->below);
	if (unmount(s, "pass") || unmount(s, "fs") || shell("modprobe -q dm_mod; true") || break_disk(s, 0, 0))
		return -1;
	s->mapper = true;
	if (shell("mount -t %s /dev/mapper/%s %s/fs", bf_fs(), strrchr(s->at, '/') + 1, s->at))
		return -1;
	return mount_stack(s);
}

/* Whatever happened. */
FIXTURE_TEARDOWN(failure)
{
	close(self->s.dir);
	close(self->s.below);
	EXPECT_EQ(0, unmount(&self->s, "pass")) TH_LOG("%m");
	EXPECT_EQ(0, unmount(&self->s, "fs")) TH_LOG("%m");
	if (self->s.mapper) {
		EXPECT_EQ(0, shell("dmsetup remove --noudevsync %s", strrchr(self->s.at, '/') + 1));
	}
	if (!fs_is("tmpfs")) {
		EXPECT_EQ(0, shell("losetup -d %s", self->s.device));
	}
	if (self->s.told)
		complaints(false);
	EXPECT_EQ(0, shell("rm -r %s", self->s.at));
}

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

/* Writes what fill() makes until that fails: the errno; @len is how much was said to be written. */
static int write_until(int fd, size_t most, off_t *len)
{
	static char buf[SIZE];

	for (*len = 0; *len < (off_t)most;) {
		ssize_t n;

		fill(buf, sizeof(buf), *len, 1);
		n = pwrite(fd, buf, sizeof(buf), *len);
		if (n < 0)
			return errno;
		*len += n;
	}
	return 0;
}

static off_t take_all(int at)
{
	int fd = openat(at, "filler", O_RDWR | O_CREAT, 0644);
	off_t end = 0, len;

	for (len = 1 << 28; len >= 4096; len /= 2)
		while (!fallocate(fd, 0, end, len))
			end += len;
	close(fd);
	return end;
}

static int allocate(int at, const char *name, off_t pos, off_t len)
{
	int fd = openat(at, name, O_RDWR), ret = fallocate(fd, 0, pos, len), saved = errno;

	close(fd);
	errno = saved;
	return ret;
}

static int touch(int at, const char *name, int flags)
{
	int fd = openat(at, name, flags, 0644);

	return fd < 0 ? -1 : close(fd);
}

/* Stores one byte into each page of a mapping of @name: 0, or -1 and EFAULT for SIGBUS. */
static int store(int at, const char *name, size_t len)
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

TEST_F_TIMEOUT(failure, full, 300)
{
	char name[16];
	struct stat st;
	off_t len;
	int fd, i;

	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	fd = must_open(self->s.dir, "f", O_RDWR);
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, close(fd));
	for (i = 0; i < 2; i++) {
		fd = must_open(i ? self->s.below : self->s.dir, i ? "hole.below" : "hole", O_RDWR | O_CREAT, 0644);
		ASSERT_EQ(0, ftruncate(fd, 8 * MIB));
		ASSERT_EQ(0, close(fd));
	}
	fd = must_open(self->s.dir, "g", O_RDWR | O_CREAT, 0644);
	ASSERT_LT(MIB, take_all(self->s.below));

	EXPECT_EQ(ENOSPC, write_until(fd, 256 * MIB, &len));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(len, st.st_size);
	EXPECT_EQ(len, size_of(self->s.below, "g"));
	EXPECT_EQ(-1, differs(fd, len, 0, 1));
	same(-ENOSPC, allocate(at, "g", len, 256 * MIB));
	EXPECT_EQ(len, size_of(self->s.dir, "g"));
	EXPECT_EQ(-EFAULT, errno_of(store(self->s.below, "hole.below", 8 * MIB)));
	EXPECT_EQ(-EFAULT, errno_of(store(self->s.dir, "hole", 8 * MIB)));

	/* Names too, where they are of the same space; btrfs has reserved some for them */
	for (i = 0; i < 3000 && !fs_is("btrfs"); i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (touch(self->s.dir, name, O_RDWR | O_CREAT | O_EXCL))
			break;
	}
	if (!fs_is("btrfs")) {
		EXPECT_EQ(ENOSPC, errno);
		same(-ENOENT, faccessat(at, name, F_OK, 0));
		same(-ENOSPC, touch(at, name, O_RDWR | O_CREAT));
		same(-ENOSPC, mkdirat(at, name, 0755));
		same(-ENOENT, faccessat(at, name, F_OK, 0));
	}

	/* Space again */
	ASSERT_EQ(0, unlinkat(self->s.below, "filler", 0));
	ASSERT_EQ(0, unlinkat(self->s.dir, "hole", 0));
	ASSERT_EQ(0, syncfs(self->s.below));
	EXPECT_EQ(0, write_until(fd, 4 * MIB, &len));
	EXPECT_EQ(-1, differs(fd, 4 * MIB, 0, 1));
	EXPECT_EQ(-1, name_differs(self->s.dir, "f", SIZE, 1));
	if (!fs_is("btrfs")) {
		EXPECT_EQ(0, touch(self->s.dir, name, O_RDWR | O_CREAT));
	}
	ASSERT_EQ(0, close(fd));
}

static int set_limit(struct small *s, int type, unsigned int id, unsigned long kib, unsigned long inodes)
{
	struct dqblk limit = {
		.dqb_bhardlimit = kib, .dqb_bsoftlimit = kib, .dqb_ihardlimit = inodes, .dqb_isoftlimit = inodes,
		.dqb_valid = QIF_LIMITS,
	};

	return syscall(SYS_quotactl_fd, s->below, QCMD(Q_SETQUOTA, type), id, &limit);
}

/* As user @uid: the errno of writing a file of @len, and of making @files. */
static int write_as(unsigned int uid, int at, const char *name, size_t len)
{
	off_t done;

	return as_user(uid, ({
		int fd = openat(at, name, O_RDWR | O_CREAT, 0644), err = fd < 0 ? errno : write_until(fd, len, &done);

		errno = err;
		err ? -1 : 0;
	}));
}

static int make_as(unsigned int uid, int at, const char *prefix, int files)
{
	return as_user(uid, ({
		char name[32];
		int i, ret = 0;

		for (i = 0; i < files && !ret; i++) {
			snprintf(name, sizeof(name), "%s%d", prefix, i);
			ret = mknodat(at, name, S_IFREG | 0644, 0);
		}
		ret;
	}));
}

/* The owner's, and nobody is beyond it because the mounter is. */
TEST_F_TIMEOUT(failure, user_quota, 300)
{
	if (fs_is("tmpfs") || fs_is("btrfs")) {
		EXPECT_GT(0, set_limit(&self->s, USRQUOTA, USER, 1024, 20));
		return;
	}
	ASSERT_EQ(0, set_limit(&self->s, USRQUOTA, USER, 1024, 20)) TH_LOG("%m");
	EXPECT_EQ(EDQUOT, write_as(USER, self->s.below, "a", 4 * MIB));
	ASSERT_EQ(0, unlinkat(self->s.below, "a", 0));
	EXPECT_EQ(EDQUOT, write_as(USER, self->s.dir, "b", 4 * MIB));
	EXPECT_EQ(size_of(self->s.below, "b"), size_of(self->s.dir, "b"));
	EXPECT_GE(1024 * KIB, size_of(self->s.dir, "b"));
	EXPECT_EQ(0, write_as(USER + 1, self->s.dir, "c", 4 * MIB));
	ASSERT_EQ(0, unlinkat(self->s.dir, "b", 0));
	EXPECT_EQ(0, write_as(USER, self->s.dir, "b", 512 * KIB));

	EXPECT_EQ(EDQUOT, make_as(USER, self->s.below, "x", 40));
	EXPECT_EQ(EDQUOT, make_as(USER, self->s.dir, "y", 40));
	EXPECT_EQ(0, make_as(USER + 1, self->s.dir, "z", 40));
}

static int set_project(int at, const char *name, unsigned int id)
{
	int fd = openat(at, name, O_RDONLY), ret;
	struct fsxattr attr = { };

	ioctl(fd, FS_IOC_FSGETXATTR, &attr);
	attr.fsx_projid = id;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	ret = ioctl(fd, FS_IOC_FSSETXATTR, &attr);
	close(fd);
	return ret;
}

/* Of a folder, set through the stack; the folder is as large as its quota. btrfs has quotas of subvolumes instead. */
TEST_F_TIMEOUT(failure, folder_quota, 300)
{
	int full = fs_is("ext4") ? EDQUOT : ENOSPC;
	struct statfs own, below;

	ASSERT_EQ(0, mkdirat(self->s.dir, "d", 0777));
	ASSERT_EQ(0, fchmodat(self->s.dir, "d", 0777, 0));
	if (fs_is("tmpfs")) {
		EXPECT_GT(0, set_limit(&self->s, PRJQUOTA, 42, 1024, 0));
		return;
	}
	if (fs_is("btrfs")) {
		ASSERT_EQ(0, shell("btrfs -q quota enable %s/fs && btrfs -q qgroup limit 2M 0/5 %s/fs && sync -f %s/fs",
				   self->s.at, self->s.at, self->s.at));
		full = EDQUOT;
	} else {
		ASSERT_EQ(0, set_project(self->s.dir, "d", 42));
		ASSERT_EQ(0, set_limit(&self->s, PRJQUOTA, 42, 1024, 0)) TH_LOG("%m");
		int a = must_open(self->s.dir, "d", O_RDONLY), b = must_open(self->s.below, "d", O_RDONLY);

		ASSERT_EQ(0, fstatfs(a, &own));
		ASSERT_EQ(0, fstatfs(b, &below));
		EXPECT_EQ(below.f_blocks, own.f_blocks);
		EXPECT_EQ(MIB, own.f_blocks * own.f_bsize);
		close(a);
		close(b);
	}
	EXPECT_EQ(full, write_as(USER, self->s.below, "d/a", 4 * MIB));
	ASSERT_EQ(0, unlinkat(self->s.below, "d/a", 0));
	ASSERT_EQ(0, syncfs(self->s.below));
	EXPECT_EQ(full, write_as(USER, self->s.dir, "d/b", 4 * MIB));
	EXPECT_EQ(size_of(self->s.below, "d/b"), size_of(self->s.dir, "d/b"));
}

static int change(int at, const char *name, int how)
{
	struct timespec times[2] = { };
	char other[32];
	int fd, ret;

	snprintf(other, sizeof(other), "%.16s.new", name);
	switch (how) {
	case 0:
		return touch(at, other, O_RDWR | O_CREAT | O_EXCL);
	case 1:
		return mkdirat(at, other, 0755);
	case 2:
		return symlinkat("x", at, other);
	case 3:
		return mknodat(at, other, S_IFIFO | 0644, 0);
	case 4:
		return linkat(at, name, at, other, 0);
	case 5:
		return renameat(at, name, at, other);
	case 6:
		return unlinkat(at, name, 0);
	case 7:
		return fchmodat(at, name, 0600, 0);
	case 8:
		return fchownat(at, name, 1, 1, 0);
	case 9:
		return utimensat(at, name, times, 0);
	case 10:
		return touch(at, name, O_RDWR);
	case 11:
		return touch(at, name, O_RDONLY | O_TRUNC);
	case 12:
		return touch(at, ".", O_RDWR | O_TMPFILE);
	default:
		fd = openat(at, name, O_RDONLY);
		ret = fsetxattr(fd, "user.x", "y", 1, 0);
		how = errno;
		close(fd);
		errno = how;
		return ret;
	}
}

#define CHANGES 14

TEST_F_TIMEOUT(failure, read_only, 300)
{
	int i, fd;

	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	fd = must_open(self->s.dir, "f", O_RDWR);
	EXPECT_NE(0, shell("mount -o remount,ro %s/fs 2>/dev/null", self->s.at));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, shell("mount -o remount,ro %s/fs", self->s.at));
	for (i = 0; i < CHANGES; i++) {
		EXPECT_EQ(-EROFS, errno_of(change(self->s.below, "f", i))) TH_LOG("change %d", i);
		EXPECT_EQ(-EROFS, errno_of(change(self->s.dir, "f", i))) TH_LOG("change %d", i);
	}
	EXPECT_EQ(-1, name_differs(self->s.dir, "f", SIZE, 1));
	ASSERT_EQ(0, shell("mount -o remount,rw %s/fs", self->s.at));
	EXPECT_EQ(0, change(self->s.dir, "f", 0));
}

/* Each waiting task in a child: what has not come back before the thaw has waited. */
TEST_F_TIMEOUT(failure, frozen, 300)
{
	pid_t waiting[CHANGES + 3];
	int i, fd, status, ended = 0;
	char name[16], second[128];
	struct stat st;

	for (i = 0; i < CHANGES + 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(_metadata, self->s.dir, name, SIZE, 1);
	}
	fd = must_open(self->s.dir, "f0", O_RDWR);
	snprintf(second, sizeof(second), "%s/second", self->s.at);
	ASSERT_EQ(0, mkdir(second, 0755));
	ASSERT_EQ(0, shell("mount -t passfs %s/fs/lower %s", self->s.at, second));
	if (fs_is("tmpfs")) {
		EXPECT_EQ(-EOPNOTSUPP, errno_of(ioctl(self->s.below, FIFREEZE, 0)));
		EXPECT_EQ(0, umount(second));
		ASSERT_EQ(0, close(fd));
		return;
	}
	ASSERT_EQ(0, ioctl(self->s.below, FIFREEZE, 0));
	EXPECT_EQ(0, shell("ls -l %s/pass >/dev/null", self->s.at));
	for (i = 0; i < CHANGES + 3; i++) {
		waiting[i] = fork();
		if (waiting[i])
			continue;
		snprintf(name, sizeof(name), "f%d", i);
		if (i == CHANGES)
			_exit(pwrite(fd, "abc", 3, 0) != 3);
		if (i == CHANGES + 1)
			_exit(ftruncate(fd, 100) ? 1 : 0);
		if (i == CHANGES + 2)
			_exit(store(self->s.dir, name, SIZE) ? 1 : 0);
		_exit(change(self->s.dir, name, i) ? 1 : 0);
	}
	/* Looking is no change; but who waits to make a name holds the folder. */
	EXPECT_EQ(0, fstatat(self->s.dir, "f1", &st, 0));
	EXPECT_EQ(-1, name_differs(self->s.dir, "f12", SIZE, 1));
	EXPECT_EQ(0, umount(second));
	sleep(1);
	for (i = 0; i < CHANGES + 3; i++) {
		/* To open for writing is no change either */
		if (i != 10 && waitpid(waiting[i], &status, WNOHANG)) {
			TH_LOG("%d did not wait", i);
			waiting[i] = 0;
			ended++;
		}
	}
	EXPECT_EQ(0, ended);
	ASSERT_EQ(0, ioctl(self->s.below, FITHAW, 0));
	for (i = 0; i < CHANGES + 3; i++) {
		if (waiting[i] && waitpid(waiting[i], &status, 0) == waiting[i]) {
			EXPECT_EQ(0, status) TH_LOG("%d after the thaw", i);
		}
	}
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(100, st.st_size);
	EXPECT_EQ(100, size_of(self->s.below, "f0"));
	ASSERT_EQ(0, close(fd));
}

/* What was on the disk is still there after mounting anew; until then there are errors, on both sides the same ones. */
TEST_F_TIMEOUT(failure, shut_down, 300)
{
	unsigned int how = NO_LOG_FLUSH;
	int i, fd[2], w;
	char buf[4096];
	long ret[2];

	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	ASSERT_EQ(0, syncfs(self->s.dir));
	for (w = 0; w < 2; w++) {
		int at = w ? self->s.dir : self->s.below;

		fd[w] = must_open(at, w ? "a" : "b", O_RDWR | O_CREAT, 0644);
		ASSERT_EQ(5, pwrite(fd[w], "words", 5, 0));
	}
	complaints(true);
	self->s.told = true;
	if (fs_is("tmpfs")) {
		EXPECT_EQ(-ENOTTY, errno_of(ioctl(self->s.below, IOC_SHUTDOWN, &how)));
		close(fd[0]);
		close(fd[1]);
		return;
	}
	/* Not by way of the stack: it knows nothing of that ioctl */
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(self->s.dir, IOC_SHUTDOWN, &how)));
	ASSERT_EQ(0, ioctl(self->s.below, IOC_SHUTDOWN, &how)) TH_LOG("%m");
	for (i = 0; i < 7; i++) {
		for (w = 0; w < 2; w++) {
			switch (i) {
			case 0:
				ret[w] = errno_of(pwrite(fd[w], "more", 4, 8192));
				break;
			case 1:
				ret[w] = errno_of(fsync(fd[w]));
				break;
			case 2:
				ret[w] = errno_of(ftruncate(fd[w], 1));
				break;
			case 3:
				ret[w] = errno_of(fallocate(fd[w], 0, 0, MIB));
				break;
			case 4:
				ret[w] = errno_of(fchmod(fd[w], 0600));
				break;
			case 5:
				ret[w] = errno_of(fsetxattr(fd[w], "user.x", "y", 1, 0));
				break;
			default:
				ret[w] = errno_of(pread(fd[w], buf, sizeof(buf), 8192));
			}
		}
		EXPECT_EQ(ret[0], ret[1]) TH_LOG("operation %d", i);
		if (i < 6) {
			EXPECT_GT(0, ret[1]) TH_LOG("operation %d", i);
		}
	}
	for (i = 0; i < CHANGES; i++) {
		ret[0] = errno_of(change(self->s.below, "f", i));
		ret[1] = errno_of(change(self->s.dir, "f", i));
		EXPECT_EQ(ret[0], ret[1]) TH_LOG("change %d", i);
		if (i != 10) {
			EXPECT_GT(0, ret[1]) TH_LOG("change %d", i);
		}
	}
	ASSERT_EQ(0, close(fd[0]));
	ASSERT_EQ(0, close(fd[1]));
	close(self->s.dir);
	close(self->s.below);
	ASSERT_EQ(0, unmount(&self->s, "pass"));
	ASSERT_EQ(0, unmount(&self->s, "fs"));
	ASSERT_EQ(0, mount_below(&self->s));
	ASSERT_EQ(0, mount_stack(&self->s));
	EXPECT_EQ(-1, name_differs(self->s.dir, "f", SIZE, 1));
	EXPECT_EQ(0, change(self->s.dir, "f", 0));
}

/*
 * The disk fails while data are still to be written: who syncs is told, once for each open file and once for each
 * filesystem, and who reads does not get what is not there.
 */
TEST_F_TIMEOUT(failure, broken_disk, 300)
{
	int fd[2][2], w, i, all[2];
	char buf[4096];
	long ret[2];

	if (fs_is("tmpfs"))
		return;
	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	make_file(_metadata, self->s.below, "g", SIZE, 1);
	ASSERT_EQ(0, syncfs(self->s.below));
	ASSERT_EQ(0, mount_on_mapper(&self->s)) TH_LOG("%m");
	complaints(true);
	self->s.told = true;

	for (w = 0; w < 2; w++) {
		int at = w ? self->s.dir : self->s.below;

		all[w] = must_open(at, ".", O_RDONLY | O_DIRECTORY);
		for (i = 0; i < 2; i++)
			fd[w][i] = must_open(at, w ? "f" : "g", O_RDWR);
		fill(buf, sizeof(buf), 0, 2);
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd[w][0], buf, sizeof(buf), 0));
	}
	ASSERT_EQ(0, break_disk(&self->s, 0, ULONG_MAX / 2));
	/* Once is certain; what ext4 says then depends on which file it looked at before */
	for (i = 0; i < 2; i++) {
		for (w = 0; w < 2; w++)
			ret[w] = errno_of(fsync(fd[w][i]));
		EXPECT_EQ(-EIO, ret[0]) TH_LOG("fsync %d", i);
		EXPECT_EQ(-EIO, ret[1]) TH_LOG("fsync %d", i);
	}
	for (i = 0; i < 2; i++) {
		for (w = 0; w < 2; w++)
			ret[w] = errno_of(syncfs(all[w]));
		EXPECT_EQ(ret[0], ret[1]) TH_LOG("syncfs %d", i);
	}
	for (w = 0; w < 2; w++)
		ret[w] = errno_of(pread(fd[w][0], buf, sizeof(buf), 32 * KIB));
	EXPECT_EQ(-EIO, ret[1]);
	EXPECT_EQ(ret[0], ret[1]);
	for (w = 0; w < 2; w++)
		ret[w] = errno_of(store(w ? self->s.dir : self->s.below, w ? "f" : "g", SIZE));
	EXPECT_EQ(ret[0], ret[1]);
	for (w = 0; w < 2; w++) {
		close(all[w]);
		close(fd[w][0]);
		close(fd[w][1]);
	}
}

/* Where the content of @fd begins on the disk, in sectors; 0 if nobody says. */
static unsigned long place_on_disk(int fd)
{
	alignas(8) char buf[sizeof(struct fiemap) + sizeof(struct fiemap_extent)] = { };
	struct fiemap *map = (void *)buf;

	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = 1;
	if (ioctl(fd, FS_IOC_FIEMAP, map) || map->fm_mapped_extents != 1)
		return 0;
	return map->fm_extents[0].fe_physical / 512;
}

/* One place of the disk is bad: syncfs tells, and then fsync, each once. */
TEST_F_TIMEOUT(failure, bad_place, 300)
{
	long ret[2][5];
	char buf[4096];
	int w, i;

	/* What btrfs says is not where on the disk it is */
	if (fs_is("tmpfs") || fs_is("btrfs"))
		return;
	ASSERT_EQ(0, mount_on_mapper(&self->s)) TH_LOG("%m");
	complaints(true);
	self->s.told = true;
	/* The stack first: until it has synchronised it does not know that others were told */
	for (w = 1; w >= 0; w--) {
		int at = w ? self->s.dir : self->s.below, all = must_open(at, ".", O_RDONLY | O_DIRECTORY), fd;
		unsigned long bad;

		make_file(_metadata, at, "f", SIZE, 1);
		fd = must_open(at, "f", O_RDWR);
		ASSERT_EQ(0, fsync(fd));
		ret[w][0] = errno_of(syncfs(all));
		bad = place_on_disk(fd);
		ASSERT_NE(0, bad);
		ASSERT_EQ(0, break_disk(&self->s, bad, sizeof(buf) / 512));
		fill(buf, sizeof(buf), 0, 2);
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), 0));
		ret[w][1] = errno_of(syncfs(all));
		ret[w][2] = errno_of(fsync(fd));
		ret[w][3] = errno_of(syncfs(all));
		ASSERT_EQ(0, break_disk(&self->s, 0, 0));
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), 0));
		ret[w][4] = errno_of(syncfs(all));
		close(all);
		close(fd);
		ASSERT_EQ(0, unlinkat(at, "f", 0));
	}
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
		EXPECT_EQ(i == 1 || i == 2 ? -EIO : 0, ret[1][i]) TH_LOG("step %d", i);
	}
}

/* The folder that is passed through is removed: what is open works on, nothing can be made. */
TEST_F_TIMEOUT(failure, folder_removed, 300)
{
	char path[128], buf[8];
	struct dirent *e;
	struct statfs st;
	int fd, n = 0;
	DIR *d;

	fd = must_open(self->s.dir, "f", O_RDWR | O_CREAT, 0644);
	ASSERT_EQ(5, pwrite(fd, "words", 5, 0));
	ASSERT_EQ(0, unlinkat(self->s.below, "f", 0));
	snprintf(path, sizeof(path), "%s/fs/lower", self->s.at);
	ASSERT_EQ(0, rmdir(path));
	EXPECT_EQ(5, pread(fd, buf, 5, 0));
	EXPECT_EQ(5, pwrite(fd, "other", 5, 100));
	EXPECT_EQ(105, lseek(fd, 0, SEEK_END));
	same(-ENOENT, touch(at, "f", O_RDWR));
	same(-ENOENT, touch(at, "f", O_RDWR | O_CREAT));
	same(-ENOENT, mkdirat(at, "d", 0755));
	/* Which filesystems allow */
	EXPECT_EQ(errno_of(touch(self->s.below, ".", O_RDWR | O_TMPFILE)),
		  errno_of(touch(self->s.dir, ".", O_RDWR | O_TMPFILE)));
	same(0, fstatfs(at, &st));
	snprintf(path, sizeof(path), "%s/pass", self->s.at);
	d = opendir(path);
	ASSERT_NE(NULL, d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	EXPECT_EQ(0, n);
	closedir(d);
	ASSERT_EQ(0, close(fd));
}

/* The mount below goes, as far as anybody else can tell: the stack keeps what it needs, and lets it go. */
TEST_F_TIMEOUT(failure, unmounted_lazily, 300)
{
	char path[128];

	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	EXPECT_EQ(-EBUSY, errno_of(unmount(&self->s, "fs")));
	snprintf(path, sizeof(path), "%s/fs", self->s.at);
	ASSERT_EQ(0, umount2(path, MNT_DETACH));
	EXPECT_EQ(-1, name_differs(self->s.dir, "f", SIZE, 1));
	EXPECT_EQ(0, change(self->s.dir, "f", 5));
	close(self->s.dir);
	close(self->s.below);
	ASSERT_EQ(0, unmount(&self->s, "pass"));
	ASSERT_EQ(0, mount_below(&self->s));
	ASSERT_EQ(0, mount_stack(&self->s));
	EXPECT_EQ(fs_is("tmpfs") ? -ENOENT : SIZE, size_of(self->s.dir, "f.new"));
}

TEST_HARNESS_MAIN
