// SPDX-License-Identifier: GPL-2.0
/*
 * Promises while requests are in flight, held up below by a suspended device: the mounts are busy and the modules in
 * use; a file that is closed, removed or detached stays until its requests have completed, and then all of it goes; and
 * nothing is lost. The requests of a task that died are in flight as well.
 *
 * Bugs of the C code guarded here: B8 (request freed while it was in use), B9 (completion in the wrong context).
 */
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "place.h"

#define MANY 16
#define BLOCK 4096

FIXTURE(inflight) {
	char root[64];
	char at[2][80];
	char name[32];
	char path[100];
	long used;
	int fd;
	aio_context_t ctx;
	char *buf;
};

FIXTURE_VARIANT(inflight) {
	int layers;
};

FIXTURE_VARIANT_ADD(inflight, stack) { .layers = 1 };
FIXTURE_VARIANT_ADD(inflight, nested) { .layers = 2 };

/* Runs a command line; whether it succeeded. */
static bool run(const char *format, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	return system(line) == 0;
}

static long users(void)
{
	long count = -1;
	FILE *f = fopen("/sys/module/passfs/refcnt", "r");

	if (f && fscanf(f, "%ld", &count) != 1)
		count = -1;
	if (f)
		fclose(f);
	return count;
}

/* What is last put by work items takes a moment. */
static bool becomes(long (*what)(void), long want)
{
	int i;

	for (i = 0; i < 200 && what() != want; i++)
		usleep(50000);
	return what() == want;
}

/* The file systems that need a device, on one that can be suspended; where tmpfs is tested, ext4 is as good as any. */
FIXTURE_SETUP(inflight)
{
	const char *fs = fs_is("tmpfs") ? "ext4" : bf_fs();
	int i;

	signal(SIGALRM, SIG_DFL);
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->name, sizeof(self->name), "bf%d", getpid());
	snprintf(self->root, sizeof(self->root), "/tmp/%s", self->name);
	ASSERT_EQ(0, mkdir(self->root, 0755));
	ASSERT_EQ(0, mount("inflight", self->root, "tmpfs", 0, "size=400m"));
	ASSERT_TRUE(run("modprobe -q loop; modprobe -q dm-mod; modprobe -q %s; true", fs));
	ASSERT_TRUE(run("cd %s && mkdir low s0 s1 && truncate -s 384M img && losetup --show -f img >loop", self->root));
	ASSERT_TRUE(run("cd %s; l=$(cat loop); echo \"0 $(blockdev --getsz $l) linear $l 0\" >table", self->root));
	ASSERT_TRUE(run("dmsetup create --noudevsync %s %s/table", self->name, self->root));
	ASSERT_TRUE(run("dmsetup mknodes %s && mkfs.%s -q /dev/mapper/%s >/dev/null", self->name, fs, self->name));
	ASSERT_TRUE(run("mount -t %s /dev/mapper/%s %s/low", fs, self->name, self->root));
	snprintf(self->path, sizeof(self->path), "%s/low", self->root);
	self->used = users();
	for (i = 0; i < variant->layers; i++) {
		snprintf(self->at[i], sizeof(self->at[i]), "%s/s%d", self->root, i);
		ASSERT_EQ(0, mount(i ? self->at[i - 1] : self->path, self->at[i], "passfs", 0, NULL)) TH_LOG("%m");
	}
	snprintf(self->path, sizeof(self->path), "%s/f", self->at[variant->layers - 1]);
	ASSERT_EQ(0, posix_memalign((void **)&self->buf, 4096, MANY * BLOCK));
	make_file(_metadata, AT_FDCWD, self->path, MANY * BLOCK, 1);
	self->fd = must_open(AT_FDCWD, self->path, O_RDWR | O_DIRECT);
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, syscall(SYS_io_setup, MANY, &self->ctx));
	/* A test that hangs is ended here, and what it suspended is resumed there */
	alarm(600);
}

FIXTURE_TEARDOWN(inflight)
{
	int i;

	run("dmsetup resume --noudevsync %s", self->name);
	for (i = variant->layers; i--; )
		umount2(self->at[i], MNT_DETACH);
	EXPECT_TRUE(becomes(users, self->used)) TH_LOG("%ld users, %ld before", users(), self->used);
	for (i = 0; i < 20 && !run("umount %s/low", self->root); i++)
		usleep(300000);
	EXPECT_TRUE(run("dmsetup remove --noudevsync --retry %s && losetup -d $(cat %s/loop)", self->name, self->root));
	umount2(self->root, MNT_DETACH);
	rmdir(self->root);
	free(self->buf);
}

static void hold(struct __test_metadata *const _metadata, const char *name)
{
	ASSERT_TRUE(run("dmsetup suspend --noudevsync --nolockfs --noflush %s", name));
}

static void let_go(struct __test_metadata *const _metadata, const char *name)
{
	ASSERT_TRUE(run("dmsetup resume --noudevsync %s", name));
}

static int submit(aio_context_t ctx, int fd, int op, char *buf)
{
	struct iocb iocbs[MANY], *list[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		iocbs[i] = (struct iocb) {
			.aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)(buf + i * BLOCK),
			.aio_nbytes = BLOCK, .aio_offset = i * BLOCK,
		};
		list[i] = &iocbs[i];
	}
	return syscall(SYS_io_submit, ctx, MANY, list);
}

static void finish(struct __test_metadata *const _metadata, aio_context_t ctx, int done)
{
	struct io_event events[MANY];
	int i;

	ASSERT_EQ(MANY - done, syscall(SYS_io_getevents, ctx, MANY - done, MANY, events, NULL));
	for (i = 0; i < MANY - done; i++) {
		EXPECT_EQ(BLOCK, events[i].res);
	}
}

/* How many are done already: a file system may have some of it in memory, but not all. */
static int done_already(struct __test_metadata *const _metadata, aio_context_t ctx)
{
	struct io_event events[MANY];
	int n = syscall(SYS_io_getevents, ctx, 0, MANY, events, &(struct timespec){ .tv_nsec = 100000000 });

	EXPECT_LE(0, n);
	EXPECT_GT(MANY, n);
	return n;
}

static void busy(struct __test_metadata *const _metadata, const char *at)
{
	EXPECT_EQ(-EBUSY, errno_of(umount(at)));
	EXPECT_EQ(-EWOULDBLOCK, errno_of(syscall(SYS_delete_module, "passfs", O_NONBLOCK)));
	EXPECT_EQ(-EWOULDBLOCK, errno_of(syscall(SYS_delete_module, "backing_file", O_NONBLOCK)));
}

/* The submitter is told first, and then the file is put, elsewhere. */
static bool goes(const char *at)
{
	int i;

	for (i = 0; i < 200; i++) {
		if (!umount(at))
			return true;
		usleep(50000);
	}
	return false;
}

#define top() self->at[variant->layers - 1]

TEST_F(inflight, reads)
{
	char *want = malloc(MANY * BLOCK);
	int done;

	hold(_metadata, self->name);
	ASSERT_EQ(MANY, submit(self->ctx, self->fd, IOCB_CMD_PREAD, self->buf));
	done = done_already(_metadata, self->ctx);
	ASSERT_EQ(0, close(self->fd));
	busy(_metadata, top());
	let_go(_metadata, self->name);
	finish(_metadata, self->ctx, done);
	fill(want, MANY * BLOCK, 0, 1);
	EXPECT_EQ(0, memcmp(want, self->buf, MANY * BLOCK));
	EXPECT_TRUE(goes(top())) TH_LOG("%m: what has completed keeps nothing");
	free(want);
}

TEST_F(inflight, writes)
{
	int done;

	fill(self->buf, MANY * BLOCK, 0, 2);
	hold(_metadata, self->name);
	ASSERT_EQ(MANY, submit(self->ctx, self->fd, IOCB_CMD_PWRITE, self->buf));
	done = done_already(_metadata, self->ctx);
	ASSERT_EQ(0, close(self->fd));
	busy(_metadata, top());
	let_go(_metadata, self->name);
	finish(_metadata, self->ctx, done);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, self->path, MANY * BLOCK, 2));
	EXPECT_TRUE(goes(top())) TH_LOG("%m");
}

/* Detached and without a descriptor: the requests alone keep it all. */
TEST_F(inflight, detached)
{
	char below[100];
	int i, done;

	fill(self->buf, MANY * BLOCK, 0, 2);
	hold(_metadata, self->name);
	ASSERT_EQ(MANY, submit(self->ctx, self->fd, IOCB_CMD_PWRITE, self->buf));
	ASSERT_EQ(0, close(self->fd));
	for (i = variant->layers; i--; )
		ASSERT_EQ(0, umount2(self->at[i], MNT_DETACH));
	done = done_already(_metadata, self->ctx);
	EXPECT_LE(self->used + variant->layers, users());
	let_go(_metadata, self->name);
	finish(_metadata, self->ctx, done);
	EXPECT_TRUE(becomes(users, self->used)) TH_LOG("%ld users, %ld before", users(), self->used);
	snprintf(below, sizeof(below), "%s/low/f", self->root);
	EXPECT_EQ(-1, name_differs(AT_FDCWD, below, MANY * BLOCK, 2));
}

/* The task dies with its requests in flight: it can only end when they have. */
TEST_F(inflight, killed)
{
	int status, ready[2];
	pid_t pid;
	char c;

	fill(self->buf, MANY * BLOCK, 0, 2);
	ASSERT_EQ(0, pipe(ready));
	hold(_metadata, self->name);
	pid = fork();
	if (!pid) {
		aio_context_t ctx = 0;

		syscall(SYS_io_setup, MANY, &ctx);
		c = submit(ctx, self->fd, IOCB_CMD_PWRITE, self->buf) == MANY;
		write(ready[1], &c, 1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(1, c);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(0, close(self->fd));
	usleep(200000);
	busy(_metadata, top());
	let_go(_metadata, self->name);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(-1, name_differs(AT_FDCWD, self->path, MANY * BLOCK, 2));
	EXPECT_TRUE(goes(top())) TH_LOG("%m");
}

/* A page fault is a request too. */
TEST_F(inflight, mapped)
{
	int status, ready[2];
	pid_t pid;
	char *map, c;

	ASSERT_EQ(0, pipe(ready));
	map = mmap(NULL, MANY * BLOCK, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	ASSERT_EQ(0, posix_fadvise(self->fd, 0, 0, POSIX_FADV_DONTNEED));
	hold(_metadata, self->name);
	pid = fork();
	if (!pid) {
		char want[8];

		write(ready[1], "x", 1);
		fill(want, 8, BLOCK, 1);
		_exit(!!memcmp(map + BLOCK, want, 8));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, munmap(map, MANY * BLOCK));
	ASSERT_EQ(0, close(self->fd));
	usleep(100000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	busy(_metadata, top());
	let_go(_metadata, self->name);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(goes(top())) TH_LOG("%m");
}

TEST_HARNESS_MAIN
