// SPDX-License-Identifier: GPL-2.0
/*
 * Promises when the filesystem below is read-only, frozen, shut down or taken away: each operation fails as
 * it does there, or waits as it does there; no old content is shown as good, and unmounting always works.
 */
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"
#include "small.h"

/* _IOR('X', 125): XFS_IOC_GOINGDOWN, EXT4_IOC_SHUTDOWN and BTRFS_IOC_SHUTDOWN; 2: the log is not written out. */
#define IOC_SHUTDOWN _IOR('X', 125, unsigned int)
#define NO_LOG_FLUSH 2

SMALL(failure);

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
