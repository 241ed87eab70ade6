// SPDX-License-Identifier: GPL-2.0
/* Operations on names and attributes, for the fault sweep. */
#include <dirent.h>
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "sweep.h"

#define MANY 40

/* Made below, so that the stack does not know it yet */
static void makes_below(struct attempt *a)
{
	close(must(openat(a->under, "cold", O_WRONLY | O_CREAT, 0644)));
}

static long opened(struct attempt *a, long fd)
{
	if (fd < 0)
		return -errno;
	a->fd = fd;
	return 0;
}

/* --- opening -------------------------------------------------------------------- */

static long open_read(struct attempt *a) { return opened(a, openat(a->dir, "f", O_RDONLY)); }
DEFINE_OPERATION(open_read, .errnos = { ENFILE });

static long open_write(struct attempt *a) { return opened(a, openat(a->dir, "f", O_RDWR)); }
DEFINE_OPERATION(open_write, .errnos = { ENFILE });

static long open_direct(struct attempt *a) { return opened(a, openat(a->dir, "f", O_RDWR | O_DIRECT)); }
DEFINE_OPERATION(open_direct, .errnos = { ENFILE });

static long open_truncate(struct attempt *a) { return opened(a, openat(a->dir, "f", O_RDWR | O_TRUNC)); }
DEFINE_OPERATION(open_truncate, .resizes = true, .size = 0, .errnos = { ENFILE });

static long open_cold(struct attempt *a) { return opened(a, openat(a->dir, "cold", O_RDONLY)); }
DEFINE_OPERATION(open_cold, .prepare = makes_below, .errnos = { ENFILE });

static long open_dir(struct attempt *a) { return opened(a, openat(a->dir, "dir", O_RDONLY | O_DIRECTORY)); }
DEFINE_OPERATION(open_dir, .errnos = { ENFILE });

static long open_tmpfile(struct attempt *a) { return opened(a, openat(a->dir, ".", O_RDWR | O_TMPFILE, 0600)); }
DEFINE_OPERATION(open_tmpfile, .errnos = { ENFILE });

static long create(struct attempt *a)
{
	return opened(a, openat(a->dir, "new", O_RDWR | O_CREAT | O_EXCL, 0644));
}

/* What was made may not be opened for want of memory, and stays: open(2) does so on every filesystem. */
DEFINE_OPERATION(create, .makes = "new", .in_two_steps = true, .errnos = { ENFILE });

/* --- looking -------------------------------------------------------------------- */

static long lookup(struct attempt *a)
{
	struct stat st;

	return errno_of(fstatat(a->dir, "cold", &st, 0));
}

DEFINE_OPERATION(lookup, .prepare = makes_below);

static long lookup_nothing(struct attempt *a)
{
	struct stat st;

	return errno_of(fstatat(a->dir, "nothing", &st, 0));
}

DEFINE_OPERATION(lookup_nothing, .ret = -ENOENT);

static long stat_name(struct attempt *a)
{
	struct statx stx;

	return errno_of(statx(a->dir, "f", 0, STATX_ALL, &stx));
}

DEFINE_OPERATION(stat_name);

static long read_link(struct attempt *a) { return errno_of(readlinkat(a->dir, "sym", a->buf, BUF_SIZE)); }
DEFINE_OPERATION(read_link, .ret = 1);

static long follow_link(struct attempt *a) { return opened(a, openat(a->dir, "sym", O_RDONLY)); }
DEFINE_OPERATION(follow_link, .errnos = { ENFILE });

static long stat_fs(struct attempt *a)
{
	struct statfs st;

	return errno_of(fstatfs(a->dir, &st));
}

DEFINE_OPERATION(stat_fs);

static long check_access(struct attempt *a) { return errno_of(faccessat(a->dir, "f", R_OK | W_OK, 0)); }
DEFINE_OPERATION(check_access);

static void many_names(struct attempt *a)
{
	char name[32];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "dir/%02d", i);
		close(must(openat(a->under, name, O_WRONLY | O_CREAT, 0644)));
	}
	a->fd = must(openat(a->dir, "dir", O_RDONLY | O_DIRECTORY));
}

/* Until the end, in steps; what was read stays in the buffer. */
static long read_dir(struct attempt *a)
{
	long at = 0, n;

	do {
		n = errno_of(syscall(SYS_getdents64, a->fd, a->buf + at, 512));
		if (n < 0)
			return n;
		at += n;
	} while (n);
	return at;
}

/* No name is lost: what the calls that succeeded did not show, the ones to come do. */
static const char *all_names(struct attempt *a, long ret)
{
	unsigned long seen = 0;
	long at = 0, end;

	if (ret < 0) {
		must(lseek(a->fd, 0, SEEK_SET));
		ret = read_dir(a);
		if (ret < 0)
			return "the directory cannot be read any more";
	}
	for (end = ret; at < end; at += ((struct dirent64 *)(a->buf + at))->d_reclen) {
		const char *name = ((struct dirent64 *)(a->buf + at))->d_name;

		if (name[0] == '.')
			continue;
		if (seen & 1ul << atoi(name))
			return "a name was read twice";
		seen |= 1ul << atoi(name);
	}
	return seen == (1ul << MANY) - 1 ? NULL : "a name was lost";
}

DEFINE_OPERATION(read_dir, .prepare = many_names, .check = all_names, .ret = 1);

/* --- making and removing ----------------------------------------------------------- */

static long make_dir(struct attempt *a) { return errno_of(mkdirat(a->dir, "new", 0755)); }
DEFINE_OPERATION(make_dir, .makes = "new");

/* Of xfs: what was removed is done with when this returns. Others do not know it, and need none. */
struct eofblocks {
	__u32 version, flags, uid, gid, projid, pad;
	__u64 min_file_size, pad64[12];
};

#define FINISH_REMOVAL _IOR('X', 58, struct eofblocks)

/*
 * The inodes that xfs uses for the next names are some that it still has in memory, of files that were just removed.
 * In that case it needs memory in the middle of the transaction.
 */
static void removed_just_now(struct attempt *a)
{
	struct eofblocks all = { .version = 1 };
	char name[8];
	int i;

	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "old%d", i);
		must(mknodat(a->under, name, S_IFIFO | 0644, 0));
	}
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "old%d", i);
		must(unlinkat(a->under, name, 0));
	}
	must(ioctl(a->under, FINISH_REMOVAL, &all) && errno != ENOTTY && errno != EOPNOTSUPP ? -1 : 0);
}

static long make_again(struct attempt *a) { return errno_of(mknodat(a->dir, "new", S_IFIFO | 0644, 0)); }
DEFINE_OPERATION(make_again, .prepare = removed_just_now, .makes = "new", .as_alone = true);

static long make_symlink(struct attempt *a) { return errno_of(symlinkat("target", a->dir, "new")); }
DEFINE_OPERATION(make_symlink, .makes = "new");

static long make_fifo(struct attempt *a) { return errno_of(mknodat(a->dir, "new", S_IFIFO | 0644, 0)); }
DEFINE_OPERATION(make_fifo, .makes = "new");

static long make_device(struct attempt *a)
{
	return errno_of(mknodat(a->dir, "new", S_IFCHR | 0644, makedev(1, 3)));
}

DEFINE_OPERATION(make_device, .makes = "new");

static long make_link(struct attempt *a) { return errno_of(linkat(a->dir, "f", a->dir, "new", 0)); }
DEFINE_OPERATION(make_link, .makes = "new");

static void link_below(struct attempt *a) { must(linkat(a->under, "f", a->under, "other", 0)); }

static long remove_name(struct attempt *a) { return errno_of(unlinkat(a->dir, "other", 0)); }
DEFINE_OPERATION(remove_name, .prepare = link_below, .removes = "other");

static void makes_file(struct attempt *a) { close(must(openat(a->dir, "last", O_WRONLY | O_CREAT, 0644))); }

static long remove_last_name(struct attempt *a) { return errno_of(unlinkat(a->dir, "last", 0)); }
DEFINE_OPERATION(remove_last_name, .prepare = makes_file, .removes = "last", .cannot_tell = true);

static long remove_dir(struct attempt *a) { return errno_of(unlinkat(a->dir, "dir", AT_REMOVEDIR)); }
DEFINE_OPERATION(remove_dir, .removes = "dir", .cannot_tell = true);

static long rename_to_new(struct attempt *a) { return errno_of(renameat(a->dir, "sym", a->dir, "new")); }
DEFINE_OPERATION(rename_to_new, .makes = "new", .removes = "sym");

static long rename_over(struct attempt *a) { return errno_of(renameat(a->dir, "last", a->dir, "sym")); }
DEFINE_OPERATION(rename_over, .prepare = makes_file, .removes = "last", .cannot_tell = true);

static long rename_exchange(struct attempt *a)
{
	return errno_of(renameat2(a->dir, "dir", a->dir, "sym", RENAME_EXCHANGE));
}

DEFINE_OPERATION(rename_exchange);

static long rename_across(struct attempt *a) { return errno_of(renameat(a->dir, "sym", a->dir, "dir/new")); }
DEFINE_OPERATION(rename_across, .makes = "dir/new", .removes = "sym");

/* --- attributes ---------------------------------------------------------------------- */

static long change_mode(struct attempt *a) { return errno_of(fchmodat(a->dir, "f", 0600, 0)); }
DEFINE_OPERATION(change_mode);

static long change_owner(struct attempt *a) { return errno_of(fchownat(a->dir, "f", 1, 2, 0)); }
DEFINE_OPERATION(change_owner);

static long change_times(struct attempt *a)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };

	return errno_of(utimensat(a->dir, "f", times, 0));
}

DEFINE_OPERATION(change_times);

static void opens_f(struct attempt *a) { a->fd = must(openat(a->dir, "f", O_RDONLY)); }

static void has_xattr(struct attempt *a)
{
	opens_f(a);
	must(fsetxattr(a->fd, "user.t", "old", 3, 0));
}

static const char *xattr_is_old_or_new(struct attempt *a, long ret)
{
	char through[8] = "", below[8] = "";
	int fd = must(openat(a->under, "f", O_RDONLY));

	fgetxattr(a->fd, "user.t", through, sizeof(through) - 1);
	fgetxattr(fd, "user.t", below, sizeof(below) - 1);
	close(fd);
	if (strcmp(through, below))
		return "the attribute is another one below";
	if (strcmp(below, "new") && (!ret || strcmp(below, "old")))
		return "the attribute is neither old nor new";
	return NULL;
}

static long set_xattr(struct attempt *a) { return errno_of(fsetxattr(a->fd, "user.t", "new", 3, 0)); }
DEFINE_OPERATION(set_xattr, .prepare = has_xattr, .check = xattr_is_old_or_new);

static long get_xattr(struct attempt *a) { return errno_of(fgetxattr(a->fd, "user.t", a->buf, 64)); }
DEFINE_OPERATION(get_xattr, .prepare = has_xattr, .ret = 3);

static long list_xattr(struct attempt *a) { return errno_of(flistxattr(a->fd, a->buf, 1024)); }
DEFINE_OPERATION(list_xattr, .prepare = has_xattr, .ret = 7);

static long remove_xattr(struct attempt *a) { return errno_of(fremovexattr(a->fd, "user.t")); }
DEFINE_OPERATION(remove_xattr, .prepare = has_xattr);

static const struct {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[5];
} acl = {
	.header = { POSIX_ACL_XATTR_VERSION },
	.entries = {
		{ ACL_USER_OBJ, 6, ACL_UNDEFINED_ID }, { ACL_USER, 4, 1000 }, { ACL_GROUP_OBJ, 4, ACL_UNDEFINED_ID },
		{ ACL_MASK, 4, ACL_UNDEFINED_ID }, { ACL_OTHER, 0, ACL_UNDEFINED_ID },
	},
};

static long set_acl(struct attempt *a)
{
	return errno_of(fsetxattr(a->fd, "system.posix_acl_access", &acl, sizeof(acl), 0));
}

DEFINE_OPERATION(set_acl, .prepare = opens_f);

static void has_acl(struct attempt *a)
{
	int fd = must(openat(a->under, "f", O_RDONLY));

	must(fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0));
	close(fd);
	opens_f(a);
}

static long get_acl(struct attempt *a)
{
	return errno_of(fgetxattr(a->fd, "system.posix_acl_access", a->buf, 1024));
}

DEFINE_OPERATION(get_acl, .prepare = has_acl, .ret = sizeof(acl));

static long get_flags(struct attempt *a)
{
	struct fsxattr attr;

	return errno_of(ioctl(a->fd, FS_IOC_FSGETXATTR, &attr));
}

DEFINE_OPERATION(get_flags, .prepare = opens_f);

static long set_flags(struct attempt *a)
{
	int flags = FS_NODUMP_FL;

	return errno_of(ioctl(a->fd, FS_IOC_SETFLAGS, &flags));
}

DEFINE_OPERATION(set_flags, .prepare = opens_f);
