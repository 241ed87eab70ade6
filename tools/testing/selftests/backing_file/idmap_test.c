// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of idmapped mounts of the stack: who is 2000 on the mount is 1000 in the filesystem and below it, for what
 * is made, shown, checked, changed and listed; whoever has no number there can make nothing.
 */
#include <linux/mount.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(idmap);

#define DISK 1000
#define SEEN 2000
#define IDS 100

/* A user namespace in which DISK... is SEEN... outside, the only ids it knows. */
static int user_namespace(void)
{
	int hold[2], ready[2], fd, f;
	char path[64], c;
	pid_t pid;

	if (pipe(hold) || pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		close(hold[1]);
		if (unshare(CLONE_NEWUSER) || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &c, 1));
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return -1;
	for (const char **map = (const char *[]){ "uid_map", "gid_map", NULL }; *map; map++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, *map);
		f = open(path, O_WRONLY);
		if (dprintf(f, "%d %d %d\n", DISK, SEEN, IDS) < 0)
			return -1;
		close(f);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	close(hold[1]);
	waitpid(pid, NULL, 0);
	return fd;
}

/* The folder of the test, through an idmapped mount of its own. */
static int idmapped(struct __test_metadata *const _metadata, int dir)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int fd = syscall(SYS_open_tree, dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int userns = user_namespace();

	ASSERT_LE(0, fd);
	ASSERT_LE(0, userns);
	attr.userns_fd = userns;
	ASSERT_EQ(0, syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr))) TH_LOG("%m");
	ASSERT_EQ(0, close(userns));
	return fd;
}

static bool belongs_to(int at, const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	return !fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) && st.st_uid == uid && st.st_gid == gid;
}

#define expect_owner(name) \
do { \
	EXPECT_TRUE(belongs_to(mnt, name, SEEN, SEEN)) TH_LOG("%s on the idmapped mount", name); \
	EXPECT_TRUE(belongs_to(self->dir, name, DISK, DISK)) TH_LOG("%s without", name); \
	EXPECT_TRUE(belongs_to(self->under, name, DISK, DISK)) TH_LOG("%s below", name); \
} while (0)

TEST_F(idmap, shown_and_checked)
{
	int mnt = idmapped(_metadata, self->dir);

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchownat(self->dir, "f", DISK, DISK, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	make_file(_metadata, self->dir, "roots", 10, 1);
	expect_owner("f");
	/* An owner without a number there */
	EXPECT_TRUE(belongs_to(mnt, "roots", NOBODY, NOBODY));
	EXPECT_EQ(0, as_user(SEEN, openat(mnt, "f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(DISK, openat(mnt, "f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(SEEN, openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(0, as_user(DISK, openat(self->dir, "f", O_RDWR)));
	EXPECT_EQ(0, as_user(SEEN, fchmodat(mnt, "f", 0640, 0)));
	EXPECT_EQ(EPERM, as_user(DISK, fchmodat(mnt, "f", 0644, 0)));
	EXPECT_EQ(0, as_user(SEEN, utimensat(mnt, "f", NULL, 0)));
}

TEST_F(idmap, made)
{
	int mnt = idmapped(_metadata, self->dir);

	ASSERT_EQ(0, fchownat(self->dir, "", DISK, DISK, AT_EMPTY_PATH));
	EXPECT_EQ(0, as_user(SEEN, openat(mnt, "f", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(0, as_user(SEEN, mkdirat(mnt, "d", 0755)));
	EXPECT_EQ(0, as_user(SEEN, symlinkat("f", mnt, "s")));
	EXPECT_EQ(0, as_user(SEEN, mknodat(mnt, "p", S_IFIFO | 0644, 0)));
	EXPECT_EQ(0, as_user(SEEN, linkat(mnt, "f", mnt, "l", 0)));
	EXPECT_EQ(0, as_user(SEEN, ({
		int t = openat(mnt, ".", O_TMPFILE | O_RDWR, 0644);

		t < 0 ? t : linkat(t, "", mnt, "t", AT_EMPTY_PATH);
	})));
	EXPECT_EQ(0, as_user(SEEN, renameat(mnt, "p", mnt, "d/p")));
	expect_owner("f");
	expect_owner("d");
	expect_owner("s");
	expect_owner("l");
	expect_owner("t");
	expect_owner("d/p");
	EXPECT_EQ(0, as_user(SEEN, unlinkat(mnt, "l", 0)));
	/* Those without a number there, the administrator among them */
	EXPECT_EQ(-EOVERFLOW, errno_of(openat(mnt, "r", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(-EOVERFLOW, errno_of(mkdirat(mnt, "r", 0755)));
	EXPECT_EQ(-ENOENT, errno_of(faccessat(self->under, "r", F_OK, 0)));
}

TEST_F(idmap, chown)
{
	int mnt = idmapped(_metadata, self->dir);

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchownat(self->dir, "f", DISK + 1, DISK + 1, 0));
	ASSERT_EQ(0, fchownat(mnt, "f", SEEN, SEEN, 0));
	expect_owner("f");
	EXPECT_EQ(-EOVERFLOW, errno_of(fchownat(mnt, "f", 5, -1, 0)));
	EXPECT_EQ(EPERM, as_user(SEEN, fchownat(mnt, "f", SEEN + 1, -1, 0)));
	expect_owner("f");
}

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry e[5];
};

static struct acl acl_for(unsigned int user, int perm)
{
	return (struct acl) {
		.head.a_version = POSIX_ACL_XATTR_VERSION,
		.e = {
			{ ACL_USER_OBJ, 6, -1 }, { ACL_USER, perm, user }, { ACL_GROUP_OBJ, 0, -1 },
			{ ACL_MASK, 6, -1 }, { ACL_OTHER, 0, -1 },
		},
	};
}

/* The user named in an access control list, as seen there; 0 if there is no list. */
static unsigned int acl_user(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY);
	struct acl acl;
	ssize_t n = fgetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl));

	close(fd);
	return n == sizeof(acl) ? acl.e[1].e_id : 0;
}

TEST_F(idmap, access_control_list)
{
	int mnt = idmapped(_metadata, self->dir), fd;
	struct acl acl = acl_for(SEEN + 1, 6);

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchownat(self->dir, "f", DISK, DISK, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	fd = must_open(mnt, "f", O_RDONLY);
	ASSERT_EQ(0, fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0)) TH_LOG("%m");
	EXPECT_EQ(SEEN + 1, acl_user(mnt, "f"));
	EXPECT_EQ(DISK + 1, acl_user(self->dir, "f"));
	EXPECT_EQ(DISK + 1, acl_user(self->under, "f"));
	EXPECT_EQ(0, as_user(SEEN + 1, openat(mnt, "f", O_RDWR)));
	EXPECT_EQ(EACCES, as_user(SEEN + 2, openat(mnt, "f", O_RDONLY)));
	EXPECT_EQ(EACCES, as_user(SEEN + 1, openat(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(0, as_user(DISK + 1, openat(self->dir, "f", O_RDWR)));

	/* Inherited by what is made */
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0700));
	ASSERT_EQ(0, fchownat(self->dir, "d", DISK, DISK, 0));
	fd = must_open(mnt, "d", O_RDONLY);
	ASSERT_EQ(0, fsetxattr(fd, "system.posix_acl_default", &acl, sizeof(acl), 0)) TH_LOG("%m");
	EXPECT_EQ(0, as_user(SEEN, openat(mnt, "d/g", O_RDWR | O_CREAT, 0666)));
	EXPECT_EQ(SEEN + 1, acl_user(mnt, "d/g"));
	EXPECT_EQ(DISK + 1, acl_user(self->under, "d/g"));
	expect_owner("d/g");
}

/* Set-id bits of a file go when somebody else writes, by who is who on the mount. */
TEST_F(idmap, set_id_bits)
{
	int mnt = idmapped(_metadata, self->dir);
	struct stat st;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchownat(self->dir, "f", DISK, DISK, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
	EXPECT_EQ(0, as_user(SEEN + 1, ({
		int fd = openat(mnt, "f", O_WRONLY);

		fd < 0 ? fd : write(fd, "x", 1);
	})));
	ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
	EXPECT_EQ(S_IFREG | 0777, st.st_mode);

	/* A folder's group goes to what is made in it */
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, fchownat(self->dir, "d", DISK, DISK + 5, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "d", 02777, 0));
	EXPECT_EQ(0, as_user(SEEN, openat(mnt, "d/f", O_RDWR | O_CREAT, 0644)));
	EXPECT_TRUE(belongs_to(mnt, "d/f", SEEN, SEEN + 5));
	EXPECT_TRUE(belongs_to(self->under, "d/f", DISK, DISK + 5));
}

TEST_HARNESS_MAIN
