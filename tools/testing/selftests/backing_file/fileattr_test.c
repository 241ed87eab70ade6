// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of file attributes (chattr, FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR) and of other ioctls: attributes are those of
 * the backing file, and count at once; of other ioctls nothing reaches the backing file (FIEMAP is in semantics_test).
 */
#include <sys/ioctl.h>
#include <termios.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(fileattr);

static int get_flags(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY), flags = 0;
	int ret = errno_of(ioctl(fd, FS_IOC_GETFLAGS, &flags));

	close(fd);
	return ret < 0 ? ret : flags;
}

static int set_flags(int at, const char *name, int flags)
{
	int fd = openat(at, name, O_RDONLY), ret = errno_of(ioctl(fd, FS_IOC_SETFLAGS, &flags));

	close(fd);
	return ret;
}

TEST_F(fileattr, each_flag)
{
	static const int flags[] = {
		FS_SYNC_FL, FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL, FS_NOATIME_FL, FS_NOCOW_FL, FS_COMPR_FL,
		FS_DIRSYNC_FL, FS_TOPDIR_FL, FS_PROJINHERIT_FL, FS_CASEFOLD_FL, FS_VERITY_FL, FS_DAX_FL, FS_NOTAIL_FL,
		FS_ENCRYPT_FL,
	};
	static const char * const names[] = { "f", "d" };
	int at[2] = { self->plain, self->dir }, w;
	size_t i, j;

	for (j = 0; j < 2; j++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			long ret[2][2];

			for (w = 0; w < 2; w++) {
				make_file(_metadata, at[w], "f", 0, 1);
				mkdirat(at[w], "d", 0755);
				ret[w][0] = set_flags(at[w], names[j], flags[i]);
				ret[w][1] = get_flags(at[w], names[j]);
				if (w) {
					EXPECT_EQ(ret[w][1], get_flags(self->under, names[j]));
				}
				set_flags(w ? self->under : at[w], names[j], 0);
				ASSERT_EQ(0, unlinkat(at[w], "f", 0)) TH_LOG("flag %#x: %m", flags[i]);
				ASSERT_EQ(0, unlinkat(at[w], "d", AT_REMOVEDIR)) TH_LOG("flag %#x: %m", flags[i]);
			}
			/* Casefolded folders passfs refuses, see README */
			EXPECT_EQ(ret[0][0], ret[1][0]) TH_LOG("set %#x of %s", flags[i], names[j]);
			EXPECT_EQ(ret[0][1], ret[1][1]) TH_LOG("get %#x of %s", flags[i], names[j]);
		}
	}
}

/* Set through the stack, and obeyed through the stack and below. */
TEST_F(fileattr, counts_at_once)
{
	int fd, flags;

	make_file(_metadata, self->dir, "f", 10, 1);
	/* What else is set stays: ext4 cannot take a file's extents away as long as they are being written */
	flags = get_flags(self->under, "f");
	ASSERT_EQ(0, set_flags(self->dir, "f", flags | FS_IMMUTABLE_FL));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_WRONLY)));
	EXPECT_EQ(-EPERM, errno_of(openat(self->under, "f", O_WRONLY)));
	EXPECT_EQ(-EPERM, errno_of(unlinkat(self->dir, "f", 0)));
	EXPECT_EQ(-EPERM, errno_of(linkat(self->dir, "f", self->dir, "g", 0)));
	EXPECT_EQ(-EPERM, errno_of(fchmodat(self->dir, "f", 0600, 0)));
	ASSERT_EQ(0, set_flags(self->dir, "f", flags | FS_APPEND_FL));
	EXPECT_EQ(-EPERM, errno_of(openat(self->dir, "f", O_WRONLY)));
	fd = must_open(self->dir, "f", O_WRONLY | O_APPEND);
	EXPECT_EQ(1, write(fd, "x", 1));
	ASSERT_EQ(0, set_flags(self->dir, "f", flags));
	EXPECT_EQ(11, size_of(self->under, "f"));
	EXPECT_EQ(0, unlinkat(self->dir, "f", 0));
}

TEST_F(fileattr, extended)
{
	int at[2] = { self->plain, self->dir }, w;
	struct fsxattr attr[2], below = {};
	long ret[2][3];

	for (w = 0; w < 2; w++) {
		int fd;

		make_file(_metadata, at[w], "f", 10, 1);
		fd = must_open(at[w], "f", O_RDONLY);
		memset(&attr[w], 0, sizeof(attr[w]));
		ret[w][0] = errno_of(ioctl(fd, FS_IOC_FSGETXATTR, &attr[w]));
		attr[w].fsx_xflags |= FS_XFLAG_NODUMP;
		ret[w][1] = errno_of(ioctl(fd, FS_IOC_FSSETXATTR, &attr[w]));
		memset(&attr[w], 0, sizeof(attr[w]));
		ret[w][2] = errno_of(ioctl(fd, FS_IOC_FSGETXATTR, &attr[w]));
	}
	EXPECT_EQ(0, memcmp(ret[0], ret[1], sizeof(ret[0])));
	/* The number of extents is what it is */
	attr[0].fsx_nextents = 0;
	attr[1].fsx_nextents = 0;
	EXPECT_EQ(0, memcmp(&attr[0], &attr[1], sizeof(attr[0])));
	EXPECT_EQ(ret[1][2], errno_of(ioctl(must_open(self->under, "f", O_RDONLY), FS_IOC_FSGETXATTR, &below)));
	EXPECT_EQ(attr[1].fsx_xflags, below.fsx_xflags);
}

TEST_F(fileattr, permission)
{
	int flags;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0644, 0));
	flags = get_flags(self->under, "f");
	EXPECT_EQ(EPERM, as_user(NOBODY, (errno = -set_flags(self->dir, "f", flags | FS_NODUMP_FL)) ? -1 : 0));
	ASSERT_EQ(0, fchownat(self->dir, "f", NOBODY, NOBODY, 0));
	EXPECT_EQ(0, as_user(NOBODY, (errno = -set_flags(self->dir, "f", flags | FS_NODUMP_FL)) ? -1 : 0));
	EXPECT_EQ(FS_NODUMP_FL, get_flags(self->under, "f") & FS_NODUMP_FL);
	EXPECT_EQ(EPERM, as_user(NOBODY, (errno = -set_flags(self->dir, "f", flags | FS_IMMUTABLE_FL)) ? -1 : 0));
	EXPECT_EQ(0, get_flags(self->under, "f") & FS_IMMUTABLE_FL);
}

/* Commands of the backing filesystem do not get there with the mounter's credentials. */
TEST_F(fileattr, other_ioctls)
{
	struct fstrim_range trim = { .len = -1 };
	int fd, n = -1;
	struct termios t;

	make_file(_metadata, self->dir, "f", 10, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	EXPECT_EQ(0, ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(10, n);
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(fd, TCGETS, &t)));
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(fd, 0xdeadbeef, 0)));
	if (variant->layers == DIRECT)
		return;
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(fd, FITRIM, &trim)));
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(fd, FS_IOC_GETVERSION, &n)));
	EXPECT_EQ(-EOPNOTSUPP, errno_of(ioctl(fd, FIFREEZE, 0))) TH_LOG("a stacked file system cannot be frozen");
	EXPECT_EQ(-EOPNOTSUPP, errno_of(ioctl(self->dir, FIFREEZE, 0)));
	EXPECT_EQ(-ENOTTY, errno_of(ioctl(self->dir, FITRIM, &trim)));
}

TEST_HARNESS_MAIN
