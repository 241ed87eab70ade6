// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of mount options and flags: what is unknown, wrong or cannot be changed is refused in words; the mount shows
 * its options; read-only means read-only, noexec no execution, and so on.
 */
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "place.h"
#include "mount.h"

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

TEST_HARNESS_MAIN
