// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: the older permission events, FAN_OPEN_PERM and FAN_ACCESS_PERM, come from both layers, the stacked one
 * first, and a refusal of either is the caller's error and leaves everything as it was. A stack cannot be frozen, so no
 * event waits inside of a frozen one.
 *
 * Bugs of the C code guarded here: B14 (a listener's own look at a file waits for itself), B26 (marks are sampled at
 * open).
 */
#include <sys/prctl.h>
#include "kselftest_harness.h"
#include "place.h"
#include "listener.h"

#define LEN (16 * KIB)
#define SEED 3

/* Who acts: without the privileges that would let it keep set-id bits. */
#define USER 1000

FIXTURE(perm) {
	struct place place;
	dev_t dev_stack, dev_below;
	int fan;
};

static struct event ev;

FIXTURE_SETUP(perm)
{
	struct stat st;

	share();
	place_setup(_metadata, &self->place, STACK);
	make_file(_metadata, self->place.dir, "f", LEN, SEED);
	ASSERT_EQ(0, fstatat(self->place.dir, "f", &st, 0));
	self->dev_stack = st.st_dev;
	ASSERT_EQ(0, fstatat(self->place.under, "f", &st, 0));
	self->dev_below = st.st_dev;
	self->fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE);
	ASSERT_LE(0, self->fan) TH_LOG("%m");
}

FIXTURE_TEARDOWN(perm)
{
	close(self->fan);
	place_teardown(&self->place, STACK);
}

#define watch_both(mask, name) \
do { \
	ASSERT_EQ(0, watch(self->fan, 0, mask, self->place.dir, name)); \
	ASSERT_EQ(0, watch(self->fan, 0, mask, self->place.under, name)); \
} while (0)

/* The next event: of the device DEV_, by PID_, with MASK_ alone. A listener looks before it answers (B14). */
#define expect_event(mask_, dev_, pid_, response) \
do { \
	char __look[100]; \
	must_get(self->fan, &ev); \
	EXPECT_EQ(mask_, ev.mask); \
	EXPECT_EQ(dev_, ev.dev); \
	EXPECT_EQ(pid_, ev.pid); \
	if (!ev.dir) { \
		EXPECT_EQ(100, pread(ev.fd, __look, 100, 0)); \
	} \
	answer(self->fan, &ev, response); \
} while (0)

#define expect_no_more() EXPECT_FALSE(pending(self->fan, 0))

TEST_F(perm, open)
{
	pid_t pid;

	watch_both(FAN_OPEN_PERM, "f");
	pid = actor();
	if (!pid) {
		CHECK(openat(self->place.dir, "f", O_RDWR) >= 0);
		CHECK(errno_of(openat(self->place.dir, "f", O_RDWR)) == -EPERM);
		CHECK(errno_of(openat(self->place.dir, "f", O_RDWR)) == -EPERM);
		_exit(0);
	}
	expect_event(FAN_OPEN_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_OPEN_PERM, self->dev_below, pid, FAN_ALLOW);
	expect_event(FAN_OPEN_PERM, self->dev_stack, pid, FAN_DENY);
	expect_event(FAN_OPEN_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_OPEN_PERM, self->dev_below, pid, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

/* A truncating open that the stack's listener refuses has truncated nothing. */
TEST_F(perm, open_truncating_is_refused)
{
	pid_t pid;

	ASSERT_EQ(0, watch(self->fan, 0, FAN_OPEN_PERM, self->place.dir, "f"));
	pid = actor();
	if (!pid) {
		CHECK(errno_of(openat(self->place.dir, "f", O_RDWR | O_TRUNC)) == -EPERM);
		_exit(0);
	}
	expect_event(FAN_OPEN_PERM, self->dev_stack, pid, FAN_DENY);
	must_end(pid);
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	EXPECT_EQ(-1, name_differs(self->place.under, "f", LEN, SEED));
}

TEST_F(perm, access)
{
	pid_t pid;

	watch_both(FAN_ACCESS_PERM, "f");
	pid = actor();
	if (!pid) {
		int fd = openat(self->place.dir, "f", O_RDWR);
		char buf[100];

		CHECK(fd >= 0);
		CHECK(errno_of(pread(fd, buf, 100, 0)) == 100);
		CHECK(errno_of(pread(fd, buf, 100, 0)) == -EPERM);
		CHECK(errno_of(pread(fd, buf, 100, 0)) == -EPERM);
		/* Writing is no access of that kind. */
		CHECK(errno_of(pwrite(fd, buf, 100, LEN)) == 100);
		_exit(0);
	}
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_below, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_DENY);
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_below, pid, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

TEST_F(perm, access_to_directory)
{
	pid_t pid;

	ASSERT_EQ(0, mkdirat(self->place.dir, "d", 0755));
	watch_both(FAN_ACCESS_PERM | FAN_ONDIR, "d");
	pid = actor();
	if (!pid) {
		int fd = openat(self->place.dir, "d", O_RDONLY | O_DIRECTORY);
		char buf[1000];

		CHECK(fd >= 0);
		CHECK(errno_of(syscall(SYS_getdents64, fd, buf, sizeof(buf))) == -EPERM);
		CHECK(errno_of(syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0);
		_exit(0);
	}
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_below, pid, FAN_DENY);
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_below, pid, FAN_ALLOW);
	must_end(pid);
	expect_no_more();
}

/* B26: the marks that count are those at open, of the backing file as of any other. */
TEST_F(perm, marks_are_sampled_at_open)
{
	char buf[100];
	pid_t pid;
	int before;

	before = must_open(self->place.dir, "f", O_RDWR);
	watch_both(FAN_ACCESS_PERM, "f");
	EXPECT_EQ(100, pread(before, buf, 100, 0));
	expect_no_more();
	pid = actor();
	if (!pid) {
		int fd = openat(self->place.dir, "f", O_RDWR);

		CHECK(errno_of(pread(before, buf, 100, 0)) == 100);
		CHECK(errno_of(pread(fd, buf, 100, 0)) == 100);
		wait_for(&shared->step, 1);
		/* The marks are gone: whoever was opened with them has nobody to ask. */
		CHECK(errno_of(pread(fd, buf, 100, 0)) == 100);
		_exit(0);
	}
	expect_event(FAN_ACCESS_PERM, self->dev_stack, pid, FAN_ALLOW);
	expect_event(FAN_ACCESS_PERM, self->dev_below, pid, FAN_ALLOW);
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	set(&shared->step, 1);
	must_end(pid);
	expect_no_more();
}

/* The hooks of a write run inside the freeze protection of the stack: it must not be possible to freeze that. */
TEST_F(perm, stack_cannot_be_frozen)
{
	EXPECT_EQ(-EOPNOTSUPP, errno_of(ioctl(self->place.dir, FIFREEZE, 0)));
	EXPECT_EQ(-1, ioctl(self->place.dir, FITHAW, 0));
}

/* A change that is refused has not happened: the set-id bits, the size and the times are as they were. */
static void refused(struct __test_metadata *const _metadata, struct _test_data_perm *self, long (*how)(int fd))
{
	struct stat before, after;
	pid_t pid;

	if (fs_is("tmpfs"))
		SKIP(return, "this filesystem has no pre-content events");
	ASSERT_EQ(0, fchownat(self->place.dir, "f", USER, USER, 0));
	ASSERT_EQ(0, fchmodat(self->place.dir, "f", 06777, 0));
	ASSERT_EQ(0, fchmod(self->place.dir, 0777));
	ASSERT_EQ(0, fstatat(self->place.under, "f", &before, 0));
	EXPECT_EQ(06777, before.st_mode & 07777);
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, self->place.under, "f"));
	pid = actor();
	if (!pid) {
		int fd;

		CHECK(!setgroups(0, NULL) && !setresgid(USER + 1, USER + 1, USER + 1) &&
		      !setresuid(USER + 1, USER + 1, USER + 1));
		fd = openat(self->place.dir, "f", O_WRONLY);
		CHECK(fd >= 0);
		CHECK(how(fd) == -EPERM);
		CHECK(how(fd) >= 0);
		_exit(0);
	}
	must_get(self->fan, &ev);
	EXPECT_EQ(self->dev_below, ev.dev);
	answer(self->fan, &ev, FAN_DENY);
	must_get(self->fan, &ev);
	/* Between refusal and the second try. */
	ASSERT_EQ(0, fstatat(self->place.under, "f", &after, 0));
	EXPECT_EQ(06777, after.st_mode & 07777);
	EXPECT_EQ(before.st_size, after.st_size);
	EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	answer(self->fan, &ev, FAN_ALLOW);
	must_end(pid);
	ASSERT_EQ(0, fstatat(self->place.dir, "f", &after, 0));
	EXPECT_EQ(0, after.st_mode & S_ISUID);
	expect_no_more();
}

static long writes(int fd)
{
	return errno_of(pwrite(fd, "xyz", 3, 0));
}

static long splices(int fd)
{
	loff_t pos = 0;
	int p[2];

	if (pipe(p) || write(p[1], "xyz", 3) != 3)
		return -EPIPE;
	return errno_of(splice(p[0], NULL, fd, &pos, 3, 0));
}

static long allocates(int fd)
{
	return errno_of(fallocate(fd, 0, 0, LEN + 1));
}

static long truncates(int fd)
{
	return errno_of(ftruncate(fd, 100));
}

TEST_F(perm, refused_write_keeps_suid)
{
	refused(_metadata, self, writes);
}

TEST_F(perm, refused_splice_keeps_suid)
{
	refused(_metadata, self, splices);
}

TEST_F(perm, refused_fallocate_keeps_suid)
{
	refused(_metadata, self, allocates);
}

TEST_F(perm, refused_truncate_keeps_suid)
{
	refused(_metadata, self, truncates);
}

static int source;

static long copies(int fd)
{
	off_t from = 0, to = 0;

	return errno_of(copy_file_range(source, &from, fd, &to, LEN, 0));
}

TEST_F(perm, refused_copy_keeps_suid)
{
	make_file(_metadata, self->place.dir, "s", LEN, SEED);
	source = must_open(self->place.dir, "s", O_RDONLY);
	refused(_metadata, self, copies);
}

static ino_t ino_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) ? 0 : st.st_ino;
}

#define expect_range_of(ino_, pid_, response) \
do { \
	must_get(self->fan, &ev); \
	EXPECT_EQ(ino_, ev.ino); \
	EXPECT_EQ(0, ev.off); \
	EXPECT_EQ(LEN, ev.len); \
	EXPECT_EQ(pid_, ev.pid); \
	answer(self->fan, &ev, response); \
} while (0)

/* Each side of a copy is asked for once, on behalf of the mount it is on. */
TEST_F(perm, copy_between_mounts)
{
	ino_t from, to;
	char path[64];
	int second, unwatched;
	pid_t pid;

	if (fs_is("tmpfs"))
		SKIP(return, "this filesystem has no pre-content events");
	snprintf(path, sizeof(path), "/tmp/second.%d", getpid());
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, mount(self->place.plain_path, path, "passfs", 0, NULL));
	second = open(path, O_RDONLY | O_DIRECTORY);
	make_file(_metadata, second, "t", LEN, SEED + 1);
	from = ino_of(self->place.under, "f");
	to = ino_of(self->place.plain, "t");
	unwatched = must_open(self->place.plain, "t", O_RDONLY);
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, self->place.under, "f"));
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, self->place.plain, "t"));
	pid = actor();
	if (!pid) {
		int fd = openat(second, "t", O_WRONLY);

		source = openat(self->place.dir, "f", O_RDONLY);
		CHECK(fd >= 0 && source >= 0);
		CHECK(copies(fd) == -EPERM);
		CHECK(copies(fd) == -EPERM);
		/* Opened before the mark, so this look is no event. */
		CHECK(differs(unwatched, LEN, 0, SEED + 1) == -1);
		CHECK(copies(fd) == LEN);
		_exit(0);
	}
	expect_range_of(from, pid, FAN_DENY);
	expect_range_of(from, pid, FAN_ALLOW);
	expect_range_of(to, pid, FAN_DENY);
	expect_range_of(from, pid, FAN_ALLOW);
	expect_range_of(to, pid, FAN_ALLOW);
	must_end(pid);
	expect_no_more();
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	EXPECT_EQ(-1, name_differs(self->place.plain, "t", LEN, SEED));
	close(second);
	EXPECT_EQ(0, umount(path));
	rmdir(path);
}

TEST_HARNESS_MAIN
