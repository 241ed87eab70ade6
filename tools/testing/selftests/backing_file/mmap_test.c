// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of mmap: the pages are the backing file's, coherent with reads and writes through the stack and below it;
 * /proc tells of the outermost file; what the backing file refuses, the stack refuses.
 *
 * Bugs of the C code guarded here: B6 (nested stacks showed an inner path in /proc/PID/maps), B13 (shared mapping of an
 * append-only file).
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(mmap);

#define LEN (64 * KIB)

static void *must_map(struct __test_metadata *const _metadata, int fd, size_t len, int prot, int flags, off_t at)
{
	void *map = mmap(NULL, len, prot, flags, fd, at);

	ASSERT_NE(MAP_FAILED, map) TH_LOG("%m");
	return map;
}

static off_t memory_differs(const char *map, size_t len, off_t pos, unsigned int seed)
{
	char *want = malloc(len);
	off_t ret = -1;
	size_t i;

	fill(want, len, pos, seed);
	for (i = 0; i < len && ret < 0; i++)
		if (map[i] != want[i])
			ret = i;
	free(want);
	return ret;
}

TEST_F(mmap, private_read)
{
	char *map;

	make_file(_metadata, self->dir, "f", LEN, 1);
	map = must_map(_metadata, must_open(self->dir, "f", O_RDONLY), LEN, PROT_READ, MAP_PRIVATE, 0);
	EXPECT_EQ(-1, memory_differs(map, LEN, 0, 1));
	EXPECT_EQ(0, munmap(map, LEN));
}

TEST_F(mmap, private_write_stays_private)
{
	char *map;

	make_file(_metadata, self->dir, "f", LEN, 1);
	map = must_map(_metadata, must_open(self->dir, "f", O_RDONLY), LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	memset(map, 'x', LEN);
	expect_content("f", LEN, 1);
}

/* Four views of one page cache. */
TEST_F(mmap, coherent)
{
	int fd, below;
	char *map, *map_below, buf[100];

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	below = must_open(self->under, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	map_below = must_map(_metadata, below, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);

	memset(map + 5000, 'a', 100);
	ASSERT_EQ(100, pread(fd, buf, 100, 5000));
	EXPECT_EQ('a', buf[99]);
	ASSERT_EQ(100, pread(below, buf, 100, 5000));
	EXPECT_EQ('a', buf[99]);
	EXPECT_EQ('a', map_below[5099]);

	ASSERT_EQ(3, pwrite(fd, "bbb", 3, 5000));
	EXPECT_EQ('b', map[5000]);
	EXPECT_EQ('b', map_below[5002]);
	ASSERT_EQ(3, pwrite(below, "ccc", 3, 5000));
	EXPECT_EQ('c', map[5000]);
	map_below[5000] = 'd';
	EXPECT_EQ('d', map[5000]);
	ASSERT_EQ(1, pread(fd, buf, 1, 5000));
	EXPECT_EQ('d', buf[0]);
}

TEST_F(mmap, offset)
{
	char *map;

	make_file(_metadata, self->dir, "f", 10 * LEN, 1);
	map = must_map(_metadata, must_open(self->dir, "f", O_RDONLY), LEN, PROT_READ, MAP_SHARED, 3 * LEN);
	EXPECT_EQ(-1, memory_differs(map, LEN, 3 * LEN, 1));
}

TEST_F(mmap, written_after_close_and_sync)
{
	int fd;
	char *map;

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	ASSERT_EQ(0, close(fd));
	fill(map, LEN, 0, 2);
	EXPECT_EQ(0, msync(map, LEN, MS_SYNC));
	EXPECT_EQ(0, msync(map, LEN, MS_ASYNC));
	EXPECT_EQ(0, munmap(map, LEN));
	expect_content("f", LEN, 2);
}

TEST_F(mmap, unlinked_file)
{
	char *map;

	make_file(_metadata, self->dir, "f", LEN, 1);
	map = must_map(_metadata, must_open(self->dir, "f", O_RDWR), LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	EXPECT_EQ(-1, memory_differs(map, LEN, 0, 1));
	memset(map, 'x', LEN);
	EXPECT_EQ('x', map[LEN - 1]);
}

/* The time of the mapped write is the file's. */
TEST_F(mmap, changes_mtime)
{
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	struct stat st, below;
	char *map;
	int fd;

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, futimens(fd, old));
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	map[0] = 'x';
	ASSERT_EQ(0, msync(map, LEN, MS_SYNC));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fstatat(self->under, "f", &below, 0));
	EXPECT_LT(1500000000, st.st_mtime);
	EXPECT_EQ(below.st_mtime, st.st_mtime);
}

TEST_F(mmap, protections)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][10];

	for (w = 0; w < 2; w++) {
		int ro, wo, rw;
		char *map;

		make_file(_metadata, at[w], "f", LEN, 1);
		ro = must_open(at[w], "f", O_RDONLY);
		wo = must_open(at[w], "f", O_WRONLY);
		rw = must_open(at[w], "f", O_RDWR);
#define MAP(prot, flags, fd) (map = mmap(NULL, LEN, prot, flags, fd, 0), map == MAP_FAILED ? -errno : 0)
		ret[w][0] = MAP(PROT_READ, MAP_SHARED, wo);
		ret[w][1] = MAP(PROT_WRITE, MAP_SHARED, wo);
		ret[w][2] = MAP(PROT_READ | PROT_WRITE, MAP_SHARED, ro);
		ret[w][3] = MAP(PROT_READ, MAP_SHARED, at[w]);
		ret[w][4] = MAP(PROT_READ, MAP_SHARED, ro);
		ret[w][5] = errno_of(mprotect(map, LEN, PROT_READ | PROT_WRITE));
		ret[w][6] = MAP(PROT_READ, MAP_SHARED, rw);
		ret[w][7] = errno_of(mprotect(map, LEN, PROT_READ | PROT_WRITE));
		ret[w][8] = errno_of(mprotect(map, LEN, PROT_READ | PROT_EXEC));
		ret[w][9] = MAP(PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, rw);
#undef MAP
	}
	EXPECT_EQ(-EACCES, ret[1][0]);
	EXPECT_EQ(-EACCES, ret[1][2]);
	EXPECT_EQ(-ENODEV, ret[1][3]);
	EXPECT_EQ(-EACCES, ret[1][5]);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

/* mov $42, %eax; ret */
static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

TEST_F(mmap, exec)
{
	int fd = must_open(self->dir, "f", O_RDWR | O_CREAT, 0755);
	int (*call)(void);

	ASSERT_EQ(6, write(fd, code, 6));
	call = must_map(_metadata, fd, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	EXPECT_EQ(42, call());
	/* mapped for reading, then made executable */
	call = must_map(_metadata, fd, 4096, PROT_READ, MAP_PRIVATE, 0);
	ASSERT_EQ(0, mprotect(call, 4096, PROT_READ | PROT_EXEC));
	EXPECT_EQ(42, call());
}

TEST_F(mmap, execve)
{
	int in = open("/bin/true", O_RDONLY), out = must_open(self->dir, "true", O_WRONLY | O_CREAT, 0755), status;
	char *const argv[] = { "true", NULL }, *const envp[] = { NULL };

	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	ASSERT_EQ(0, close(out));
	if (!fork()) {
		execveat(self->dir, "true", argv, envp, 0);
		_exit(100);
	}
	wait(&status);
	EXPECT_EQ(0, status);
}

/* A program being executed cannot be written to, and the other way round. */
TEST_F(mmap, text_busy)
{
	int at[2] = { self->plain, self->dir }, w, i;
	long ret[2][4];

	for (w = 0; w < 2; w++) {
		int in = open("/bin/sleep", O_RDONLY), out = must_open(at[w], "sleep", O_WRONLY | O_CREAT, 0755);
		char *const argv[] = { "sleep", "20", NULL }, *const envp[] = { NULL };
		char c, path[64];
		int ready[2], status;
		pid_t pid;

		while (sendfile(out, in, NULL, 1 << 20) > 0)
			;
		pid = fork();
		if (!pid)
			_exit(execveat(at[w], "sleep", argv, envp, 0) ? errno : 0);
		waitpid(pid, &status, 0);
		ret[w][0] = WEXITSTATUS(status);
		ASSERT_EQ(0, close(out));

		ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
		pid = fork();
		if (!pid) {
			close(out);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execveat(at[w], "sleep", argv, envp, 0);
			_exit(100);
		}
		close(ready[1]);
		/* The end of the pipe says that the exec has happened */
		ASSERT_EQ(0, read(ready[0], &c, 1));
		ret[w][1] = errno_of(openat(at[w], "sleep", O_WRONLY));
		ret[w][2] = errno_of(openat(at[w], "sleep", O_RDONLY | O_TRUNC));
		snprintf(path, sizeof(path), "/proc/self/fd/%d/sleep", at[w]);
		ret[w][3] = errno_of(truncate(path, 0));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	EXPECT_EQ(ETXTBSY, ret[1][0]);
	EXPECT_EQ(-ETXTBSY, ret[1][1]);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

TEST_F(mmap, noexec_mount)
{
	int fd;

	if (variant->layers == DIRECT)
		snprintf(self->place.top, sizeof(self->place.top), "%s", self->place.root);
	else if (variant->layers == STACK)
		snprintf(self->place.top, sizeof(self->place.top), "%s", getenv("BF_STACK"));
	make_file(_metadata, self->dir, "f", 4096, 1);
	ASSERT_EQ(0, mount(NULL, self->place.top, NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
	fd = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EPERM, errno);
}

static sigjmp_buf jump;

static void on_bus(int sig)
{
	siglongjmp(jump, 1);
}

TEST_F(mmap, truncated_file)
{
	static bool bus;
	char *map;
	int fd;

	signal(SIGBUS, on_bus);
	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, 2 * LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	EXPECT_EQ(-1, memory_differs(map, LEN, 0, 1));
	ASSERT_EQ(0, ftruncate(fd, 5000));
	EXPECT_EQ(0, map[5001]);
	if (!sigsetjmp(jump, 1))
		map[8192] = 1;
	else
		bus = true;
	EXPECT_TRUE(bus);
	/* Longer again: what is behind the old end is zero, through the mapping too */
	ASSERT_EQ(0, ftruncate(fd, LEN + 4096));
	EXPECT_EQ(0, map[8192]);
	map[LEN] = 'x';
	EXPECT_EQ(LEN + 4096, size_of(self->under, "f"));
}

TEST_F(mmap, append_only)
{
	int at[2] = { self->plain, self->dir }, down[2] = { self->plain, self->under }, w, i;
	long ret[2][4];

	for (w = 0; w < 2; w++) {
		int before, fd, ro;

		make_file(_metadata, at[w], "f", LEN, 1);
		before = must_open(at[w], "f", O_RDWR);
		ASSERT_EQ(0, set_flag(down[w], "f", FS_APPEND_FL, true)) TH_LOG("%m");
#define MAP(prot, flags, fd) (mmap(NULL, LEN, prot, flags, fd, 0) == MAP_FAILED ? -errno : 0)
		/* B13: opened before it became append-only, and nothing since that tells the stacked inode */
		ret[w][3] = MAP(PROT_READ | PROT_WRITE, MAP_SHARED, before);
		fd = must_open(at[w], "f", O_RDWR | O_APPEND);
		ro = must_open(at[w], "f", O_RDONLY);
		ret[w][0] = MAP(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
		ret[w][1] = MAP(PROT_READ, MAP_SHARED, ro);
		ret[w][2] = MAP(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
#undef MAP
		ASSERT_EQ(0, set_flag(down[w], "f", FS_APPEND_FL, false));
	}
	EXPECT_EQ(-EACCES, ret[1][0]);
	EXPECT_EQ(0, ret[1][1]);
	EXPECT_EQ(-EACCES, ret[1][3]);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
	}
}

TEST_F(mmap, remap_and_fork)
{
	char *map, *moved;
	int status, fd;

	make_file(_metadata, self->dir, "f", 2 * LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	close(fd);
	moved = mremap(map, LEN, 2 * LEN, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ(-1, memory_differs(moved, 2 * LEN, 0, 1));
	if (!fork()) {
		memset(moved + LEN, 'c', 100);
		_exit(0);
	}
	wait(&status);
	EXPECT_EQ('c', moved[LEN + 99]);
	ASSERT_EQ(0, munmap(moved + 4096, 4096));
	EXPECT_EQ('c', moved[LEN]);
	/* A second address of the same pages */
	map = mremap(moved + LEN, 0, 4096, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ('c', map[99]);
}

TEST_F(mmap, advice_and_locks)
{
	unsigned char in[16];
	char *map;
	int fd;

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 0);
	EXPECT_EQ(0, mincore(map, LEN, in));
	EXPECT_EQ(1, in[0] & 1);
	EXPECT_EQ(0, madvise(map, LEN, MADV_WILLNEED));
	EXPECT_EQ(0, madvise(map, LEN, MADV_SEQUENTIAL));
	EXPECT_EQ(0, mlock(map, LEN));
	EXPECT_EQ(0, munlock(map, LEN));
	EXPECT_EQ(0, madvise(map, LEN, MADV_DONTNEED));
	EXPECT_EQ(-1, memory_differs(map, LEN, 0, 1));
	/* Punching a hole through the mapping is fallocate of the user file */
	EXPECT_EQ(0, errno_of(madvise(map + 8192, 8192, MADV_REMOVE)));
	EXPECT_EQ(0, map[8192]);
	EXPECT_EQ(-1, memory_differs(map, 8192, 0, 1));
}

/* The line of /proc/self/maps with the mapping: device, inode and name. */
static bool maps_line(void *map, unsigned int *maj, unsigned int *min, unsigned long *ino, char *name)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[PATH_MAX + 100];
	bool found = false;

	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long start;
		int n = 0;

		if (sscanf(line, "%lx-%*x %*s %*x %x:%x %lu %n", &start, maj, min, ino, &n) < 4 ||
		    start != (unsigned long)map)
			continue;
		line[strcspn(line, "\n")] = 0;
		strcpy(name, line + n);
		found = true;
	}
	fclose(f);
	return found;
}

/* B6: path, device and inode number are those of the file that was opened, whatever is below. */
TEST_F(mmap, proc_maps)
{
	char name[PATH_MAX + 100], want[PATH_MAX], link[100], target[PATH_MAX] = "";
	unsigned int maj, min;
	unsigned long ino;
	struct stat st;
	char *map;
	int fd;

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_TRUE(maps_line(map, &maj, &min, &ino, name));
	snprintf(want, sizeof(want), "%.3000s/f", self->place.path);
	EXPECT_STREQ(want, name);
	EXPECT_EQ(st.st_ino, ino);
	/* Of btrfs, stat gives the subvolume's number, maps the super block's: compare with what stat gives there */
	if (!fs_is("btrfs") || variant->layers != DIRECT) {
		EXPECT_EQ(st.st_dev, makedev(maj, min));
	}

	snprintf(link, sizeof(link), "/proc/self/map_files/%lx-%lx", (long)map, (long)map + LEN);
	ASSERT_LT(0, readlink(link, target, sizeof(target) - 1));
	EXPECT_STREQ(want, target);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	memset(target, 0, sizeof(target));
	ASSERT_LT(0, readlink(link, target, sizeof(target) - 1));
	EXPECT_STREQ(want, target);
}

TEST_F(mmap, proc_fdinfo)
{
	unsigned long long ino = 0, value;
	char path[64], line[256];
	struct stat st;
	int fd, mnt = 0;
	struct statx stx;
	FILE *f;

	make_file(_metadata, self->dir, "f", 100, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx));
	ASSERT_EQ(60, lseek(fd, 60, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "ino: %llu", &value) == 1)
			ino = value;
		if (sscanf(line, "mnt_id: %llu", &value) == 1)
			mnt = value;
		if (sscanf(line, "pos: %llu", &value) == 1) {
			EXPECT_EQ(60, value);
		}
	}
	fclose(f);
	EXPECT_EQ(st.st_ino, ino);
	EXPECT_EQ(stx.stx_mnt_id, mnt);
}

/* Different files, same name before and after: each mapping stays with its own. */
TEST_F(mmap, two_files)
{
	char *a, *b;

	make_file(_metadata, self->dir, "f", 4096, 1);
	a = must_map(_metadata, must_open(self->dir, "f", O_RDONLY), 4096, PROT_READ, MAP_SHARED, 0);
	ASSERT_EQ(0, renameat(self->dir, "f", self->dir, "old"));
	make_file(_metadata, self->dir, "f", 4096, 2);
	b = must_map(_metadata, must_open(self->dir, "f", O_RDONLY), 4096, PROT_READ, MAP_SHARED, 0);
	EXPECT_EQ(-1, memory_differs(a, 4096, 0, 1));
	EXPECT_EQ(-1, memory_differs(b, 4096, 0, 2));
}

/* Reading into, and writing from, a mapping of the same file: faults inside of the call. */
TEST_F(mmap, io_with_mapped_buffer)
{
	char *map, buf[4096];
	int fd;

	make_file(_metadata, self->dir, "f", LEN, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	map = must_map(_metadata, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	ASSERT_EQ(4096, pwrite(fd, map, 4096, LEN));
	ASSERT_EQ(4096, pread(fd, buf, 4096, LEN));
	EXPECT_EQ(-1, memory_differs(buf, 4096, 0, 1));
	ASSERT_EQ(4096, pread(fd, map + 8192, 4096, 0));
	EXPECT_EQ(0, memcmp(map, map + 8192, 4096));
	ASSERT_EQ(100, pwrite(fd, map + 4096, 100, 4096 + 50));
}

TEST_HARNESS_MAIN
