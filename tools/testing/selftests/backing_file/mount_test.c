// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of mounting: bad input gives the right errno and a message that can be read from the fs context; what fails
 * leaves nothing behind; a mount in use is busy; when all is unmounted the modules' use counts are what they were. Of
 * options and flags: mount_options_test.c.
 */
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "place.h"
#include "mount.h"

static int create(int fs)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
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
