// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of POSIX ACLs: they decide who may do what through the stack as they do below, whichever side they were set
 * on; they are inherited by what is made in a folder; modes and ACLs go together.
 */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(acl);

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
#define USER 1234

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry e[5];
};

/* user::rw- user:1234:@named group::r-- mask::@mask other::--- */
static struct acl acl_of(int named, int mask)
{
	return (struct acl) {
		.head = { .a_version = POSIX_ACL_XATTR_VERSION },
		.e = {
			{ ACL_USER_OBJ, 6, -1 }, { ACL_USER, named, USER }, { ACL_GROUP_OBJ, 4, -1 },
			{ ACL_MASK, mask, -1 }, { ACL_OTHER, 0, -1 },
		},
	};
}

static int set_acl(int at, const char *name, const char *which, struct acl acl)
{
	int fd = openat(at, name, O_RDONLY), ret = fsetxattr(fd, which, &acl, sizeof(acl), 0);

	close(fd);
	return ret;
}

static bool has_acl(int at, const char *name, const char *which, struct acl want)
{
	int fd = openat(at, name, O_RDONLY);
	struct acl got = {};
	ssize_t n = fgetxattr(fd, which, &got, sizeof(got));

	close(fd);
	return n == sizeof(got) && !memcmp(&got, &want, sizeof(got));
}

static int mode_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, 0) ? -1 : (int)st.st_mode & 07777;
}

TEST_F(acl, decides)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDONLY)));
	ASSERT_EQ(0, set_acl(self->dir, "f", ACCESS, acl_of(4, 7))) TH_LOG("%m");
	EXPECT_TRUE(has_acl(self->dir, "f", ACCESS, acl_of(4, 7)));
	EXPECT_TRUE(has_acl(self->under, "f", ACCESS, acl_of(4, 7)));
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "f", O_RDONLY)));
	ASSERT_EQ(0, set_acl(self->dir, "f", ACCESS, acl_of(6, 7)));
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "f", O_RDWR)));
	ASSERT_EQ(0, set_acl(self->dir, "f", ACCESS, acl_of(6, 4)));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDWR))) TH_LOG("the mask takes away");
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(EACCES, as_user(USER, faccessat(self->dir, "f", W_OK, 0)));
}

/* The stack asked before, and remembers nothing that is no longer so. */
TEST_F(acl, changed_below)
{
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDONLY)));
	ASSERT_EQ(0, set_acl(self->under, "f", ACCESS, acl_of(6, 7)));
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(mode_of(self->under, "f"), mode_of(self->dir, "f"));
	fd = must_open(self->under, "f", O_RDONLY);
	ASSERT_EQ(0, fremovexattr(fd, ACCESS));
	ASSERT_EQ(0, fchmod(fd, 0600));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDONLY)));
	EXPECT_FALSE(has_acl(self->dir, "f", ACCESS, acl_of(6, 7)));
}

TEST_F(acl, mode)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, set_acl(self->dir, "f", ACCESS, acl_of(6, 6)));
	EXPECT_EQ(0660, mode_of(self->dir, "f")) TH_LOG("the group's bits are the mask");
	EXPECT_EQ(0660, mode_of(self->under, "f"));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0640, 0));
	EXPECT_TRUE(has_acl(self->dir, "f", ACCESS, acl_of(6, 4))) TH_LOG("and the other way round");
	EXPECT_TRUE(has_acl(self->under, "f", ACCESS, acl_of(6, 4)));
	EXPECT_EQ(EACCES, as_user(USER, openat(self->dir, "f", O_RDWR)));
	ASSERT_EQ(0, fchmodat(self->under, "f", 0660, 0));
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "f", O_RDWR)));
}

TEST_F(acl, inherited)
{
	struct acl acl = acl_of(7, 7), file = acl_of(7, 6);
	int fd;

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, set_acl(self->dir, "d", DEFAULT, acl)) TH_LOG("%m");
	EXPECT_TRUE(has_acl(self->under, "d", DEFAULT, acl));
	umask(077);
	ASSERT_EQ(0, mkdirat(self->dir, "d/sub", 0777));
	fd = must_open(self->dir, "d/f", O_WRONLY | O_CREAT, 0666);
	umask(022);
	EXPECT_TRUE(has_acl(self->dir, "d/sub", DEFAULT, acl));
	EXPECT_TRUE(has_acl(self->under, "d/sub", DEFAULT, acl));
	file.e[3].e_perm = 6;
	EXPECT_TRUE(has_acl(self->dir, "d/f", ACCESS, file));
	EXPECT_EQ(0660, mode_of(self->under, "d/f")) TH_LOG("not the umask but the ACL");
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, fchmodat(self->dir, "d", 0755, 0));
	EXPECT_EQ(0, as_user(USER, openat(self->dir, "d/f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "d/f", O_RDONLY)));
	fd = openat(self->dir, "d", O_TMPFILE | O_RDWR, 0666);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, fgetxattr(fd, ACCESS, NULL, 0)) TH_LOG("temporary files too");
}

TEST_F(acl, errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	struct acl bad = acl_of(6, 7), twice = acl_of(6, 7);
	long ret[2][6];

	bad.head.a_version = 1;
	twice.e[2] = twice.e[1];
	for (w = 0; w < 2; w++) {
		make_file(_metadata, at[w], "f", 10, 1);
		ASSERT_EQ(0, fchmodat(at[w], "f", 0666, 0));
		ret[w][0] = errno_of(set_acl(at[w], "f", ACCESS, bad));
		ret[w][1] = errno_of(set_acl(at[w], "f", ACCESS, twice));
		ret[w][2] = errno_of(set_acl(at[w], "f", DEFAULT, acl_of(6, 7)));
		ret[w][3] = as_user(NOBODY, set_acl(at[w], "f", ACCESS, acl_of(6, 7)));
		ret[w][4] = errno_of(fgetxattr(must_open(at[w], "f", O_RDONLY), ACCESS, NULL, 0));
		ret[w][5] = errno_of(fremovexattr(must_open(at[w], "f", O_RDONLY), ACCESS));
	}
	for (i = 0; i < 6; i++)
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("error %d", i);
	EXPECT_EQ(-EOPNOTSUPP, ret[1][0]);
	EXPECT_EQ(-EINVAL, ret[1][1]);
	EXPECT_EQ(-EACCES, ret[1][2]);
	EXPECT_EQ(EPERM, ret[1][3]);
}

/* Setting one clears the set-group-id bit of who is not in the group. */
TEST_F(acl, set_group_id)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchownat(self->dir, "f", NOBODY, 4321, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 02755, 0));
	EXPECT_EQ(0, as_user(NOBODY, set_acl(self->dir, "f", ACCESS, acl_of(6, 7))));
	EXPECT_EQ(0, mode_of(self->dir, "f") & S_ISGID);
	EXPECT_EQ(0, mode_of(self->under, "f") & S_ISGID);
}

TEST_HARNESS_MAIN
