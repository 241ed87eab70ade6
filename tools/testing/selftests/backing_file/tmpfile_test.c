// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of O_TMPFILE: a file without a name, of the right owner and mode, that can be given one; that is shown with
 * the outermost path, device and inode; that counts as a writer of every mount on the way down, until it is closed.
 *
 * Bugs of the C code guarded here: B19 (writer not counted in the mount below), B23 (a nested temporary file was shown
 * with an inner path).
 */
#include <sys/mman.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(tmpfile);

static int tmpfile_at(int dir, int flags, mode_t mode)
{
	return openat(dir, ".", O_TMPFILE | flags, mode);
}

static int link_fd(int fd, int dir, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW);
}

static int names_in(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

TEST_F(tmpfile, write_and_link)
{
	int fd = tmpfile_at(self->dir, O_RDWR, 0640);
	char buf[10000];
	struct stat st;

	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(0, names_in(self->dir));
	EXPECT_EQ(0, names_in(self->under));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	fill(buf, sizeof(buf), 0, 1);
	ASSERT_EQ((int)sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_EQ(0, link_fd(fd, self->dir, "f"));
	EXPECT_EQ(-EEXIST, errno_of(link_fd(fd, self->dir, "f")));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(1, st.st_nlink);
	expect_content("f", 10000, 1);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 0));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, name_differs(self->under, "f", 10000, 1)) TH_LOG("it is the same file");
}

TEST_F(tmpfile, gone_after_close)
{
	int fd = tmpfile_at(self->dir, O_RDWR, 0600);
	struct statfs before, after;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, MIB));
	ASSERT_EQ(0, fstatfs(fd, &before));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, fstatfs(self->dir, &after));
	EXPECT_EQ(0, names_in(self->under));
	EXPECT_EQ(before.f_type, after.f_type);
}

TEST_F(tmpfile, exclusive)
{
	int fd = tmpfile_at(self->dir, O_RDWR | O_EXCL, 0600);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOENT, errno_of(link_fd(fd, self->dir, "f")));
	EXPECT_EQ(0, names_in(self->under));
}

TEST_F(tmpfile, errors)
{
	EXPECT_EQ(-EINVAL, errno_of(tmpfile_at(self->dir, O_RDONLY, 0600)));
	make_file(_metadata, self->dir, "f", 10, 1);
	EXPECT_EQ(-ENOTDIR, errno_of(openat(self->dir, "f", O_TMPFILE | O_RDWR, 0600)));
	EXPECT_EQ(-ENOENT, errno_of(openat(self->dir, "x", O_TMPFILE | O_RDWR, 0600)));
	EXPECT_EQ(EACCES, as_user(NOBODY, tmpfile_at(self->dir, O_RDWR, 0600)));
	if (set_flag(self->under, ".", FS_IMMUTABLE_FL, true) == 0) {
		EXPECT_EQ(-EPERM, errno_of(unlinkat(self->dir, "f", 0)));
		ASSERT_EQ(0, set_flag(self->under, ".", FS_IMMUTABLE_FL, false));
	}
}

static int owned_by_user(int dir, int under)
{
	int fd = tmpfile_at(dir, O_RDWR, 0666);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	errno = ECHILD;
	if (st.st_uid != NOBODY || st.st_gid != NOBODY || (st.st_mode & 07777) != 0640)
		return -1;
	return link_fd(fd, dir, "f");
}

/* Made on behalf of the mounter, it belongs to who asked. */
TEST_F(tmpfile, owner_and_umask)
{
	struct stat st;

	ASSERT_EQ(0, fchmod(self->under, 0777));
	ASSERT_EQ(0, fchmod(self->dir, 0777));
	umask(027);
	EXPECT_EQ(0, as_user(NOBODY, owned_by_user(self->dir, self->under)));
	umask(022);
	ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
	EXPECT_EQ(NOBODY, st.st_uid);
	EXPECT_EQ(NOBODY, st.st_gid);
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
}

TEST_F(tmpfile, append_and_direct)
{
	int fd = tmpfile_at(self->dir, O_RDWR | O_APPEND, 0600);
	char *buf;

	ASSERT_LE(0, fd);
	ASSERT_EQ(3, pwrite(fd, "abc", 3, 0));
	ASSERT_EQ(3, pwrite(fd, "def", 3, 0));
	EXPECT_EQ(6, lseek(fd, 0, SEEK_END));
	ASSERT_EQ(0, close(fd));

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 4096));
	fill(buf, 4096, 0, 1);
	fd = tmpfile_at(self->dir, O_RDWR | O_DIRECT, 0600);
	ASSERT_LE(0, fd) TH_LOG("%m");
	EXPECT_EQ(4096, pwrite(fd, buf, 4096, 4096));
	EXPECT_EQ(8192, lseek(fd, 0, SEEK_END));
	memset(buf, 0, 4096);
	EXPECT_EQ(4096, pread(fd, buf, 4096, 4096));
	ASSERT_EQ(0, link_fd(fd, self->dir, "f"));
	EXPECT_EQ(8192, size_of(self->under, "f"));
	free(buf);
}

/* B23: in /proc/self/maps it is what it is in /proc/self/fd. */
TEST_F(tmpfile, shown_in_maps)
{
	char link[64], want[PATH_MAX] = "", line[PATH_MAX + 200], name[PATH_MAX];
	int fd = tmpfile_at(self->dir, O_RDWR, 0600);
	unsigned int maj, min;
	unsigned long ino;
	bool found = false;
	struct stat st;
	void *map;
	FILE *f;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4096));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fstat(fd, &st));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ASSERT_LT(0, readlink(link, want, sizeof(want) - 1));
	EXPECT_EQ(0, strncmp(want, self->place.path, strlen(self->place.path))) TH_LOG("%s", want);

	f = fopen("/proc/self/maps", "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start;

		if (sscanf(line, "%lx-%*x %*s %*x %x:%x %lu %4095[^\n]", &start, &maj, &min, &ino, name) != 5 ||
		    start != (unsigned long)map)
			continue;
		found = true;
		EXPECT_STREQ(want, name);
		EXPECT_EQ(st.st_ino, ino);
		/* As in mmap_test */
		if (!fs_is("btrfs") || variant->layers != DIRECT) {
			EXPECT_EQ(st.st_dev, makedev(maj, min));
		}
	}
	fclose(f);
	EXPECT_TRUE(found);
}

TEST_F(tmpfile, mapped)
{
	int fd = tmpfile_at(self->dir, O_RDWR, 0600);
	char *map, buf[4];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 8192));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	memcpy(map + 5000, "abcd", 4);
	ASSERT_EQ(4, pread(fd, buf, 4, 5000));
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
	ASSERT_EQ(0, link_fd(fd, self->dir, "f"));
	ASSERT_EQ(0, close(fd));
	map[5000] = 'X';
	fd = must_open(self->under, "f", O_RDONLY);
	ASSERT_EQ(4, pread(fd, buf, 4, 5000));
	EXPECT_EQ(0, memcmp(buf, "Xbcd", 4));
}

/* Mounts of this test's own: those of the others have writers of their own. */
static void try_remounts(struct __test_metadata *const _metadata, char (*at)[128], int layers, int want)
{
	int i;

	for (i = 0; i <= layers; i++) {
		EXPECT_EQ(want, errno_of(mount(NULL, at[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)))
			TH_LOG("mount %d of %d", i, layers);
		if (!want) {
			ASSERT_EQ(0, mount(NULL, at[i], NULL, MS_REMOUNT | MS_BIND, NULL));
		}
	}
}

/* B19, for each mount from the outermost to the backing filesystem's; twice, so that a count lost shows. */
TEST_F(tmpfile, counted_as_writer)
{
	int layers = variant->layers, i, round, fd, dir;
	char at[3][128];
	void *map;

	for (i = 0; i <= layers; i++) {
		snprintf(at[i], sizeof(at[i]), "/tmp/writer.%d.%d", getpid(), i);
		ASSERT_EQ(0, mkdir(at[i], 0755));
		if (i == 0) {
			ASSERT_EQ(0, mount(self->place.under_path, at[i], NULL, MS_BIND, NULL));
		} else {
			ASSERT_EQ(0, mount(at[i - 1], at[i], "passfs", 0, NULL)) TH_LOG("%m");
		}
	}
	dir = open(at[layers], O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, dir);
	try_remounts(_metadata, at, layers, 0);
	for (round = 0; round < 2; round++) {
		fd = tmpfile_at(dir, O_RDWR, 0600);
		ASSERT_LE(0, fd) TH_LOG("%m");
		try_remounts(_metadata, at, layers, -EBUSY);
		ASSERT_EQ(0, ftruncate(fd, 4096));
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		ASSERT_EQ(0, close(fd));
		/* The mapping holds the innermost file, whose user path is the outermost: both mounts */
		EXPECT_EQ(-EBUSY, errno_of(mount(NULL, at[layers], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
		EXPECT_EQ(-EBUSY, errno_of(mount(NULL, at[0], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
		ASSERT_EQ(0, munmap(map, 4096));
		try_remounts(_metadata, at, layers, 0);
	}
	ASSERT_EQ(0, mount(NULL, at[0], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	EXPECT_EQ(-EROFS, errno_of(tmpfile_at(dir, O_RDWR, 0600)));
	close(dir);
	for (i = layers; i >= 0; i--) {
		EXPECT_EQ(0, umount(at[i])) TH_LOG("%m");
		rmdir(at[i]);
	}
}

TEST_HARNESS_MAIN
