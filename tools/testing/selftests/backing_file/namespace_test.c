// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of names: what is made, removed, linked and renamed through the stack is so below, with the owner, mode and
 * errno the backing filesystem gives; what happens below is seen through the stack at the next look, names that are
 * not there included; folders read completely, with positions that can be returned to.
 */
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/socket.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(namespace);

static bool is_there(int at, const char *name)
{
	struct stat st;

	return !fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW);
}

static mode_t mode_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_mode;
}

static ino_t ino_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino;
}

static nlink_t links_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_nlink;
}

static int rename2(int at, const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, at, from, at, to, flags);
}

TEST_F(namespace, create)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT | O_EXCL, 0640);

	EXPECT_EQ(S_IFREG | 0640, mode_of(self->dir, "f"));
	EXPECT_EQ(S_IFREG | 0640, mode_of(self->under, "f"));
	EXPECT_EQ(ino_of(self->under, "f"), ino_of(self->dir, "f"));
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(-EEXIST, errno_of(openat(self->dir, "f", O_RDWR | O_CREAT | O_EXCL, 0640)));
	EXPECT_LE(0, openat(self->dir, "f", O_RDWR | O_CREAT, 0640));
	EXPECT_EQ(1, size_of(self->dir, "f"));
}

/* The mode says read-only, the descriptor made with it may write. */
TEST_F(namespace, create_without_permission)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0000);

	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(S_IFREG, mode_of(self->under, "f"));
	EXPECT_EQ(0, fchmodat(AT_FDCWD, self->place.path, 0777, 0));
	EXPECT_EQ(0, as_user(NOBODY, openat(self->dir, "theirs", O_RDWR | O_CREAT, 0000)));
	EXPECT_EQ(EACCES, as_user(NOBODY, openat(self->dir, "theirs", O_RDWR)));
}

TEST_F(namespace, mkdir_rmdir)
{
	nlink_t links = links_of(self->dir, ".");

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0751));
	EXPECT_EQ(S_IFDIR | 0751, mode_of(self->dir, "d"));
	EXPECT_EQ(S_IFDIR | 0751, mode_of(self->under, "d"));
	EXPECT_EQ(ino_of(self->under, "d"), ino_of(self->dir, "d"));
	EXPECT_EQ(links_of(self->under, "."), links_of(self->dir, "."));
	ASSERT_EQ(0, mkdirat(self->dir, "d/e", 0755));
	EXPECT_EQ(-EEXIST, errno_of(mkdirat(self->dir, "d", 0755)));
	EXPECT_EQ(-ENOTEMPTY, errno_of(unlinkat(self->dir, "d", AT_REMOVEDIR)));
	EXPECT_EQ(-EISDIR, errno_of(unlinkat(self->dir, "d", 0)));
	ASSERT_EQ(0, unlinkat(self->dir, "d/e", AT_REMOVEDIR));
	ASSERT_EQ(0, unlinkat(self->dir, "d", AT_REMOVEDIR));
	EXPECT_FALSE(is_there(self->dir, "d"));
	EXPECT_FALSE(is_there(self->under, "d"));
	EXPECT_EQ(links, links_of(self->dir, "."));
	EXPECT_EQ(-ENOENT, errno_of(unlinkat(self->dir, "d", AT_REMOVEDIR)));
}

TEST_F(namespace, unlink)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	EXPECT_FALSE(is_there(self->dir, "f"));
	EXPECT_FALSE(is_there(self->under, "f"));
	EXPECT_EQ(-ENOENT, errno_of(unlinkat(self->dir, "f", 0)));
	make_file(_metadata, self->dir, "f", 20, 2);
	expect_content("f", 20, 2);
	EXPECT_EQ(-ENOTDIR, errno_of(unlinkat(self->dir, "f", AT_REMOVEDIR)));
	EXPECT_EQ(-ENOTDIR, errno_of(openat(self->dir, "f/x", O_RDONLY)));
}

TEST_F(namespace, link)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, linkat(self->dir, "f", self->dir, "d/g", 0));
	EXPECT_EQ(2, links_of(self->dir, "f"));
	EXPECT_EQ(2, links_of(self->under, "d/g"));
	EXPECT_EQ(ino_of(self->dir, "f"), ino_of(self->dir, "d/g"));
	make_file(_metadata, self->dir, "d/g", 30, 2);
	expect_content("f", 30, 2);
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	EXPECT_EQ(1, links_of(self->dir, "d/g"));
	EXPECT_EQ(-EEXIST, errno_of(linkat(self->dir, "d/g", self->dir, "d", 0)));
	EXPECT_EQ(-EPERM, errno_of(linkat(self->dir, "d", self->dir, "e", 0)));
	EXPECT_EQ(-ENOENT, errno_of(linkat(self->dir, "f", self->dir, "e", 0)));
	/* What is outside of the mount: another filesystem, although the same below */
	make_file(_metadata, self->plain, "p", 1, 1);
	EXPECT_EQ(variant->layers == DIRECT ? 0 : -EXDEV, errno_of(linkat(self->plain, "p", self->dir, "p", 0)));
}

/* A file linked from a descriptor, its only name removed before: no. */
TEST_F(namespace, link_of_removed)
{
	char path[64];
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(-ENOENT, errno_of(linkat(AT_FDCWD, path, self->dir, "g", AT_SYMLINK_FOLLOW)));
	EXPECT_EQ(-ENOENT, errno_of(linkat(fd, "", self->dir, "g", AT_EMPTY_PATH)));
}

TEST_F(namespace, symlink)
{
	char target[PATH_MAX] = "", longest[PATH_MAX];
	struct stat st;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, symlinkat("f", self->dir, "s"));
	ASSERT_EQ(1, readlinkat(self->dir, "s", target, sizeof(target)));
	EXPECT_STREQ("f", target);
	ASSERT_EQ(1, readlinkat(self->under, "s", target, sizeof(target)));
	EXPECT_EQ(1, size_of(self->dir, "s"));
	EXPECT_EQ(-1, name_differs(self->dir, "s", 10, 1));
	EXPECT_EQ(-ELOOP, errno_of(openat(self->dir, "s", O_RDONLY | O_NOFOLLOW)));
	EXPECT_EQ(-EEXIST, errno_of(symlinkat("f", self->dir, "s")));
	EXPECT_EQ(-EINVAL, errno_of(readlinkat(self->dir, "f", target, sizeof(target))));

	ASSERT_EQ(0, symlinkat("nowhere", self->dir, "dangling"));
	EXPECT_EQ(-ENOENT, errno_of(openat(self->dir, "dangling", O_RDONLY)));
	EXPECT_LE(0, openat(self->dir, "dangling", O_RDWR | O_CREAT, 0644));
	EXPECT_TRUE(is_there(self->under, "nowhere"));
	EXPECT_EQ(-EEXIST, errno_of(openat(self->dir, "dangling", O_RDWR | O_CREAT | O_EXCL, 0644)));

	ASSERT_EQ(0, symlinkat("loop", self->dir, "loop"));
	EXPECT_EQ(-ELOOP, errno_of(openat(self->dir, "loop", O_RDONLY)));

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, symlinkat("../f", self->dir, "d/up"));
	EXPECT_EQ(-1, name_differs(self->dir, "d/up", 10, 1));
	ASSERT_EQ(0, symlinkat("d", self->dir, "to_d"));
	EXPECT_EQ(-1, name_differs(self->dir, "to_d/../f", 10, 1));
	ASSERT_EQ(0, fstatat(self->dir, "to_d/", &st, AT_SYMLINK_NOFOLLOW));
	EXPECT_TRUE(S_ISDIR(st.st_mode));

	/* Long targets are kept apart from the inode by most filesystems; btrfs takes fewer bytes than others */
	memset(longest, 'x', 1000);
	longest[1000] = 0;
	ASSERT_EQ(0, symlinkat(longest, self->dir, "long"));
	EXPECT_EQ(1000, readlinkat(self->dir, "long", target, sizeof(target)));
	EXPECT_EQ(1000, size_of(self->dir, "long"));
	EXPECT_EQ(0, memcmp(longest, target, 1000));
	/* Truncated to the caller's buffer */
	EXPECT_EQ(10, readlinkat(self->dir, "long", target, 10));
}

TEST_F(namespace, special_files)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, s, c;
	char buf[4];

	ASSERT_EQ(0, mknodat(self->dir, "fifo", S_IFIFO | 0600, 0));
	EXPECT_EQ(S_IFIFO | 0600, mode_of(self->under, "fifo"));
	fd = must_open(self->dir, "fifo", O_RDWR);
	EXPECT_EQ(3, write(fd, "abc", 3));
	EXPECT_EQ(3, read(fd, buf, 4));

	ASSERT_EQ(0, mknodat(self->dir, "null", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_EQ(0, fstatat(self->dir, "null", &st, 0));
	EXPECT_EQ(makedev(1, 3), st.st_rdev);
	fd = must_open(self->dir, "null", O_RDWR);
	EXPECT_EQ(3, write(fd, "abc", 3));
	EXPECT_EQ(0, read(fd, buf, 3));
	ASSERT_EQ(0, mknodat(self->dir, "block", S_IFBLK | 0600, makedev(7, 0)));
	EXPECT_EQ(S_IFBLK | 0600, mode_of(self->under, "block"));

	/* A regular file by mknod */
	ASSERT_EQ(0, mknodat(self->dir, "file", S_IFREG | 0600, 0));
	EXPECT_EQ(S_IFREG | 0600, mode_of(self->under, "file"));
	EXPECT_EQ(-EEXIST, errno_of(mknodat(self->dir, "file", S_IFREG | 0600, 0)));
	EXPECT_EQ(0, fchmodat(AT_FDCWD, self->place.path, 0777, 0));
	EXPECT_EQ(EPERM, as_user(NOBODY, mknodat(self->dir, "denied", S_IFCHR | 0600, makedev(1, 3))));
	EXPECT_EQ(0, as_user(NOBODY, mknodat(self->dir, "allowed", S_IFIFO | 0600, 0)));

	ASSERT_EQ(0, fchdir(self->dir));
	strcpy(addr.sun_path, "socket");
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(0, bind(s, (struct sockaddr *)&addr, sizeof(addr)));
	EXPECT_TRUE(S_ISSOCK(mode_of(self->under, "socket")));
	ASSERT_EQ(0, listen(s, 1));
	EXPECT_EQ(0, connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, chdir("/"));
}

TEST_F(namespace, rename)
{
	ino_t ino;
	int ret;

	make_file(_metadata, self->dir, "a", 10, 1);
	make_file(_metadata, self->dir, "b", 20, 2);
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, mkdirat(self->dir, "e", 0755));
	ino = ino_of(self->dir, "a");
	ASSERT_EQ(0, rename2(self->dir, "a", "d/a", 0));
	EXPECT_FALSE(is_there(self->dir, "a"));
	EXPECT_EQ(ino, ino_of(self->dir, "d/a"));
	expect_content("d/a", 10, 1);
	/* Over another file, and back to an old name */
	ASSERT_EQ(0, rename2(self->dir, "d/a", "b", 0));
	expect_content("b", 10, 1);
	EXPECT_FALSE(is_there(self->under, "d/a"));
	ASSERT_EQ(0, rename2(self->dir, "b", "a", 0));
	expect_content("a", 10, 1);

	/* Folders */
	ASSERT_EQ(0, rename2(self->dir, "e", "d/e", 0));
	ASSERT_EQ(0, mkdirat(self->dir, "d/e/x", 0755));
	EXPECT_EQ(ino_of(self->dir, "d"), ino_of(self->dir, "d/e/.."));
	EXPECT_EQ(-EINVAL, errno_of(rename2(self->dir, "d", "d/e/x/d", 0)));
	EXPECT_EQ(-ENOTDIR, errno_of(rename2(self->dir, "d", "a", 0)));
	EXPECT_EQ(-EISDIR, errno_of(rename2(self->dir, "a", "d", 0)));
	ASSERT_EQ(0, mkdirat(self->dir, "full", 0755));
	/* Filesystems choose one of the two errnos that POSIX allows */
	ret = errno_of(rename2(self->dir, "full", "d", 0));
	EXPECT_TRUE(ret == -ENOTEMPTY || ret == -EEXIST);
	EXPECT_EQ(-ENOENT, errno_of(rename2(self->dir, "missing", "a", 0)));
	EXPECT_EQ(0, rename2(self->dir, "a", "a", 0));
	ASSERT_EQ(0, linkat(self->dir, "a", self->dir, "a2", 0));
	EXPECT_EQ(0, rename2(self->dir, "a", "a2", 0));
	EXPECT_TRUE(is_there(self->dir, "a"));
}

TEST_F(namespace, rename_flags)
{
	make_file(_metadata, self->dir, "a", 10, 1);
	make_file(_metadata, self->dir, "b", 20, 2);
	EXPECT_EQ(-EEXIST, errno_of(rename2(self->dir, "a", "b", RENAME_NOREPLACE)));
	ASSERT_EQ(0, rename2(self->dir, "a", "c", RENAME_NOREPLACE));
	ASSERT_EQ(0, rename2(self->dir, "c", "b", RENAME_EXCHANGE));
	expect_content("c", 20, 2);
	expect_content("b", 10, 1);
	/* File against folder, across folders */
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	ASSERT_EQ(0, mkdirat(self->dir, "d/sub", 0755));
	ASSERT_EQ(0, rename2(self->dir, "b", "d/sub", RENAME_EXCHANGE));
	EXPECT_EQ(S_IFDIR | 0755, mode_of(self->dir, "b"));
	expect_content("d/sub", 10, 1);
	EXPECT_EQ(-ENOENT, errno_of(rename2(self->dir, "b", "none", RENAME_EXCHANGE)));
	EXPECT_EQ(-EINVAL, errno_of(rename2(self->dir, "b", "d", RENAME_EXCHANGE | RENAME_NOREPLACE)));
}

/* A file for overlayfs' use: the backing filesystem has it or not. */
TEST_F(namespace, rename_whiteout)
{
	int at[2] = { self->plain, self->dir }, w;
	long ret[2];

	for (w = 0; w < 2; w++) {
		make_file(_metadata, at[w], "a", 10, 1);
		ret[w] = errno_of(rename2(at[w], "a", "b", RENAME_WHITEOUT));
		if (!ret[w]) {
			EXPECT_EQ(S_IFCHR, mode_of(at[w], "a") & S_IFMT);
		}
	}
	EXPECT_EQ(ret[0], ret[1]);
}

TEST_F(namespace, rename_open_file)
{
	int fd;

	make_file(_metadata, self->dir, "a", 10, 1);
	make_file(_metadata, self->dir, "b", 20, 2);
	fd = must_open(self->dir, "b", O_RDWR);
	ASSERT_EQ(0, rename2(self->dir, "a", "b", 0));
	EXPECT_EQ(-1, differs(fd, 20, 0, 2));
	ASSERT_EQ(1, pwrite(fd, "x", 1, 0));
	expect_content("b", 10, 1);
}

TEST_F(namespace, bad_names)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][8];
	char name[300];

	memset(name, 'n', sizeof(name));
	for (w = 0; w < 2; w++) {
		name[256] = 0;
		ret[w][0] = errno_of(mkdirat(at[w], name, 0755));
		ret[w][1] = errno_of(openat(at[w], name, O_RDONLY));
		name[255] = 0;
		ret[w][2] = errno_of(mkdirat(at[w], name, 0755));
		ret[w][3] = errno_of(unlinkat(at[w], name, AT_REMOVEDIR));
		name[255] = 'n';
		ret[w][4] = errno_of(openat(at[w], "missing/f", O_RDWR | O_CREAT, 0644));
		ret[w][5] = errno_of(openat(at[w], "", O_RDWR | O_CREAT, 0644));
		ret[w][6] = errno_of(unlinkat(at[w], ".", AT_REMOVEDIR));
		ret[w][7] = errno_of(openat(at[w], ".", O_RDWR));
	}
	EXPECT_EQ(-ENAMETOOLONG, ret[1][0]);
	EXPECT_EQ(0, ret[1][2]);
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* What changes below is seen: names that were looked up as missing, too. */
TEST_F(namespace, changed_below)
{
	struct stat st;

	/* missing, then made */
	EXPECT_FALSE(is_there(self->dir, "f"));
	make_file(_metadata, self->under, "f", 10, 1);
	EXPECT_TRUE(is_there(self->dir, "f"));
	expect_content("f", 10, 1);
	/* there, then gone */
	ASSERT_EQ(0, unlinkat(self->under, "f", 0));
	EXPECT_FALSE(is_there(self->dir, "f"));
	EXPECT_EQ(-ENOENT, errno_of(openat(self->dir, "f", O_RDONLY)));
	/* replaced by something of another kind */
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, unlinkat(self->under, "f", 0));
	ASSERT_EQ(0, mkdirat(self->under, "f", 0755));
	EXPECT_EQ(S_IFDIR | 0755, mode_of(self->dir, "f"));
	ASSERT_EQ(0, mkdirat(self->dir, "f/g", 0755));
	/* renamed, with what is in it */
	ASSERT_EQ(0, renameat(self->under, "f", self->under, "h"));
	EXPECT_FALSE(is_there(self->dir, "f"));
	EXPECT_TRUE(is_there(self->dir, "h/g"));
	/* replaced by a rename */
	make_file(_metadata, self->dir, "a", 10, 1);
	make_file(_metadata, self->under, "b", 20, 2);
	ASSERT_EQ(0, renameat(self->under, "b", self->under, "a"));
	expect_content("a", 20, 2);
	/* attributes */
	ASSERT_EQ(0, fchmodat(self->under, "a", 0600, 0));
	ASSERT_EQ(0, fchownat(self->under, "a", 1000, 1001, 0));
	ASSERT_EQ(0, fstatat(self->dir, "a", &st, 0));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_EQ(1000, st.st_uid);
	EXPECT_EQ(1001, st.st_gid);
	/* another link */
	ASSERT_EQ(0, linkat(self->under, "a", self->under, "c", 0));
	EXPECT_EQ(2, links_of(self->dir, "a"));
	EXPECT_EQ(ino_of(self->dir, "a"), ino_of(self->dir, "c"));
}

/* Operations on names that changed below since they were looked up do what the name is now, or say what is wrong. */
TEST_F(namespace, acts_on_what_is_there)
{
	make_file(_metadata, self->dir, "a", 10, 1);
	ASSERT_EQ(0, renameat(self->under, "a", self->under, "b"));
	EXPECT_EQ(-ENOENT, errno_of(unlinkat(self->dir, "a", 0)));
	EXPECT_EQ(0, unlinkat(self->dir, "b", 0));

	EXPECT_FALSE(is_there(self->dir, "c"));
	ASSERT_EQ(0, mkdirat(self->under, "c", 0755));
	EXPECT_EQ(-EEXIST, errno_of(mkdirat(self->dir, "c", 0755)));
	EXPECT_EQ(-EISDIR, errno_of(openat(self->dir, "c", O_RDWR | O_CREAT, 0644)));
	make_file(_metadata, self->under, "d", 10, 1);
	EXPECT_EQ(-EEXIST, errno_of(openat(self->dir, "d", O_RDWR | O_CREAT | O_EXCL, 0644)));
	EXPECT_EQ(-EEXIST, errno_of(rename2(self->dir, "d", "c", RENAME_NOREPLACE)));
	ASSERT_EQ(0, unlinkat(self->under, "c", AT_REMOVEDIR));
	EXPECT_EQ(0, rename2(self->dir, "d", "c", RENAME_NOREPLACE));
	expect_content("c", 10, 1);
}

/* The folder one is in, removed or moved below. */
TEST_F(namespace, current_folder_changed_below)
{
	int d;

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	d = must_open(self->dir, "d", O_RDONLY | O_DIRECTORY);
	make_file(_metadata, d, "f", 10, 1);
	ASSERT_EQ(0, renameat(self->under, "d", self->under, "moved"));
	EXPECT_EQ(-1, name_differs(d, "f", 10, 1));
	make_file(_metadata, d, "g", 10, 2);
	expect_content("moved/g", 10, 2);
	ASSERT_EQ(0, unlinkat(self->under, "moved/f", 0));
	ASSERT_EQ(0, unlinkat(self->under, "moved/g", 0));
	ASSERT_EQ(0, unlinkat(self->under, "moved", AT_REMOVEDIR));
	EXPECT_EQ(-ENOENT, errno_of(openat(d, "f", O_RDONLY)));
	EXPECT_EQ(-ENOENT, errno_of(openat(d, "new", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(-ENOENT, errno_of(mkdirat(d, "new", 0755)));
}

/* Who makes a file owns it, whoever mounted. */
TEST_F(namespace, owner)
{
	struct stat st, below;

	ASSERT_EQ(0, fchmodat(AT_FDCWD, self->place.path, 0777, 0));
	EXPECT_EQ(0, as_user(1234, openat(self->dir, "f", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(0, as_user(1234, mkdirat(self->dir, "d", 0755)));
	EXPECT_EQ(0, as_user(1234, symlinkat("f", self->dir, "s")));
	EXPECT_EQ(0, as_user(1234, mknodat(self->dir, "p", S_IFIFO | 0644, 0)));
	for (const char **name = (const char *[]){ "f", "d", "s", "p", NULL }; *name; name++) {
		ASSERT_EQ(0, fstatat(self->dir, *name, &st, AT_SYMLINK_NOFOLLOW));
		ASSERT_EQ(0, fstatat(self->under, *name, &below, AT_SYMLINK_NOFOLLOW));
		EXPECT_EQ(1234, st.st_uid) TH_LOG("%s", *name);
		EXPECT_EQ(1234, st.st_gid) TH_LOG("%s", *name);
		EXPECT_EQ(1234, below.st_uid) TH_LOG("%s", *name);
		EXPECT_EQ(1234, below.st_gid) TH_LOG("%s", *name);
	}
	EXPECT_EQ(0, as_user(1234, unlinkat(self->dir, "s", 0)));
	EXPECT_EQ(EACCES, as_user(1235, openat(self->dir, "d/f", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(EPERM, as_user(1235, fchmodat(self->dir, "f", 0666, 0)));
	EXPECT_EQ(EPERM, as_user(1234, fchownat(self->dir, "f", 1235, -1, 0)));
	EXPECT_EQ(0, as_user(1234, fchmodat(self->dir, "f", 0600, 0)));
	EXPECT_EQ(EACCES, as_user(1235, openat(self->dir, "f", O_RDONLY)));
}

TEST_F(namespace, folder_with_group_bit)
{
	struct stat st;

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0777));
	ASSERT_EQ(0, fchownat(self->dir, "d", 0, 4321, 0));
	ASSERT_EQ(0, fchmodat(self->dir, "d", 02777, 0));
	EXPECT_EQ(0, as_user(1234, openat(self->dir, "d/f", O_RDWR | O_CREAT, 0666)));
	EXPECT_EQ(0, as_user(1234, mkdirat(self->dir, "d/sub", 0755)));
	ASSERT_EQ(0, fstatat(self->dir, "d/f", &st, 0));
	EXPECT_EQ(1234, st.st_uid);
	EXPECT_EQ(4321, st.st_gid);
	ASSERT_EQ(0, fstatat(self->under, "d/sub", &st, 0));
	EXPECT_EQ(4321, st.st_gid);
	EXPECT_EQ(S_IFDIR | 02755, st.st_mode);
	/* Made by one who is not in the group: without the bit of his own */
	EXPECT_EQ(0, as_user(1234, openat(self->dir, "d/g", O_RDWR | O_CREAT, 02775)));
	EXPECT_EQ(S_IFREG | 0755, mode_of(self->under, "d/g"));
}

TEST_F(namespace, umask)
{
	umask(027);
	make_file(_metadata, self->dir, "f", 1, 1);
	ASSERT_LE(0, openat(self->dir, "g", O_RDWR | O_CREAT, 0777));
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0777));
	ASSERT_EQ(0, mknodat(self->dir, "p", S_IFIFO | 0666, 0));
	EXPECT_EQ(S_IFREG | 0640, mode_of(self->under, "f"));
	EXPECT_EQ(S_IFREG | 0750, mode_of(self->under, "g"));
	EXPECT_EQ(S_IFDIR | 0750, mode_of(self->under, "d"));
	EXPECT_EQ(S_IFIFO | 0640, mode_of(self->under, "p"));
}

TEST_F(namespace, sticky_folder)
{
	ASSERT_EQ(0, mkdirat(self->dir, "d", 0777));
	ASSERT_EQ(0, fchmodat(self->dir, "d", 01777, 0));
	EXPECT_EQ(0, as_user(1234, openat(self->dir, "d/f", O_RDWR | O_CREAT, 0666)));
	EXPECT_EQ(EPERM, as_user(1235, unlinkat(self->dir, "d/f", 0)));
	EXPECT_EQ(EPERM, as_user(1235, renameat(self->dir, "d/f", self->dir, "d/g")));
	EXPECT_EQ(0, as_user(1234, unlinkat(self->dir, "d/f", 0)));
}

#define ENTRIES 1200 /* more than one buffer of readdir() */

/* Every name once, in whatever order; positions lead back to where they were taken. */
TEST_F(namespace, big_folder)
{
	static char seen[ENTRIES], names[ENTRIES + 2][12];
	static long at[ENTRIES + 2];
	int i, n = 0, d, total = 0;
	struct dirent *e;
	DIR *s;

	ASSERT_EQ(0, mkdirat(self->dir, "d", 0755));
	d = must_open(self->dir, "d", O_PATH);
	for (i = 0; i < ENTRIES; i++) {
		char name[12];

		snprintf(name, sizeof(name), "n%d", i);
		ASSERT_EQ(0, mknodat(i % 2 ? self->dir : d, i % 2 ? "x" : name, S_IFREG | 0644, 0));
		if (i % 2) {
			ASSERT_EQ(0, renameat(self->dir, "x", d, name));
		}
	}
	/* Opened now: btrfs does not show an open folder what is made later */
	s = fdopendir(must_open(self->dir, "d", O_RDONLY | O_DIRECTORY));
	ASSERT_NE(NULL, s);
	for (;;) {
		at[n] = telldir(s);
		e = readdir(s);
		if (!e)
			break;
		snprintf(names[n++], sizeof(names[0]), "%.11s", e->d_name);
		ASSERT_LE(n, ENTRIES + 2);
		if (e->d_name[0] == '.') {
			EXPECT_EQ(DT_DIR, e->d_type);
			continue;
		}
		EXPECT_EQ(DT_REG, e->d_type);
		i = atoi(e->d_name + 1);
		ASSERT_LT(i, ENTRIES);
		EXPECT_EQ(0, seen[i]++);
		total++;
		if (i % 100 == 0) {
			EXPECT_EQ(ino_of(d, e->d_name), e->d_ino);
		}
	}
	EXPECT_EQ(ENTRIES, total);
	for (i = 0; i < 100; i++) {
		int k = (i * 7919) % n;

		seekdir(s, at[k]);
		e = readdir(s);
		ASSERT_NE(NULL, e);
		ASSERT_STREQ(names[k], e->d_name);
	}
	/* All removed while reading: none is missed */
	rewinddir(s);
	total = 0;
	while ((e = readdir(s))) {
		if (e->d_name[0] == '.')
			continue;
		ASSERT_EQ(0, unlinkat(d, e->d_name, 0));
		total++;
	}
	EXPECT_EQ(ENTRIES, total);
	closedir(s);
	EXPECT_EQ(0, unlinkat(self->dir, "d", AT_REMOVEDIR));
}

/* A new name appears in a folder that is open and was read, after rewinding. */
TEST_F(namespace, folder_sees_changes)
{
	int d = must_open(self->dir, ".", O_RDONLY | O_DIRECTORY), n = 0;
	struct dirent *e;
	DIR *s = fdopendir(d);

	while ((e = readdir(s)))
		n++;
	EXPECT_EQ(2, n);
	make_file(_metadata, self->dir, "a", 1, 1);
	make_file(_metadata, self->under, "b", 1, 1);
	rewinddir(s);
	for (n = 0; (e = readdir(s)); )
		n++;
	EXPECT_EQ(4, n);
	closedir(s);
}

TEST_F(namespace, folder_errors)
{
	int at[2] = { self->plain, self->dir }, w, i;
	char buf[1024];
	long ret[2][7];

	for (w = 0; w < 2; w++) {
		int d;

		ASSERT_EQ(0, mkdirat(at[w], "d", 0755));
		d = must_open(at[w], "d", O_RDONLY | O_DIRECTORY);
		make_file(_metadata, at[w], "f", 1, 1);
		ret[w][0] = errno_of(syscall(SYS_getdents64, d, buf, 10));
		ret[w][1] = errno_of(syscall(SYS_getdents64, openat(at[w], "f", O_RDONLY), buf, sizeof(buf)));
		ret[w][2] = errno_of(read(d, buf, 10));
		ret[w][3] = errno_of(write(d, buf, 10));
		ret[w][4] = errno_of(lseek(d, -1, SEEK_SET));
		ret[w][5] = errno_of(fsync(d));
		ASSERT_EQ(0, unlinkat(at[w], "d", AT_REMOVEDIR));
		ret[w][6] = errno_of(syscall(SYS_getdents64, d, buf, sizeof(buf)));
	}
	EXPECT_EQ(-ENOTDIR, ret[1][1]);
	for (i = 0; i < 7; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* Tasks that make, move and remove the same few names through both sides: no error but those of losing a race. */
TEST_F(namespace, races)
{
	int w, status, i;

	for (w = 0; w < 4; w++) {
		if (fork())
			continue;
		srand(w);
		for (i = 0; i < 500; i++) {
			int at = w == 3 ? self->under : self->dir, fd, ret;
			char a[2] = { 'a' + rand() % 3 }, b[2] = { 'a' + rand() % 3 };

			switch (rand() % 6) {
			case 0:
				fd = openat(at, a, O_RDWR | O_CREAT, 0644);
				ret = fd < 0 ? errno : 0;
				if (fd >= 0 && (write(fd, "x", 1) != 1 || close(fd)))
					_exit(10);
				break;
			case 1:
				ret = unlinkat(at, a, 0) ? errno : 0;
				break;
			case 2:
				ret = renameat(at, a, at, b) ? errno : 0;
				break;
			case 3:
				ret = linkat(at, a, at, b, 0) ? errno : 0;
				break;
			case 4:
				ret = rename2(at, a, b, RENAME_EXCHANGE) ? errno : 0;
				break;
			default:
				fd = openat(at, a, O_RDONLY);
				ret = fd < 0 ? errno : 0;
				close(fd);
			}
			/* ESTALE: lost the race twice, as the VFS tries again once */
			if (ret && ret != ENOENT && ret != EEXIST && ret != ESTALE)
				_exit(ret);
		}
		_exit(0);
	}
	for (w = 0; w < 4; w++) {
		wait(&status);
		EXPECT_EQ(0, status) TH_LOG("errno %d", WEXITSTATUS(status));
	}
	for (i = 0; i < 3; i++) {
		char name[2] = { 'a' + i };

		EXPECT_EQ(is_there(self->under, name), is_there(self->dir, name));
		EXPECT_EQ(ino_of(self->under, name), ino_of(self->dir, name));
	}
}

TEST_HARNESS_MAIN
