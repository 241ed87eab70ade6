// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of extended attributes: values, names and errnos are those of the backing filesystem, in each namespace and
 * for each kind of file; what changes on one side is there on the other.
 */
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(xattr);

/* Of @name in the folder @at: l*xattr() want a path. */
static const char *path_of(struct __test_metadata *const _metadata, int at, const char *name)
{
	static char path[4][PATH_MAX];
	static int next;
	char link[64], dir[PATH_MAX] = "";
	char *p = path[next++ % 4];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	ASSERT_LT(0, readlink(link, dir, sizeof(dir) - 1));
	snprintf(p, PATH_MAX, "%.3000s/%.500s", dir, name);
	return p;
}

#define at_name(dir, name) path_of(_metadata, dir, name)
#define at(dir) at_name(dir, "f")

static bool has(const char *path, const char *name, const char *value)
{
	char buf[256] = "";
	ssize_t n = lgetxattr(path, name, buf, sizeof(buf) - 1);

	return n == (ssize_t)strlen(value) && !memcmp(buf, value, n);
}

/* Is @name in the list of @path's? */
static bool listed(const char *path, const char *name)
{
	char buf[4096], *p;
	ssize_t n = llistxattr(path, buf, sizeof(buf));

	for (p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

TEST_F(xattr, set_get_list_remove)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	EXPECT_EQ(-ENODATA, errno_of(lgetxattr(at(self->dir), "user.a", NULL, 0)));
	ASSERT_EQ(0, lsetxattr(at(self->dir), "user.a", "one", 3, 0)) TH_LOG("%m");
	ASSERT_EQ(0, lsetxattr(at(self->dir), "user.b", "", 0, 0));
	EXPECT_TRUE(has(at(self->dir), "user.a", "one"));
	EXPECT_TRUE(has(at(self->under), "user.a", "one"));
	EXPECT_TRUE(has(at(self->under), "user.b", ""));
	EXPECT_TRUE(listed(at(self->dir), "user.a"));
	EXPECT_TRUE(listed(at(self->dir), "user.b"));
	EXPECT_EQ(llistxattr(at(self->under), NULL, 0), llistxattr(at(self->dir), NULL, 0));
	ASSERT_EQ(0, lremovexattr(at(self->dir), "user.a"));
	EXPECT_FALSE(listed(at(self->under), "user.a"));
	EXPECT_EQ(-ENODATA, errno_of(lremovexattr(at(self->dir), "user.a")));
}

TEST_F(xattr, changed_below)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	EXPECT_FALSE(listed(at(self->dir), "user.a"));
	ASSERT_EQ(0, lsetxattr(at(self->under), "user.a", "below", 5, 0));
	EXPECT_TRUE(has(at(self->dir), "user.a", "below"));
	EXPECT_TRUE(listed(at(self->dir), "user.a"));
	ASSERT_EQ(0, lremovexattr(at(self->under), "user.a"));
	EXPECT_EQ(-ENODATA, errno_of(lgetxattr(at(self->dir), "user.a", NULL, 0)));
}

TEST_F(xattr, flags_and_sizes)
{
	char buf[16];
	int fd;

	make_file(_metadata, self->dir, "f", 10, 1);
	EXPECT_EQ(-ENODATA, errno_of(lsetxattr(at(self->dir), "user.a", "x", 1, XATTR_REPLACE)));
	EXPECT_EQ(0, lsetxattr(at(self->dir), "user.a", "12345", 5, XATTR_CREATE));
	EXPECT_EQ(-EEXIST, errno_of(lsetxattr(at(self->dir), "user.a", "x", 1, XATTR_CREATE)));
	EXPECT_EQ(0, lsetxattr(at(self->dir), "user.a", "67890", 5, XATTR_REPLACE));
	EXPECT_TRUE(has(at(self->under), "user.a", "67890"));
	EXPECT_EQ(5, lgetxattr(at(self->dir), "user.a", NULL, 0));
	EXPECT_EQ(-ERANGE, errno_of(lgetxattr(at(self->dir), "user.a", buf, 4)));
	EXPECT_EQ(5, lgetxattr(at(self->dir), "user.a", buf, 16));
	EXPECT_EQ(-ERANGE, errno_of(llistxattr(at(self->dir), buf, 3)));
	fd = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(5, fgetxattr(fd, "user.a", buf, 16));
	EXPECT_EQ(0, fsetxattr(fd, "user.c", "c", 1, 0));
	EXPECT_EQ(0, fremovexattr(fd, "user.a"));
	EXPECT_TRUE(listed(at(self->under), "user.c"));
}

/* Each name and size: what the backing filesystem says. */
TEST_F(xattr, as_below)
{
	static const char * const names[] = {
		"user.x", "trusted.x", "security.x", "system.x", "user.", "x", "", "nobody.x",
		"system.posix_acl_access", "security.capability", "trusted.overlay.opaque", "btrfs.compression",
	};
	static const size_t sizes[] = { 0, 1, 255, 1000, 5000, 65536, 65537 };
	int dirs[2] = { self->plain, self->dir }, w;
	char *value = calloc(1, 100000), *buf = malloc(100000), name[400] = "user.";
	size_t i, j;
	long ret[2][4];

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			memset(value, 'v', sizes[j]);
			for (w = 0; w < 2; w++) {
				make_file(_metadata, dirs[w], "f", 10, 1);
				ret[w][0] = errno_of(lsetxattr(at(dirs[w]), names[i], value, sizes[j], 0));
				ret[w][1] = errno_of(lgetxattr(at(dirs[w]), names[i], buf, 100000));
				ret[w][2] = errno_of(lremovexattr(at(dirs[w]), names[i]));
				ret[w][3] = errno_of(lgetxattr(at(dirs[w]), names[i], buf, 100000));
				ASSERT_EQ(0, unlinkat(dirs[w], "f", 0));
			}
			EXPECT_EQ(0, memcmp(ret[0], ret[1], sizeof(ret[0])))
				TH_LOG("'%s', %zu bytes: %ld %ld %ld %ld", names[i], sizes[j], ret[1][0],
				       ret[1][1], ret[1][2], ret[1][3]);
		}
	}
	memset(name + 5, 'n', 300);
	make_file(_metadata, self->dir, "f", 10, 1);
	EXPECT_EQ(-ERANGE, errno_of(lsetxattr(at(self->dir), name, "x", 1, 0)));
	free(value);
	free(buf);
}

TEST_F(xattr, kinds_of_files)
{
	static const char * const kinds[] = { "d", "l", "p" };
	int dirs[2] = { self->plain, self->dir }, w;
	size_t i;

	for (w = 0; w < 2; w++) {
		ASSERT_EQ(0, mkdirat(dirs[w], "d", 0755));
		ASSERT_EQ(0, symlinkat("nothing", dirs[w], "l"));
		ASSERT_EQ(0, mknodat(dirs[w], "p", S_IFIFO | 0644, 0));
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		static const char * const names[] = { "user.x", "trusted.x", "security.x" };
		size_t j;

		for (j = 0; j < ARRAY_SIZE(names); j++) {
			long ret[2];

			for (w = 0; w < 2; w++)
				ret[w] = errno_of(lsetxattr(at_name(dirs[w], kinds[i]), names[j], "v", 1, 0));
			EXPECT_EQ(ret[0], ret[1]) TH_LOG("%s of %s", names[j], kinds[i]);
			if (!ret[1]) {
				EXPECT_TRUE(has(at_name(self->under, kinds[i]), names[j], "v"));
			}
		}
	}
}

/* As the mounter it would be allowed. */
TEST_F(xattr, permission)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0644, 0));
	ASSERT_EQ(0, lsetxattr(at(self->dir), "trusted.t", "v", 1, 0));
	ASSERT_EQ(0, lsetxattr(at(self->dir), "user.u", "v", 1, 0));
	EXPECT_TRUE(listed(at(self->dir), "trusted.t"));
	EXPECT_EQ(0, as_user(NOBODY, has(at(self->dir), "user.u", "v") ? 0 : -1));
	EXPECT_EQ(EACCES, as_user(NOBODY, lsetxattr(at(self->dir), "user.u", "w", 1, 0)));
	EXPECT_EQ(EPERM, as_user(NOBODY, lsetxattr(at(self->dir), "trusted.t", "w", 1, 0)));
	EXPECT_EQ(ENODATA, as_user(NOBODY, lgetxattr(at(self->dir), "trusted.t", NULL, 0)));
	EXPECT_EQ(EPERM, as_user(NOBODY, lsetxattr(at(self->dir), "security.s", "w", 1, 0)));
	/* btrfs itself lists what the caller may not read; passfs, as overlayfs, never does */
	if (!fs_is("btrfs") || variant->layers != DIRECT) {
		EXPECT_EQ(0, as_user(NOBODY, listed(at(self->dir), "trusted.t") ? -1 : 0));
	}
	EXPECT_EQ(0, as_user(NOBODY, listed(at(self->dir), "user.u") ? 0 : -1));
	ASSERT_EQ(0, fchmodat(self->dir, "f", 0600, 0));
	EXPECT_EQ(EACCES, as_user(NOBODY, lgetxattr(at(self->dir), "user.u", NULL, 0)));
	EXPECT_TRUE(has(at(self->under), "user.u", "v"));
}

TEST_F(xattr, immutable_and_read_only)
{
	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, lsetxattr(at(self->dir), "user.u", "v", 1, 0));
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, true));
	EXPECT_EQ(-EPERM, errno_of(lsetxattr(at(self->dir), "user.u", "w", 1, 0)));
	EXPECT_EQ(-EPERM, errno_of(lremovexattr(at(self->dir), "user.u")));
	ASSERT_EQ(0, set_flag(self->under, "f", FS_IMMUTABLE_FL, false));
	EXPECT_TRUE(has(at(self->dir), "user.u", "v"));
}

TEST_F(xattr, changes_ctime)
{
	struct stat before, after, below;

	make_file(_metadata, self->dir, "f", 10, 1);
	ASSERT_EQ(0, fstatat(self->dir, "f", &before, 0));
	usleep(20000);
	ASSERT_EQ(0, lsetxattr(at(self->dir), "user.u", "v", 1, 0));
	ASSERT_EQ(0, fstatat(self->dir, "f", &after, 0));
	ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
	EXPECT_NE(0, memcmp(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim)));
	EXPECT_EQ(0, memcmp(&below.st_ctim, &after.st_ctim, sizeof(below.st_ctim)));
	EXPECT_EQ(0, memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)));
}

TEST_HARNESS_MAIN
