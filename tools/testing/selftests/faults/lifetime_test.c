// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: a request may complete before its submission returns, while it does, or long after it, in another task, in
 * the submitter itself or in an interrupt; by then the submitter's iocb may be freed and the last reference to the user
 * file dropped, the stack unmounted, the process dead. Results, bytes, positions and sizes are right, freeze
 * protection ends exactly once, and nothing of ours is used after it was freed.
 *
 * Nothing here hopes for a window: holdfs (../../modules/holdfs) is the backing filesystem and makes each of them
 * happen, and each test asks it whether it did. What the kernel's checkers find is in the log.
 *
 * Bugs of the C code guarded here: B3, B4 (size and position before the completion is told), B8 and B22 (request and
 * iocb used after they were freed), B9 (completion in an interrupt), B12 (freeze protection leaked without IOCB_WRITE).
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"

#define KNOBS "/sys/kernel/debug/holdfs/"
#define LEN 4096

/* As in holdfs */
enum when { SYNC, BEFORE, WITHIN, DURING, INTERRUPT, AFTER, WHENS };

static const char *const when_names[WHENS] = { "sync", "before", "within", "during", "interrupt", "after" };

/* passfs over holdfs. */
struct world {
	char below[64], stack[64], file[80], below_file[80];
	long used[2];		/* of passfs and backing_file, before */
	long hits[WHENS];	/* of the windows, before */
	char *buf;		/* LEN bytes */
	int fd;			/* the file, through the stack, for direct I/O */
};

static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	close(fd);
	return atol(text);
}

static long knob(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), KNOBS "%s", name);
	return read_number(path);
}

/* 0, or -errno: "submit" answers with that of its request. */
static int turn(const char *name, const char *value)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), KNOBS "%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void requests_complete(enum when when)
{
	char value[8];

	snprintf(value, sizeof(value), "%d", when);
	turn("how", value);
}

static int release(void)
{
	return turn("release", "1");
}

/* Waits until a request is in flight: a submission may be left to a worker. */
static bool is_held(void)
{
	int i;

	for (i = 0; i < 2000 && knob("held") != 1; i++)
		usleep(10000);
	return knob("held") == 1;
}

static long users(int module)
{
	return read_number(module ? "/sys/module/backing_file/refcnt" : "/sys/module/passfs/refcnt");
}

static bool users_become(int module, long count)
{
	int i;

	for (i = 0; i < 200 && users(module) != count; i++)
		usleep(50000);
	return users(module) == count;
}

static void world_setup(struct __test_metadata *const _metadata, struct world *w)
{
	int i;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	for (i = 0; i < 2; i++)
		w->used[i] = users(i);
	snprintf(w->below, sizeof(w->below), "/tmp/below.%d", getpid());
	snprintf(w->stack, sizeof(w->stack), "/tmp/stack.%d", getpid());
	snprintf(w->file, sizeof(w->file), "%s/file", w->stack);
	snprintf(w->below_file, sizeof(w->below_file), "%s/file", w->below);
	ASSERT_EQ(0, mkdir(w->below, 0755));
	ASSERT_EQ(0, mkdir(w->stack, 0755));
	requests_complete(SYNC);
	ASSERT_EQ(0, turn("result", "0"));
	ASSERT_EQ(0, mount("none", w->below, "holdfs", 0, NULL)) TH_LOG("holdfs: %m; is its module loaded?");
	ASSERT_EQ(0, mount(w->below, w->stack, "passfs", 0, NULL));
	for (i = BEFORE; i < WHENS; i++)
		w->hits[i] = knob(when_names[i]);
	ASSERT_EQ(0, posix_memalign((void **)&w->buf, LEN, LEN));
	w->fd = open(w->file, O_RDWR | O_DIRECT);
	ASSERT_LE(0, w->fd) TH_LOG("%m");
}

static void world_teardown(struct __test_metadata *const _metadata, struct world *w)
{
	int i;

	release();
	requests_complete(SYNC);
	turn("result", "0");
	if (w->fd >= 0)
		close(w->fd);
	umount2(w->stack, MNT_DETACH);
	EXPECT_TRUE(users_become(0, w->used[0])) TH_LOG("passfs has %ld users, had %ld", users(0), w->used[0]);
	EXPECT_TRUE(users_become(1, w->used[1])) TH_LOG("backing_file has %ld users, had %ld", users(1), w->used[1]);
	/* Not detached: what passfs held of it has been given back. */
	EXPECT_EQ(0, umount(w->below)) TH_LOG("%m");
	rmdir(w->stack);
	rmdir(w->below);
	for (i = BEFORE; i < WHENS; i++)
		if (knob(when_names[i]) != w->hits[i])
			printf("# window-row %s %ld\n", when_names[i], knob(when_names[i]) - w->hits[i]);
}

/* @n requests have completed in the window @when, and none in another. */
#define expect_hits(when, n) \
do { \
	int __i; \
	for (__i = BEFORE; __i < WHENS; __i++) { \
		EXPECT_EQ(__i == (when) ? (n) : 0, knob(when_names[__i]) - w->hits[__i]) { \
			TH_LOG("requests completed %s", when_names[__i]); \
		} \
	} \
} while (0)

/* --- libaio --------------------------------------------------------------------- */

static long submit(aio_context_t ctx, int op, int fd, void *buf, off_t pos)
{
	struct iocb iocb = { .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = LEN,
			     .aio_offset = pos };
	struct iocb *list = &iocb;
	long ret = syscall(SYS_io_submit, ctx, 1, &list);

	return ret < 0 ? -errno : ret;
}

/* The result of a request that has completed, or will within @seconds; -ETIME if not. */
static long result(aio_context_t ctx, int seconds)
{
	struct io_event event;
	struct timespec limit = { .tv_sec = seconds };
	long ret = syscall(SYS_io_getevents, ctx, 1, 1, &event, &limit);

	return ret == 1 ? (long)event.res : ret < 0 ? -errno : -ETIME;
}

static bool is_full_of(const char *buf, char c)
{
	int i;

	for (i = 0; i < LEN; i++)
		if (buf[i] != c)
			return false;
	return true;
}

/* The bytes and the size are there below and in the stack at once. */
#define expect_written(pos, c) \
do { \
	int __fd = open(w->below_file, O_RDONLY); \
	struct stat __st; \
	char __got[LEN]; \
	ASSERT_EQ(LEN, pread(__fd, __got, LEN, pos)); \
	EXPECT_TRUE(is_full_of(__got, c)); \
	close(__fd); \
	EXPECT_EQ((pos) + LEN, lseek(w->fd, 0, SEEK_END)); \
	EXPECT_EQ(0, fstat(w->fd, &__st)); \
	EXPECT_EQ((pos) + LEN, __st.st_size); \
} while (0)

/* Freeze protection of the backing filesystem is not held by anyone: freezing comes to an end, and thaws. */
static bool can_freeze(const char *below)
{
	int fd = open(below, O_RDONLY | O_DIRECTORY), status = -1, i;
	pid_t pid = fork();

	if (!pid)
		_exit(ioctl(fd, FIFREEZE, 0) || ioctl(fd, FITHAW, 0));
	/* If it is held, no signal ends the waiting. */
	for (i = 0; i < 600 && waitpid(pid, &status, WNOHANG) == 0; i++)
		usleep(100000);
	close(fd);
	return status == 0;
}

FIXTURE(lifetime) { struct world w; };
FIXTURE_VARIANT(lifetime) { enum when when; };
FIXTURE_VARIANT_ADD(lifetime, before) { .when = BEFORE };
FIXTURE_VARIANT_ADD(lifetime, within) { .when = WITHIN };
FIXTURE_VARIANT_ADD(lifetime, during) { .when = DURING };
FIXTURE_VARIANT_ADD(lifetime, interrupt) { .when = INTERRUPT };
FIXTURE_VARIANT_ADD(lifetime, after) { .when = AFTER };
FIXTURE_SETUP(lifetime) { world_setup(_metadata, &self->w); }
FIXTURE_TEARDOWN(lifetime) { world_teardown(_metadata, &self->w); }

#define ROUNDS 6
/* The file has room for more. */
#define BLOCKS 6

TEST_F(lifetime, aio_write)
{
	struct world *w = &self->w;
	aio_context_t ctx = 0;
	int i;

	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &ctx));
	requests_complete(variant->when);
	for (i = 0; i < BLOCKS; i++) {
		memset(w->buf, 'a' + i, LEN);
		ASSERT_EQ(1, submit(ctx, IOCB_CMD_PWRITE, w->fd, w->buf, i * LEN));
		if (variant->when == AFTER) {
			EXPECT_EQ(1, knob("held"));
			EXPECT_EQ(-ETIME, result(ctx, 0));
			ASSERT_EQ(0, release());
		}
		ASSERT_EQ(LEN, result(ctx, 20));
		expect_written(i * LEN, 'a' + i);
	}
	expect_hits(variant->when, BLOCKS);
	EXPECT_TRUE(can_freeze(w->below));
	syscall(SYS_io_destroy, ctx);
}

TEST_F(lifetime, aio_read)
{
	struct world *w = &self->w;
	aio_context_t ctx = 0;
	int i;

	memset(w->buf, 'r', LEN);
	ASSERT_EQ(LEN, pwrite(w->fd, w->buf, LEN, 0));
	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &ctx));
	requests_complete(variant->when);
	for (i = 0; i < ROUNDS; i++) {
		memset(w->buf, 0, LEN);
		ASSERT_EQ(1, submit(ctx, IOCB_CMD_PREAD, w->fd, w->buf, 0));
		if (variant->when == AFTER) {
			EXPECT_EQ(-ETIME, result(ctx, 0));
			ASSERT_EQ(0, release());
		}
		ASSERT_EQ(LEN, result(ctx, 20));
		EXPECT_TRUE(is_full_of(w->buf, 'r'));
	}
	expect_hits(variant->when, ROUNDS);
	syscall(SYS_io_destroy, ctx);
}

/* A request that ends with an error, or with fewer bytes, says so, and ends freeze protection all the same. */
TEST_F(lifetime, aio_error)
{
	struct world *w = &self->w;
	aio_context_t ctx = 0;
	int op;

	memset(w->buf, 'e', LEN);
	ASSERT_EQ(LEN, pwrite(w->fd, w->buf, LEN, 0));
	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &ctx));
	requests_complete(variant->when);
	for (op = IOCB_CMD_PREAD; op <= IOCB_CMD_PWRITE; op++) {
		ASSERT_EQ(0, turn("result", "4294967291")); /* -EIO */
		ASSERT_EQ(1, submit(ctx, op, w->fd, w->buf, 0));
		release();
		EXPECT_EQ(-EIO, result(ctx, 20));
		ASSERT_EQ(0, turn("result", "100"));
		ASSERT_EQ(1, submit(ctx, op, w->fd, w->buf, 0));
		release();
		EXPECT_EQ(100, result(ctx, 20));
	}
	expect_hits(variant->when, 4);
	EXPECT_TRUE(can_freeze(w->below));
	syscall(SYS_io_destroy, ctx);
}

/* --- io_uring -------------------------------------------------------------------- */

static int uring_result(struct io_uring *ring, int seconds)
{
	struct __kernel_timespec limit = { .tv_sec = seconds };
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(ring, &cqe, &limit);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

TEST_F(lifetime, uring_write_and_read)
{
	struct world *w = &self->w;
	struct io_uring ring;
	int i;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	requests_complete(variant->when);
	for (i = 0; i < ROUNDS; i++) {
		int at = i % BLOCKS * LEN;

		memset(w->buf, 'a' + i, LEN);
		io_uring_prep_write(io_uring_get_sqe(&ring), w->fd, w->buf, LEN, at);
		ASSERT_EQ(1, io_uring_submit(&ring));
		ASSERT_TRUE(variant->when != AFTER || (is_held() && !release()));
		ASSERT_EQ(LEN, uring_result(&ring, 20));
		memset(w->buf, 0, LEN);
		io_uring_prep_read(io_uring_get_sqe(&ring), w->fd, w->buf, LEN, at);
		ASSERT_EQ(1, io_uring_submit(&ring));
		ASSERT_TRUE(variant->when != AFTER || (is_held() && !release()));
		ASSERT_EQ(LEN, uring_result(&ring, 20));
		EXPECT_TRUE(is_full_of(w->buf, 'a' + i));
	}
	expect_hits(variant->when, 2 * ROUNDS);
	io_uring_queue_exit(&ring);
	EXPECT_TRUE(can_freeze(w->below));
}

/* --- a submitter in the kernel whose completion frees the iocb and closes the file -------- */

/* Its request, held or not, to its end: 0 or -errno. */
static int kernel_request(const char *what, const char *path, enum when when)
{
	char text[128];
	int ret;

	if (when != AFTER) {
		snprintf(text, sizeof(text), "%s %s", what, path);
		return turn("submit", text);
	}
	snprintf(text, sizeof(text), "nowait %s %s", what, path);
	ret = turn("submit", text);
	/* Its submission is over: only the completion is missing. */
	return ret ?: !is_held() ? -EPROTO : release();
}

TEST_F(lifetime, iocb_freed_and_file_closed_by_completion)
{
	struct world *w = &self->w;
	int i;

	memset(w->buf, 'k', LEN);
	ASSERT_EQ(LEN, pwrite(w->fd, w->buf, LEN, 0));
	requests_complete(variant->when);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, kernel_request("write", w->file, variant->when));
		ASSERT_EQ(0, kernel_request("read", w->file, variant->when));
	}
	expect_hits(variant->when, 2 * ROUNDS);
	EXPECT_TRUE(can_freeze(w->below));
}

/* The stack goes with its last file: when the completion has closed it. */
TEST_F(lifetime, unmounted_by_completion)
{
	struct world *w = &self->w;
	long before = users(0);
	int i;

	requests_complete(variant->when);
	for (i = 0; i < 5; i++) {
		char own[80], file[96], text[128];

		snprintf(own, sizeof(own), "%s.own", w->stack);
		snprintf(file, sizeof(file), "%s/file", own);
		ASSERT_EQ(0, mkdir(own, 0755));
		ASSERT_EQ(0, mount(w->below, own, "passfs", 0, NULL));
		snprintf(text, sizeof(text), "%s write %s", variant->when == AFTER ? "nowait" : "", file);
		ASSERT_EQ(0, turn("submit", variant->when == AFTER ? text : text + 1));
		if (variant->when == AFTER) {
			/* Busy as long as the request is in flight, though nobody has the file open. */
			EXPECT_EQ(-1, umount(own));
			EXPECT_EQ(EBUSY, errno);
		}
		ASSERT_EQ(0, umount2(own, MNT_DETACH));
		release();
		ASSERT_EQ(0, rmdir(own));
		EXPECT_TRUE(users_become(0, before));
	}
	expect_hits(variant->when, 5);
}

/* --- with a request in flight ------------------------------------------------------ */

FIXTURE(in_flight) {
	struct world w;
	aio_context_t ctx;
};

FIXTURE_SETUP(in_flight)
{
	world_setup(_metadata, &self->w);
	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &self->ctx));
	memset(self->w.buf, 'c', LEN);
	requests_complete(AFTER);
}

FIXTURE_TEARDOWN(in_flight)
{
	release();
	syscall(SYS_io_destroy, self->ctx);
	world_teardown(_metadata, &self->w);
}

/* What a file of /proc about @pid begins with. */
static bool proc_file(pid_t pid, const char *name, char *text, size_t len)
{
	char path[64];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	memset(text, 0, len);
	ok = read(fd, text, len - 1) >= 0;
	close(fd);
	return ok;
}

/*
 * Waits until @pid, which ends, waits for its requests. Not to be seen in its other files, cmdline or stat: who reads
 * those holds its memory for a moment, and if that is the moment when it ends, waits in its place.
 */
static bool is_exiting(pid_t pid)
{
	char text[4096];
	int i;

	for (i = 0; i < 1000; i++) {
		if (proc_file(pid, "stack", text, sizeof(text)) && strstr(text, "exit_aio"))
			return waitpid(pid, NULL, WNOHANG) == 0;
		usleep(10000);
	}
	return false;
}

/* Waits until @pid sleeps where no signal wakes it. */
static bool is_blocked(pid_t pid)
{
	char text[256], *state;
	int i;

	for (i = 0; i < 1000; i++) {
		state = proc_file(pid, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
		if (state && state[2] == 'D')
			return true;
		usleep(10000);
	}
	return false;
}

TEST_F(in_flight, last_close)
{
	struct world *w = &self->w;

	ASSERT_EQ(1, submit(self->ctx, IOCB_CMD_PWRITE, w->fd, w->buf, 0));
	ASSERT_EQ(1, submit(self->ctx, IOCB_CMD_PREAD, w->fd, w->buf, 0));
	ASSERT_EQ(0, close(w->fd));
	EXPECT_EQ(2, knob("held"));
	EXPECT_EQ(-1, umount(w->stack));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "passfs", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	ASSERT_EQ(0, release());
	EXPECT_EQ(LEN, result(self->ctx, 20));
	EXPECT_EQ(LEN, result(self->ctx, 20));
	w->fd = open(w->file, O_RDWR | O_DIRECT);
	expect_written(0, 'c');
}

TEST_F(in_flight, unmount)
{
	struct world *w = &self->w;

	ASSERT_EQ(1, submit(self->ctx, IOCB_CMD_PWRITE, w->fd, w->buf, 0));
	ASSERT_EQ(0, close(w->fd));
	w->fd = -1;
	EXPECT_EQ(1, knob("held"));
	ASSERT_EQ(0, umount2(w->stack, MNT_DETACH));
	/* Out of the tree, and still there for the request */
	EXPECT_LT(w->used[0], users(0));
	ASSERT_EQ(0, release());
	EXPECT_EQ(LEN, result(self->ctx, 20));
	EXPECT_TRUE(users_become(0, w->used[0]));
}

/* The process has gone, by itself or killed, before its requests: it waits for them, and its files close after them. */
static void process_ends(struct __test_metadata *const _metadata, struct world *w, int signal)
{
	int ready[2], status;
	char c;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	close(w->fd);
	w->fd = -1;
	pid = fork();
	if (!pid) {
		aio_context_t ctx = 0;
		int fd = open(w->file, O_RDWR | O_DIRECT);

		c = fd >= 0 && !syscall(SYS_io_setup, 4, &ctx) && submit(ctx, IOCB_CMD_PWRITE, fd, w->buf, 0) == 1;
		if (write(ready[1], &c, 1) != 1 || !c)
			_exit(1);
		if (signal)
			pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(1, c);
	if (signal)
		kill(pid, signal);
	EXPECT_TRUE(is_exiting(pid));
	EXPECT_EQ(1, knob("held"));
	EXPECT_EQ(-1, umount(w->stack));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(0, release());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(signal, status);
	w->fd = open(w->file, O_RDWR | O_DIRECT);
	expect_written(0, 'c');
}

TEST_F(in_flight, process_exits)
{
	process_ends(_metadata, &self->w, 0);
}

TEST_F(in_flight, process_is_killed)
{
	process_ends(_metadata, &self->w, SIGKILL);
}

TEST_F(in_flight, ring_is_gone)
{
	struct world *w = &self->w;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	io_uring_prep_write(io_uring_get_sqe(&ring), w->fd, w->buf, LEN, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_TRUE(is_held());
	ASSERT_EQ(0, close(w->fd));
	w->fd = -1;
	io_uring_queue_exit(&ring);
	ASSERT_EQ(0, umount2(w->stack, MNT_DETACH));
	EXPECT_LT(w->used[0], users(0));
	ASSERT_EQ(0, release());
	EXPECT_TRUE(users_become(0, w->used[0]));
}

/* B12, the other way round: as long as a write is in flight the backing filesystem cannot be frozen. */
TEST_F(in_flight, freeze_waits)
{
	struct world *w = &self->w;
	int status, below;
	pid_t pid;

	ASSERT_EQ(1, submit(self->ctx, IOCB_CMD_PWRITE, w->fd, w->buf, 0));
	below = open(w->below, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, below);
	pid = fork();
	if (!pid)
		_exit(ioctl(below, FIFREEZE, 0) ? errno : ioctl(below, FITHAW, 0) ? errno : 0);
	EXPECT_TRUE(is_blocked(pid));
	EXPECT_EQ(1, knob("held"));
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, release());
	EXPECT_EQ(LEN, result(self->ctx, 20));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(below);
}

TEST_HARNESS_MAIN
