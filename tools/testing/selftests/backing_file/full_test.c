// SPDX-License-Identifier: GPL-2.0
/*
 * Promises when the filesystem below is full, or somebody's quota is used up: each operation fails as it does
 * there, nothing is reported as written that is not, and it goes on when there is space again.
 */
#include <sys/quota.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"
#include "small.h"

#define USER 1234

SMALL(full);

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

TEST_F_TIMEOUT(full, space, 300)
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
TEST_F_TIMEOUT(full, user_quota, 300)
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
TEST_F_TIMEOUT(full, folder_quota, 300)
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

TEST_HARNESS_MAIN
