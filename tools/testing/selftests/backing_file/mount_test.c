// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of mounting: bad input gives the right errno and a message that can be read from the fs context; what fails
 * leaves nothing behind; the mount shows its options; read-only means read-only, noexec no execution, and so on; a
 * mount in use is busy; when all is unmounted the modules' use counts are what they were.
 */
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"

FIXTURE(mount) {
	char lower[PATH_MAX];
	char at[PATH_MAX];
	char second[PATH_MAX];
	long used;
};

static long refcount(const char *module)
{
	char name[128], line[256];
	long count = -1;
	FILE *f = fopen("/proc/modules", "r");

	while (fgets(line, sizeof(line), f)) {
		long n;

		if (sscanf(line, "%127s %*s %ld", name, &n) == 2 && !strcmp(name, module))
			count = n;
	}
	fclose(f);
	return count;
}

/* The last references of a mount that is gone may be put by work items. */
static bool refcount_becomes(long count)
{
	int i;

	for (i = 0; i < 100 && refcount("passfs") != count; i++)
		usleep(50000);
	return refcount("passfs") == count;
}

FIXTURE_SETUP(mount)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->lower, sizeof(self->lower), "%s/mount.%d", getenv("BF_BACKING"), getpid());
	snprintf(self->at, sizeof(self->at), "/tmp/mount.%d", getpid());
	snprintf(self->second, sizeof(self->second), "/tmp/second.%d", getpid());
	ASSERT_EQ(0, mkdir(self->lower, 0755));
	ASSERT_EQ(0, mkdir(self->at, 0755));
	ASSERT_EQ(0, mkdir(self->second, 0755));
	self->used = refcount("passfs");
	ASSERT_LT(0, self->used);
}

FIXTURE_TEARDOWN(mount)
{
	umount2(self->second, MNT_DETACH);
	umount2(self->at, MNT_DETACH);
	rmdir(self->second);
	rmdir(self->at);
	remove_tree(AT_FDCWD, self->lower);
	EXPECT_TRUE(refcount_becomes(self->used)) TH_LOG("%ld, was %ld", refcount("passfs"), self->used);
}

static int fs_open(void)
{
	return syscall(SYS_fsopen, "passfs", FSOPEN_CLOEXEC);
}

static int set_string(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

static int create(int fs)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* The next message of the context: of the form "e passfs: no source". */
static const char *message(int fs)
{
	static char text[512];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void expect_failure(struct __test_metadata *const _metadata, const char *source, int err, const char *says)
{
	int fs = fs_open();

	ASSERT_LE(0, fs);
	if (source) {
		ASSERT_EQ(0, set_string(fs, "source", source));
	}
	EXPECT_EQ(-err, errno_of(create(fs)));
	EXPECT_NE(NULL, strstr(message(fs), says)) TH_LOG("it should say: %s", says);
	/* The context is of no use any more, and closing it is enough */
	EXPECT_GT(0, syscall(SYS_fsmount, fs, 0, 0));
	ASSERT_EQ(0, close(fs));
}

TEST_F(mount, no_source)
{
	expect_failure(_metadata, NULL, EINVAL, "e passfs: no source");
	EXPECT_EQ(-EINVAL, errno_of(mount(NULL, self->at, "passfs", 0, NULL)));
}

TEST_F(mount, source_not_there)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3000s/missing", self->lower);
	expect_failure(_metadata, path, ENOENT, path);
	EXPECT_EQ(-ENOENT, errno_of(mount(path, self->at, "passfs", 0, NULL)));
	expect_failure(_metadata, "", EINVAL, "e passfs: no source");
}

TEST_F(mount, source_not_a_directory)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3000s/file", self->lower);
	make_file(_metadata, AT_FDCWD, path, 1, 1);
	expect_failure(_metadata, path, ENOTDIR, "is not a directory");
	EXPECT_EQ(-ENOTDIR, errno_of(mount(path, self->at, "passfs", 0, NULL)));
}

/* One file would have several names in the cache. */
TEST_F(mount, source_that_ignores_case)
{
	char folder[] = "/tmp/fat.XXXXXX", command[256];

	if (system("modprobe -q loop; modprobe -q vfat"))
		SKIP(return, "this kernel has no vfat");
	ASSERT_NE(NULL, mkdtemp(folder));
	snprintf(command, sizeof(command), "cd %s && mkdir m && truncate -s 4M i && busybox mkdosfs i && mount i m",
		 folder);
	ASSERT_EQ(0, system(command));
	snprintf(command, sizeof(command), "%s/m", folder);
	expect_failure(_metadata, command, EREMOTE, "does not tell names apart");
	EXPECT_EQ(0, umount(command));
	snprintf(command, sizeof(command), "rm -r %s", folder);
	EXPECT_EQ(0, system(command));
}

TEST_F(mount, source_through_symlink)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3000s/link", self->lower);
	ASSERT_EQ(0, symlink("/proc/self/cwd", path));
	ASSERT_EQ(0, chdir(self->lower));
	EXPECT_EQ(0, mount(path, self->at, "passfs", 0, NULL));
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, umount(self->at));
}

TEST_F(mount, unknown_option)
{
	int fs = fs_open();

	ASSERT_LE(0, fs);
	EXPECT_EQ(-EINVAL, errno_of(set_string(fs, "colour", "green")));
	EXPECT_NE(NULL, strstr(message(fs), "Unknown parameter 'colour'"));
	EXPECT_EQ(-EINVAL, errno_of(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "shiny", NULL, 0)));
	EXPECT_NE(NULL, strstr(message(fs), "Unknown parameter 'shiny'"));
	ASSERT_EQ(0, close(fs));
	EXPECT_EQ(-EINVAL, errno_of(mount(self->lower, self->at, "passfs", 0, "colour=green")));
}

TEST_F(mount, source_twice)
{
	int fs = fs_open();

	ASSERT_EQ(0, set_string(fs, "source", self->lower));
	EXPECT_EQ(-EINVAL, errno_of(set_string(fs, "source", self->lower)));
	ASSERT_EQ(0, close(fs));
}

/* A context that is given up before, or after, it made a super block. */
TEST_F(mount, given_up)
{
	int fs = fs_open(), mnt;

	ASSERT_EQ(0, set_string(fs, "source", self->lower));
	ASSERT_EQ(0, close(fs));

	fs = fs_open();
	ASSERT_EQ(0, set_string(fs, "source", self->lower));
	ASSERT_EQ(0, create(fs));
	ASSERT_EQ(0, close(fs));
	EXPECT_TRUE(refcount_becomes(self->used));

	fs = fs_open();
	ASSERT_EQ(0, set_string(fs, "source", self->lower));
	ASSERT_EQ(0, create(fs));
	mnt = syscall(SYS_fsmount, fs, 0, 0);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, close(fs));
	ASSERT_EQ(0, close(mnt));
}

TEST_F(mount, new_api)
{
	char path[PATH_MAX];
	int fs = fs_open(), mnt;

	ASSERT_EQ(0, set_string(fs, "source", self->lower));
	ASSERT_EQ(0, create(fs));
	EXPECT_EQ(-EBUSY, errno_of(create(fs)));
	mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, syscall(SYS_move_mount, mnt, "", AT_FDCWD, self->at, MOVE_MOUNT_F_EMPTY_PATH));
	ASSERT_EQ(0, close(fs));
	ASSERT_EQ(0, close(mnt));
	EXPECT_TRUE(refcount_becomes(self->used + 1));
	snprintf(path, sizeof(path), "%.3000s/f", self->at);
	make_file(_metadata, AT_FDCWD, path, 1000, 1);
	snprintf(path, sizeof(path), "%.3000s/f", self->lower);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, path, 1000, 1));
	EXPECT_EQ(0, umount(self->at));
}

/* Two layers, not three. */
TEST_F(mount, too_deep)
{
	char third[PATH_MAX];

	snprintf(third, sizeof(third), "%.3000s/third", self->lower);
	ASSERT_EQ(0, mkdir(third, 0755));
	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	ASSERT_EQ(0, mount(self->at, self->second, "passfs", 0, NULL));
	expect_failure(_metadata, self->second, EINVAL, "too deep");
	EXPECT_EQ(-EINVAL, errno_of(mount(self->second, third, "passfs", 0, NULL)));
	EXPECT_TRUE(refcount_becomes(self->used + 2));
	/* The first is in use by the second */
	EXPECT_EQ(-EBUSY, errno_of(umount(self->at)));
	EXPECT_EQ(0, umount(self->second));
	EXPECT_EQ(0, umount(self->at));
}

static bool mount_line(const char *at, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	bool found = false;

	while (!found && fgets(line, size, f))
		found = strstr(line, at);
	fclose(f);
	return found;
}

TEST_F(mount, shown)
{
	char line[4096], want[PATH_MAX];
	struct statfs below, st;

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", MS_NODEV | MS_NOATIME, NULL));
	ASSERT_TRUE(mount_line(self->at, line, sizeof(line)));
	snprintf(want, sizeof(want), " - passfs %.3000s rw", self->lower);
	EXPECT_NE(NULL, strstr(line, want)) TH_LOG("%s", line);
	EXPECT_NE(NULL, strstr(line, "nodev,noatime")) TH_LOG("%s", line);
	ASSERT_EQ(0, statfs(self->lower, &below));
	ASSERT_EQ(0, statfs(self->at, &st));
	EXPECT_EQ(0x50415353, st.f_type);
	EXPECT_EQ(below.f_bsize, st.f_bsize);
	EXPECT_EQ(below.f_blocks, st.f_blocks);
	EXPECT_EQ(below.f_namelen, st.f_namelen);
	EXPECT_EQ(0, umount(self->at));
}

/* Each way to change something gives EROFS, whichever of the three is read-only. */
static void expect_read_only(struct __test_metadata *const _metadata, const char *at)
{
	int d = open(at, O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, d);
	EXPECT_EQ(-EROFS, errno_of(openat(d, "f", O_WRONLY)));
	EXPECT_EQ(-EROFS, errno_of(openat(d, "f", O_RDONLY | O_TRUNC)));
	EXPECT_EQ(-EROFS, errno_of(openat(d, "new", O_RDWR | O_CREAT, 0644)));
	EXPECT_EQ(-EROFS, errno_of(mkdirat(d, "new", 0755)));
	EXPECT_EQ(-EROFS, errno_of(symlinkat("x", d, "new")));
	EXPECT_EQ(-EROFS, errno_of(mknodat(d, "new", S_IFIFO | 0644, 0)));
	EXPECT_EQ(-EROFS, errno_of(linkat(d, "f", d, "new", 0)));
	EXPECT_EQ(-EROFS, errno_of(unlinkat(d, "f", 0)));
	EXPECT_EQ(-EROFS, errno_of(renameat(d, "f", d, "new")));
	EXPECT_EQ(-EROFS, errno_of(fchmodat(d, "f", 0600, 0)));
	EXPECT_EQ(-EROFS, errno_of(utimensat(d, "f", NULL, 0)));
	EXPECT_EQ(-1, name_differs(d, "f", 100, 1));
	close(d);
}

TEST_F(mount, read_only)
{
	char f[PATH_MAX];
	int fd;

	snprintf(f, sizeof(f), "%.3000s/f", self->lower);
	make_file(_metadata, AT_FDCWD, f, 100, 1);
	snprintf(f, sizeof(f), "%.3000s/f", self->at);

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", MS_RDONLY, NULL));
	expect_read_only(_metadata, self->at);
	ASSERT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT, NULL));
	fd = open(f, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, errno_of(mount(NULL, self->at, NULL, MS_REMOUNT | MS_RDONLY, NULL)));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	expect_read_only(_metadata, self->at);
	EXPECT_EQ(0, umount(self->at));
}

TEST_F(mount, read_only_below)
{
	char f[PATH_MAX];
	int fd;

	snprintf(f, sizeof(f), "%.3000s/f", self->lower);
	make_file(_metadata, AT_FDCWD, f, 100, 1);
	snprintf(f, sizeof(f), "%.3000s/f", self->at);

	/* The mount that passfs uses is one of its own */
	ASSERT_EQ(0, mount(self->lower, self->second, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mount(self->second, self->at, "passfs", 0, NULL));
	fd = open(f, O_RDWR);
	ASSERT_LE(0, fd);
	/* B19 */
	EXPECT_EQ(-EBUSY, errno_of(mount(NULL, self->second, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, mount(NULL, self->second, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	expect_read_only(_metadata, self->at);
	EXPECT_EQ(0, umount(self->at));
	EXPECT_EQ(0, umount(self->second));
}

TEST_F(mount, remount_options)
{
	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	EXPECT_EQ(-EINVAL, errno_of(mount(NULL, self->at, NULL, MS_REMOUNT, "colour=green")));
	EXPECT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT | MS_NOATIME, NULL));
	EXPECT_EQ(0, umount(self->at));
}

static bool option_shown(const char *at, const char *option)
{
	char line[4096], *shown;

	if (!mount_line(at, line, sizeof(line)))
		return false;
	shown = strstr(line, " - passfs ");
	return shown && strstr(shown, option);
}

/* Typed: a wrong value, none at all, and another one while mounted are refused, each with its own words. */
TEST_F(mount, typed_option)
{
	static const char * const policies[] = { "lazy", "fill", "refuse", "trust" };
	char option[32], other[32];
	size_t i;
	int fs;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		snprintf(option, sizeof(option), "mmap=%s", policies[i]);
		ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, option));
		/* The default one is not shown */
		EXPECT_EQ(i != 0, option_shown(self->at, option)) TH_LOG("%s", option);
		EXPECT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT, option));
		snprintf(other, sizeof(other), "mmap=%s", policies[(i + 1) % ARRAY_SIZE(policies)]);
		EXPECT_EQ(-EINVAL, errno_of(mount(NULL, self->at, NULL, MS_REMOUNT, other)));
		EXPECT_EQ(i != 0, option_shown(self->at, option)) TH_LOG("%s", option);
		fs = syscall(SYS_fspick, AT_FDCWD, self->at, 0);
		ASSERT_LE(0, fs);
		ASSERT_EQ(0, set_string(fs, "mmap", other + strlen("mmap=")));
		EXPECT_EQ(-EINVAL, errno_of(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)));
		EXPECT_NE(NULL, strstr(message(fs), "option 'mmap' cannot be changed while mounted"));
		ASSERT_EQ(0, close(fs));
		EXPECT_EQ(0, umount(self->at));
	}
	fs = fs_open();
	EXPECT_EQ(-EINVAL, errno_of(set_string(fs, "mmap", "maybe")));
	EXPECT_NE(NULL, strstr(message(fs), "option 'mmap' cannot be 'maybe'"));
	EXPECT_EQ(-EINVAL, errno_of(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "mmap", NULL, 0)));
	EXPECT_NE(NULL, strstr(message(fs), "option 'mmap' needs a value"));
	ASSERT_EQ(0, close(fs));
	EXPECT_EQ(-EINVAL, errno_of(mount(self->lower, self->at, "passfs", 0, "mmap=maybe")));
}

/* overlayfs on top: it takes no filesystem for its upper layer whose names show the files below. */
static int mount_overlay(const char *on, const char *at)
{
	char options[4 * PATH_MAX];

	snprintf(options, sizeof(options), "lowerdir=%.2000s/l,upperdir=%.2000s/u,workdir=%.2000s/w", on, on, on);
	return mount("overlay", at, "overlay", 0, options) ? -errno : 0;
}

TEST_F(mount, overlay_upper)
{
	static const char * const dirs[] = { "l", "u", "w" };
	char path[PATH_MAX + 8];
	struct stat st;
	size_t i;
	int fd;

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", self->at, dirs[i]);
		ASSERT_EQ(0, mkdir(path, 0755));
	}
	EXPECT_EQ(-EINVAL, mount_overlay(self->at, self->second));
	EXPECT_EQ(-EINVAL, errno_of(mount(NULL, self->at, NULL, MS_REMOUNT, "overlay_upper")));
	EXPECT_FALSE(option_shown(self->at, "overlay_upper"));
	ASSERT_EQ(0, umount(self->at));

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, "overlay_upper"));
	EXPECT_TRUE(option_shown(self->at, "overlay_upper"));
	EXPECT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT, "overlay_upper"));
	EXPECT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT, NULL));
	EXPECT_TRUE(option_shown(self->at, "overlay_upper"));
	ASSERT_EQ(0, mount_overlay(self->at, self->second)) TH_LOG("%m");
	ASSERT_EQ(0, chdir(self->second));
	fd = must_open(AT_FDCWD, "f", O_RDWR | O_CREAT, 0600);
	EXPECT_EQ(3, write(fd, "abc", 3));
	close(fd);
	EXPECT_EQ(0, rename("f", "g"));
	snprintf(path, sizeof(path), "%.4000s/u/g", self->lower);
	EXPECT_EQ(0, stat(path, &st));
	EXPECT_EQ(3, st.st_size);
	EXPECT_EQ(0, unlink("g"));
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, umount(self->second));
	ASSERT_EQ(0, umount(self->at));
}

/* As people mount: mount(8), with a line of options. */
TEST_F(mount, command)
{
	char line[2 * PATH_MAX];

	snprintf(line, sizeof(line), "mount -t passfs -o ro,nosuid,nodev,mmap=refuse %.2000s %.2000s", self->lower,
		 self->at);
	ASSERT_EQ(0, system(line));
	EXPECT_TRUE(option_shown(self->at, "ro,mmap=refuse"));
	ASSERT_TRUE(mount_line(self->at, line, sizeof(line)));
	EXPECT_NE(NULL, strstr(line, " ro,nosuid,nodev,")) TH_LOG("%s", line);
	snprintf(line, sizeof(line), "cd %.2000s && mount -o remount,rw . && touch f", self->at);
	EXPECT_EQ(0, system(line));
	snprintf(line, sizeof(line), "cd %.2000s && mount -o remount,ro . && ! touch f", self->at);
	EXPECT_EQ(0, system(line));
	snprintf(line, sizeof(line), "umount %.2000s", self->at);
	EXPECT_EQ(0, system(line));
}

/* An open file, a mapping, a current folder: each keeps the mount. */
TEST_F(mount, busy)
{
	char f[PATH_MAX];
	void *map;
	int fd;

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	snprintf(f, sizeof(f), "%.3000s/f", self->at);
	make_file(_metadata, AT_FDCWD, f, 4096, 1);
	fd = open(f, O_RDWR);
	EXPECT_EQ(-EBUSY, errno_of(umount(self->at)));
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EBUSY, errno_of(umount(self->at)));
	ASSERT_EQ(0, munmap(map, 4096));
	ASSERT_EQ(0, chdir(self->at));
	EXPECT_EQ(-EBUSY, errno_of(umount(self->at)));
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, umount(self->at));
}

/* Detached while in use: it works on, and goes when the last user does. */
TEST_F(mount, detached)
{
	char f[PATH_MAX], buf[8];
	char *map;
	int fd;

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	snprintf(f, sizeof(f), "%.3000s/f", self->at);
	make_file(_metadata, AT_FDCWD, f, 4096, 1);
	fd = open(f, O_RDWR);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	ASSERT_EQ(0, umount2(self->at, MNT_DETACH));
	EXPECT_EQ(3, pwrite(fd, "abc", 3, 0));
	EXPECT_EQ(3, pread(fd, buf, 3, 0));
	EXPECT_EQ('c', map[2]);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ('c', map[2]);
	EXPECT_TRUE(refcount_becomes(self->used + 1)) TH_LOG("%ld", refcount("passfs"));
	ASSERT_EQ(0, munmap(map, 4096));
}

/* The same folder twice, and a folder inside of another: two views of one filesystem. */
TEST_F(mount, two_instances)
{
	char a[PATH_MAX], b[PATH_MAX];

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	ASSERT_EQ(0, mount(self->lower, self->second, "passfs", 0, NULL));
	snprintf(a, sizeof(a), "%.3000s/f", self->at);
	snprintf(b, sizeof(b), "%.3000s/f", self->second);
	make_file(_metadata, AT_FDCWD, a, 100, 1);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, b, 100, 1));
	ASSERT_EQ(0, unlink(b));
	EXPECT_EQ(-ENOENT, errno_of(open(a, O_RDONLY)));
	EXPECT_EQ(0, umount(self->second));
	EXPECT_EQ(0, umount(self->at));
}

/* Mounted on the folder it passes through. */
TEST_F(mount, on_itself)
{
	char f[PATH_MAX];

	snprintf(f, sizeof(f), "%.3000s/f", self->lower);
	make_file(_metadata, AT_FDCWD, f, 100, 1);
	ASSERT_EQ(0, mount(self->lower, self->lower, "passfs", 0, NULL));
	EXPECT_EQ(-1, name_differs(AT_FDCWD, f, 100, 1));
	ASSERT_EQ(0, unlink(f));
	EXPECT_EQ(0, umount(self->lower));
	EXPECT_EQ(-ENOENT, errno_of(open(f, O_RDONLY)));
}

TEST_F(mount, needs_privilege)
{
	EXPECT_EQ(EPERM, as_user(NOBODY, mount(self->lower, self->at, "passfs", 0, NULL)));
	EXPECT_EQ(EPERM, as_user(NOBODY, fs_open()));
}

/* Who a program with the set-user-id bit runs as, if nobody starts it. */
static int runs_as(const char *program)
{
	char command[PATH_MAX + 16];
	int uid = -1;
	FILE *f;

	snprintf(command, sizeof(command), "setpriv --reuid=%d --regid=%d --clear-groups %.3000s -u", NOBODY, NOBODY,
		 program);
	f = popen(command, "r");
	if (!f || fscanf(f, "%d", &uid) != 1)
		uid = -1;
	pclose(f);
	return uid;
}

TEST_F(mount, nosuid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "cp /usr/bin/id %.2000s/id && chmod 4755 %.2000s/id", self->lower, self->lower);
	ASSERT_EQ(0, system(path));
	snprintf(path, sizeof(path), "%.3000s/id", self->at);
	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	EXPECT_EQ(0, runs_as(path));
	ASSERT_EQ(0, mount(NULL, self->at, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL));
	EXPECT_EQ(NOBODY, runs_as(path));
	EXPECT_EQ(0, umount(self->at));
}

/* What the mount forbids, whatever the files are. */
TEST_F(mount, flags)
{
	struct timespec old = { .tv_sec = 1000 };
	char f[PATH_MAX], dev[PATH_MAX], cmd[2 * PATH_MAX];
	struct stat st;
	char c;
	int fd;

	snprintf(f, sizeof(f), "%.3000s/cat", self->at);
	snprintf(dev, sizeof(dev), "%.3000s/null", self->at);
	snprintf(cmd, sizeof(cmd), "cp /bin/cat %.2000s/cat && chmod 4755 %.2000s/cat", self->lower, self->lower);
	ASSERT_EQ(0, system(cmd));
	snprintf(cmd, sizeof(cmd), "%.3000s/null", self->lower);
	ASSERT_EQ(0, mknod(cmd, S_IFCHR | 0666, makedev(1, 3)));
	snprintf(cmd, sizeof(cmd), "%.3000s </dev/null", f);

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	EXPECT_EQ(0, system(cmd));
	fd = open(dev, O_RDWR);
	EXPECT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, umount(self->at));

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", MS_NOEXEC | MS_NODEV | MS_NOATIME | MS_NOSUID, NULL));
	EXPECT_EQ(126, WEXITSTATUS(system(cmd)));
	EXPECT_EQ(-EACCES, errno_of(open(dev, O_RDWR)));
	/* A mapping to execute is execution */
	fd = open(f, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, futimens(fd, (struct timespec[]){ old, { .tv_nsec = UTIME_OMIT } }));
	EXPECT_EQ(1, read(fd, &c, 1));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(old.tv_sec, st.st_atime);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, umount(self->at));
}

/* A part of it, mounted elsewhere: one filesystem, but names do not move between mounts. */
TEST_F(mount, bind)
{
	char a[PATH_MAX], b[PATH_MAX];
	struct stat sa, sb;

	ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
	snprintf(a, sizeof(a), "%.3000s/d", self->at);
	ASSERT_EQ(0, mkdir(a, 0755));
	ASSERT_EQ(0, mount(a, self->second, NULL, MS_BIND, NULL));
	snprintf(a, sizeof(a), "%.3000s/d/f", self->at);
	snprintf(b, sizeof(b), "%.3000s/f", self->second);
	make_file(_metadata, AT_FDCWD, b, 100, 1);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, a, 100, 1));
	ASSERT_EQ(0, stat(a, &sa));
	ASSERT_EQ(0, stat(b, &sb));
	EXPECT_EQ(sa.st_ino, sb.st_ino);
	EXPECT_EQ(sa.st_dev, sb.st_dev);
	EXPECT_EQ(-EXDEV, errno_of(rename(b, a)));
	snprintf(a, sizeof(a), "%.3000s/d/l", self->at);
	EXPECT_EQ(-EXDEV, errno_of(link(b, a)));
	snprintf(a, sizeof(a), "%.3000s/d/f", self->at);
	ASSERT_EQ(0, mount(NULL, self->second, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	EXPECT_EQ(-EROFS, errno_of(unlink(b)));
	EXPECT_EQ(0, unlink(a));
	/* The removal of a mount point, and of what is mounted */
	snprintf(a, sizeof(a), "%.3000s/d", self->at);
	EXPECT_EQ(0, rmdir(a));
	EXPECT_EQ(-ENOENT, errno_of(open(b, O_RDONLY)));
	EXPECT_EQ(0, umount(self->second));
	EXPECT_EQ(0, umount(self->at));
}

/*
 * In a user namespace it cannot be mounted: all access below is with the mounter's credentials, and nothing checks that
 * the owner of a namespace is privileged over every file under a folder he can name.
 */
TEST_F(mount, not_in_user_namespace)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int fs;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(255);
		fs = fs_open();
		if (fs < 0 || set_string(fs, "source", self->lower))
			_exit(254);
		_exit(create(fs) ? errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
}

/*
 * A mount with other ids than its filesystem is no source; one that gets them later, which only one that is not
 * attached anywhere can, shows the owners as it does itself.
 */
TEST_F(mount, idmapped_source)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	char f[PATH_MAX], source[64], path[64], c;
	int tree, hold[2], ready[2], m;
	struct stat st, below;
	pid_t pid;

	snprintf(f, sizeof(f), "%.3000s/f", self->lower);
	make_file(_metadata, AT_FDCWD, f, 100, 1);
	ASSERT_EQ(0, pipe(hold));
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		close(hold[1]);
		if (unshare(CLONE_NEWUSER) || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &c, 1));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	for (const char **map = (const char *[]){ "uid_map", "gid_map", NULL }; *map; map++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, *map);
		m = open(path, O_WRONLY);
		ASSERT_LT(0, dprintf(m, "0 5000 100\n"));
		ASSERT_EQ(0, close(m));
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	attr.userns_fd = open(path, O_RDONLY);
	ASSERT_LE(0, (int)attr.userns_fd);
	close(hold[1]);
	waitpid(pid, NULL, 0);

	tree = syscall(SYS_open_tree, AT_FDCWD, self->lower, OPEN_TREE_CLONE);
	ASSERT_LE(0, tree);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", tree);
	ASSERT_EQ(0, mount(source, self->at, "passfs", 0, NULL));
	snprintf(f, sizeof(f), "%.3000s/f", self->at);
	ASSERT_EQ(0, stat(f, &st));
	EXPECT_EQ(0, st.st_uid);
	ASSERT_EQ(0, syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr))) TH_LOG("%m");
	expect_failure(_metadata, source, EINVAL, "is on an idmapped mount");
	ASSERT_EQ(0, fstatat(tree, "f", &below, 0));
	EXPECT_EQ(5000, below.st_uid);
	ASSERT_EQ(0, stat(f, &st));
	EXPECT_EQ(5000, st.st_uid);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, f, 100, 1));
	EXPECT_EQ(0, umount(self->at));
	ASSERT_EQ(0, close(tree));
}

TEST_F(mount, modules)
{
	char line[256];
	FILE *f = popen("lsmod | sed -n 's/^backing_file  *[0-9]* *//p'", "r");

	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	pclose(f);
	EXPECT_STREQ("1 passfs\n", line);
	EXPECT_EQ(-EWOULDBLOCK, errno_of(syscall(SYS_delete_module, "backing_file", O_NONBLOCK)));
	EXPECT_EQ(-EWOULDBLOCK, errno_of(syscall(SYS_delete_module, "passfs", O_NONBLOCK)));
}

/* Mounted and unmounted many times, used in between. */
TEST_F(mount, many_times)
{
	char f[PATH_MAX];
	int i;

	snprintf(f, sizeof(f), "%.3000s/f", self->at);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, mount(self->lower, self->at, "passfs", 0, NULL));
		make_file(_metadata, AT_FDCWD, f, 100, i);
		ASSERT_EQ(0, umount(self->at));
	}
}

TEST_HARNESS_MAIN
