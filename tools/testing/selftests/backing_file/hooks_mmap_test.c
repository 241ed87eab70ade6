// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is mapped of a watched backing file is asked for, as the mount option mmap= says: with "lazy" exactly
 * the mapped bytes, once, before anybody sees them, whoever touches the mapping and whatever happens to it meanwhile.
 *
 * Bugs of the C code guarded here: mappings of a backing file raise no event at all; B15 (shifted range).
 */
#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"
#include "listener.h"

#define PG 4096ul
#define SIZE (16 * PG)
#define AT (4 * PG)
#define LEN (4 * PG)
#define SEED 7

FIXTURE(gate) {
	struct place place;
	char top[PATH_MAX];
	int fan;
	bool watchable;
};

FIXTURE_VARIANT(gate) {
	const char *options;
};

FIXTURE_VARIANT_ADD(gate, lazy) { .options = "mmap=lazy" };

static struct event ev;
static char *map;

/* A placeholder "f", watched below, on a mount of its own at "top". */
static void setup(struct __test_metadata *const _metadata, struct _test_data_gate *self, const char *options)
{
	int fd, ret;

	share();
	place_setup(_metadata, &self->place, STACK);
	snprintf(self->top, sizeof(self->top), "/tmp/gate.%d", getpid());
	ASSERT_EQ(0, mkdir(self->top, 0755));
	ASSERT_EQ(0, mount(self->place.under_path, self->top, "passfs", 0, options)) TH_LOG("%s: %m", options);
	fd = must_open(self->place.under, "f", O_RDWR | O_CREAT, 0755);
	ASSERT_EQ(0, ftruncate(fd, SIZE));
	close(fd);
	self->fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE);
	ASSERT_LE(0, self->fan) TH_LOG("%m");
	ret = watch(self->fan, 0, FAN_PRE_ACCESS, self->place.under, "f");
	self->watchable = !fs_is("tmpfs");
	ASSERT_EQ(self->watchable ? 0 : -EOPNOTSUPP, ret);
}

FIXTURE_SETUP(gate)
{
	setup(_metadata, self, variant->options);
}

FIXTURE_TEARDOWN(gate)
{
	close(self->fan);
	umount2(self->top, MNT_DETACH);
	rmdir(self->top);
	place_teardown(&self->place, STACK);
}

static int open_top(const char *top, int flags)
{
	char path[PATH_MAX + 2];

	snprintf(path, sizeof(path), "%s/f", top);
	return open(path, flags);
}

/* What a storage manager does, then allows. */
static void fill_and_allow(int fan, struct event *e)
{
	char *buf = malloc(e->len);
	size_t len = e->off + e->len > SIZE ? SIZE - e->off : e->len;

	fill(buf, len, e->off, SEED);
	if (pwrite(e->fd, buf, len, e->off) != (ssize_t)len)
		perror("fill");
	free(buf);
	answer(fan, e, FAN_ALLOW);
}

static bool right(char *at, size_t len, off_t pos)
{
	char *want = malloc(len);
	bool same;

	fill(want, len, pos, SEED);
	same = !memcmp(want, (char *)at, len);
	free(want);
	return same;
}

static __thread sigjmp_buf jump;

static void on_signal(int sig)
{
	siglongjmp(jump, sig);
}

/* Touches a byte: 0, or the signal it got. */
static int touch(char *at)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		__atomic_load_n(at, __ATOMIC_RELAXED);
	return sig;
}

static void catch_signals(void)
{
	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
}

/* An address where the actor's threads know the mapping will be. */
static void reserve(void)
{
	map = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *map_there(int fd, int prot, int flags)
{
	return mmap((void *)map, LEN, prot, flags | MAP_FIXED, fd, AT);
}

#define expect_range(e, process) \
do { \
	EXPECT_EQ(FAN_PRE_ACCESS, (e).mask); \
	EXPECT_EQ(AT, (e).off); \
	EXPECT_EQ(LEN, (e).len); \
	EXPECT_EQ(process, (e).pid); \
} while (0)

#define expect_no_more() EXPECT_FALSE(pending(self->fan, 0))

/* What others do while the answer is out */

/* Runs in a thread of the actor when the test says so; LEN bytes at map are closed, or have been opened since. */
typedef void (*other_fn)(int fd);

static struct {
	other_fn run;
	int fd;
} other;

static void *other_thread(void *arg)
{
	set(&shared->tid[0], gettid());
	other.run(other.fd);
	set(&shared->done[0], 1);
	return NULL;
}

static void *waiting_thread(void *arg)
{
	wait_for(&shared->step, 1);
	return other_thread(arg);
}

/* The actor: maps in its main thread while another one waits for the test's word. */
static void map_with_other(const char *top, int open_flags, int prot, int flags, other_fn run)
{
	pthread_t thread;
	char *got;

	catch_signals();
	reserve();
	other.run = run;
	other.fd = open_top(top, open_flags);
	CHECK(other.fd >= 0);
	CHECK(!pthread_create(&thread, NULL, waiting_thread, NULL));
	got = map_there(other.fd, prot, flags);
	CHECK(got == map);
	CHECK(!pthread_join(thread, NULL));
	_exit(0);
}

static void sees_content(int fd)
{
	CHECK(touch(map + PG) == 0);
	CHECK(right(map, LEN, AT));
}

static void gets_sigbus(int fd)
{
	CHECK(touch(map + PG) == SIGBUS);
	CHECK(touch(map) == SIGBUS);
}

/* Starts the actor, takes the event of its mmap, and lets the other thread go until it sleeps or is done. */
#define start(open_flags, prot, flags, run, must_sleep) \
({ \
	pid_t __actor = actor(); \
	if (!__actor) \
		map_with_other(self->top, open_flags, prot, flags, run); \
	must_get(self->fan, &ev); \
	expect_range(ev, __actor); \
	set(&shared->step, 1); \
	EXPECT_EQ(must_sleep, sleeps(0)); \
	__actor; \
})

/* Policies */

TEST_F(gate, exact_range_once)
{
	pid_t pid;

	/* tmpfs has no such events: that the mark is refused is all there is to see. */
	if (!self->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDONLY);

		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		CHECK(right(map, LEN, AT));
		_exit(0);
	}
	must_get(self->fan, &ev);
	expect_range(ev, pid);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

TEST_F(gate, refused)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDONLY);
		int p[2];

		catch_signals();
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(touch(map) == SIGBUS);
		CHECK(!pipe(p));
		CHECK(errno_of(write(p[1], (void *)map, 10)) == -EFAULT);
		if (!fork())
			_exit(touch(map + PG) == SIGBUS ? 0 : 1);
		wait(p);
		CHECK(p[0] == 0);
		_exit(0);
	}
	must_get(self->fan, &ev);
	answer(self->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

FIXTURE(policy) { FIXTURE_DATA(gate) gate; };
FIXTURE_SETUP(policy) { }
FIXTURE_TEARDOWN(policy)
{
	struct _test_data_gate *g = &self->gate;

	close(g->fan);
	umount2(g->top, MNT_DETACH);
	rmdir(g->top);
	place_teardown(&g->place, STACK);
}

TEST_F(policy, fill)
{
	struct _test_data_gate *self_gate = &self->gate;
	pid_t pid;

	setup(_metadata, self_gate, "mmap=fill");
	if (!self_gate->watchable)
		return;
	pid = actor();
	if (!pid) {
		/* Who cannot read cannot map. */
		int fd = open_top(self_gate->top, O_WRONLY);

		CHECK(fd >= 0);
		fd = open_top(self_gate->top, O_RDONLY);
		CHECK(fd >= 0);
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		CHECK(errno_of(open_top(self_gate->top, O_RDWR)) == -EPERM);
		_exit(0);
	}
	must_get(self_gate->fan, &ev);
	EXPECT_EQ(0, ev.off);
	EXPECT_EQ(SIZE, ev.len);
	EXPECT_EQ(pid, ev.pid);
	fill_and_allow(self_gate->fan, &ev);
	must_get(self_gate->fan, &ev);
	EXPECT_EQ(SIZE, ev.len);
	answer(self_gate->fan, &ev, FAN_DENY);
	must_end(pid);
	EXPECT_FALSE(pending(self_gate->fan, 0));
}

TEST_F(policy, refuse)
{
	struct _test_data_gate *self_gate = &self->gate;
	pid_t pid;
	int fd;

	setup(_metadata, self_gate, "mmap=refuse");
	if (!self_gate->watchable)
		return;
	pid = actor();
	if (!pid) {
		char c;

		fd = open_top(self_gate->top, O_RDWR);
		CHECK(fd >= 0);
		CHECK(mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT) == MAP_FAILED && errno == ENODEV);
		CHECK(mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, AT) == MAP_FAILED && errno == ENODEV);
		CHECK(pread(fd, &c, 1, AT) == 1);
		_exit(0);
	}
	must_get(self_gate->fan, &ev);
	answer(self_gate->fan, &ev, FAN_ALLOW);
	must_end(pid);
	/* Nobody watches: everything can be mapped. */
	ASSERT_EQ(0, fanotify_mark(self_gate->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	fd = open_top(self_gate->top, O_RDONLY);
	EXPECT_NE(MAP_FAILED, mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT));
}

TEST_F(policy, trust)
{
	struct _test_data_gate *self_gate = &self->gate;
	pid_t pid;

	setup(_metadata, self_gate, "mmap=trust");
	if (!self_gate->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self_gate->top, O_RDONLY);

		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(map[0] == 0);
		_exit(0);
	}
	must_end(pid);
	EXPECT_FALSE(pending(self_gate->fan, 0));
}

/* Other threads and processes */

TEST_F(gate, thread_waits_and_sees_content)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, sees_content, true);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

TEST_F(gate, thread_waits_and_is_refused)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, gets_sigbus, true);
	answer(self->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

static void forks_and_sees_content(int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		set(&shared->tid[2], getpid());
		sees_content(fd);
		set(&shared->done[2], 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST_F(gate, fork_while_closed)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, forks_and_sees_content, true);
	EXPECT_TRUE(sleeps(2));
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

/* Who asked is killed, nobody has answered: the next one asks, with its own name. */
static void leaves_a_child(int fd)
{
	pid_t pid = fork();

	if (!pid) {
		int p[2];

		prctl(PR_SET_PDEATHSIG, 0);
		set(&shared->tid[1], getpid());
		wait_for(&shared->step, 2);
		CHECK(!pipe(p));
		/* The kernel cannot wait in the middle of a write; what it was to touch is asked for after it. */
		CHECK(errno_of(write(p[1], (void *)map, 100)) == -EFAULT);
		CHECK(errno_of(write(p[1], (void *)map, 100)) == 100);
		sees_content(fd);
		set(&shared->done[1], 1);
		_exit(0);
	}
}

TEST_F(gate, asker_killed_child_asks)
{
	struct event second;
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, leaves_a_child, false);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	/* Nobody waits for it any more; but the kernel still has it, under this number. */
	answer(self->fan, &ev, FAN_ALLOW);
	set(&shared->step, 2);
	must_get(self->fan, &second);
	expect_range(second, get(&shared->tid[1]));
	fill_and_allow(self->fan, &second);
	must_reach(1);
	expect_no_more();
}

/* Another process with the same memory, not a thread. */
static char stack[64 * 1024];

static int shares_memory(void *arg)
{
	set(&shared->tid[1], getpid());
	wait_for(&shared->step, 2);
	if (__atomic_load_n((long *)map, __ATOMIC_RELAXED) == 0)
		set(&shared->wrong, __LINE__);
	set(&shared->done[1], 1);
	_exit(0);
}

static void clones_memory(int fd)
{
	CHECK(clone(shares_memory, stack + sizeof(stack), CLONE_VM, NULL) > 0);
}

TEST_F(gate, asker_killed_memory_shared)
{
	struct event second;
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, clones_memory, false);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	/* Nobody waits for it any more; but the kernel still has it, under this number. */
	answer(self->fan, &ev, FAN_ALLOW);
	set(&shared->step, 2);
	must_get(self->fan, &second);
	expect_range(second, get(&shared->tid[1]));
	fill_and_allow(self->fan, &second);
	must_reach(1);
	expect_no_more();
}

/* The kernel's own accesses fail meanwhile, and work when tried again. */
static void kernel_accesses(int fd)
{
	int p[2];

	CHECK(!pipe(p));
	CHECK(write(p[1], "abcd", 4) == 4);
	CHECK(errno_of(read(p[0], (void *)map, 4)) == -EFAULT);
	CHECK(errno_of(read(p[0], (void *)map, 4)) == 4);
	CHECK(map[0] == 'a');
	map[0] = 'b';
	CHECK(write(p[1], (void *)map, 4) == 4);
}

TEST_F(gate, system_calls_fail_then_work)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, kernel_accesses, true);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

/* From outside: process_vm_readv, /proc/PID/mem. They do not ask, and do not get to see anything. */
TEST_F(gate, remote_access)
{
	char buf[100], path[64];
	struct iovec local = { buf, 100 }, remote = { NULL, 100 };
	pid_t pid;
	int mem;

	if (!self->watchable)
		return;
	reserve();		/* the actor's threads have it at the same place */
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDONLY);

		CHECK(map_there(fd, PROT_READ, MAP_SHARED) == map);
		set(&shared->done[1], 1);
		wait_for(&shared->step, 2);
		_exit(0);
	}
	must_get(self->fan, &ev);
	remote.iov_base = (void *)map;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	ASSERT_LE(0, mem);
	EXPECT_EQ(-EFAULT, errno_of(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
	EXPECT_EQ(-EIO, errno_of(pread(mem, buf, 100, (off_t)map)));
	EXPECT_EQ(-EIO, errno_of(pwrite(mem, "x", 1, (off_t)map)));
	fill_and_allow(self->fan, &ev);
	must_reach(1);
	EXPECT_EQ(100, errno_of(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
	EXPECT_TRUE(right(buf, 100, AT));
	EXPECT_EQ(100, errno_of(pread(mem, buf, 100, (off_t)map)));
	set(&shared->step, 2);
	must_end(pid);
	expect_no_more();
	close(mem);
}

/* What happens to the mapping meanwhile */

static void moves(int fd)
{
	char *to = mmap(NULL, LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mremap((void *)map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(touch(map) == SIGSEGV);
	CHECK(touch(to) == 0);
	CHECK(right(to, LEN, AT));
	/* Smaller, then as large as before: growing is refused */
	CHECK(mremap((void *)to, LEN, LEN - PG, 0) == to);
	CHECK(mremap((void *)to, LEN - PG, LEN, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK(right(to, LEN - PG, AT));
}

TEST_F(gate, moved)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, moves, true);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

static void splits(int fd)
{
	CHECK(!munmap((void *)map + PG, PG));
	CHECK(!mprotect((void *)map + 3 * PG, PG, PROT_READ | PROT_WRITE));
	CHECK(touch(map + PG) == SIGSEGV);
	CHECK(touch(map + 3 * PG) == 0);
	CHECK(right(map, PG, AT));
	CHECK(right(map + 2 * PG, 2 * PG, AT + 2 * PG));
	map[3 * PG] = 'x';
}

TEST_F(gate, split)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDWR, PROT_READ, MAP_SHARED, splits, true);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

static void covers_half(int fd)
{
	CHECK(mmap((void *)map, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map);
	CHECK(map[0] == 0);
	CHECK(touch(map + 2 * PG) == 0);
	CHECK(right(map + 2 * PG, 2 * PG, AT + 2 * PG));
}

TEST_F(gate, half_mapped_over)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, covers_half, true);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

static void unmaps(int fd)
{
	CHECK(!munmap((void *)map, LEN));
	CHECK(!close(fd));
}

TEST_F(gate, unmapped_before_the_answer)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = start(O_RDONLY, PROT_READ, MAP_SHARED, unmaps, false);
	/* The work that waits is all that holds the file, and with it the mount and the modules. */
	EXPECT_EQ(-EBUSY, errno_of(umount(self->top)));
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

/* Two mappings side by side, each with its gate, become alike: none opens the other's pages. */
TEST_F(gate, neighbours_do_not_merge)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDWR);

		catch_signals();
		reserve();
		CHECK(mmap((void *)map, 2 * PG, PROT_READ, MAP_SHARED | MAP_FIXED, fd, AT) == map);
		CHECK(mmap((void *)map + 2 * PG, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			   AT + 2 * PG) == map + 2 * PG);
		CHECK(!mprotect((void *)map, LEN, PROT_READ | PROT_WRITE));
		CHECK(right(map, 2 * PG, AT));
		CHECK(touch(map + 2 * PG) == SIGBUS);
		CHECK(touch(map + 3 * PG) == SIGBUS);
		_exit(0);
	}
	must_get(self->fan, &ev);
	EXPECT_EQ(AT, ev.off);
	fill_and_allow(self->fan, &ev);
	must_get(self->fan, &ev);
	EXPECT_EQ(AT + 2 * PG, ev.off);
	EXPECT_EQ(2 * PG, ev.len);
	answer(self->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

/* Kinds of mappings */

TEST_F(gate, private_write)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDONLY);

		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, AT);
		CHECK(map != MAP_FAILED);
		map[PG] = 0;
		CHECK(right(map + PG + 1, LEN - PG - 1, AT + PG + 1));
		CHECK(right(map, PG, AT));
		_exit(0);
	}
	must_get(self->fan, &ev);
	expect_range(ev, pid);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
	/* Without the mark, or our own look would be an event. */
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	EXPECT_EQ(-1, differs(must_open(self->place.under, "f", O_RDONLY), LEN, AT, SEED));
}

TEST_F(gate, populate)
{
	pid_t pid;

	if (!self->watchable)
		return;
	pid = actor();
	if (!pid) {
		int fd = open_top(self->top, O_RDONLY);

		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		_exit(0);
	}
	must_get(self->fan, &ev);
	expect_range(ev, pid);
	fill_and_allow(self->fan, &ev);
	must_end(pid);
	expect_no_more();
}

/* Programs and shared libraries */

/* Allows everything until the actor has ended, filling "f" from STORE. */
static bool serve_until_end(int fan, int store, pid_t pid)
{
	static char buf[1 << 20];
	int status, events = 0;
	struct event e;

	for (;;) {
		if (!pending(fan, 50)) {
			if (waitpid(pid, &status, WNOHANG) == pid)
				return status == 0 && events > 0;
			continue;
		}
		if (!next_event(fan, &e))
			return false;
		events++;
		for (uint64_t pos = e.off; pos < e.off + e.len;) {
			size_t want = e.off + e.len - pos < sizeof(buf) ? e.off + e.len - pos : sizeof(buf);
			ssize_t n = pread(store, buf, want, pos);

			if (n <= 0)
				break;
			if (pwrite(e.fd, buf, n, pos) != n)
				return false;
			pos += n;
		}
		answer(fan, &e, FAN_ALLOW);
	}
}

#define make_placeholder_of(path) \
({ \
	int __store = open(path, O_RDONLY); \
	struct stat __st; \
	int __fd = must_open(self->place.under, "f", O_RDWR); \
	\
	ASSERT_LE(0, __store) TH_LOG("%s: %m", path); \
	ASSERT_EQ(0, fstat(__store, &__st)); \
	ASSERT_EQ(0, ftruncate(__fd, 0)); \
	ASSERT_EQ(0, ftruncate(__fd, __st.st_size)); \
	close(__fd); \
	__store; \
})

TEST_F(gate, program)
{
	int store;
	pid_t pid;

	if (!self->watchable)
		return;
	/* The mark's own group must not see how the placeholder is made. */
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	store = make_placeholder_of("/bin/true");
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, self->place.under, "f"));
	pid = actor();
	if (!pid) {
		char path[PATH_MAX + 2];

		snprintf(path, sizeof(path), "%s/f", self->top);
		execl(path, path, NULL);
		_exit(99);
	}
	EXPECT_TRUE(serve_until_end(self->fan, store, pid));
}

static int find_libm(struct dl_phdr_info *info, size_t size, void *path)
{
	if (!strstr(info->dlpi_name, "libc.so"))
		return 0;
	snprintf(path, PATH_MAX, "%.*slibm.so.6", (int)(strrchr(info->dlpi_name, '/') + 1 - info->dlpi_name),
		 info->dlpi_name);
	return 1;
}

TEST_F(gate, shared_library)
{
	char lib[PATH_MAX] = "";
	int store;
	pid_t pid;

	if (!self->watchable)
		return;
	ASSERT_EQ(1, dl_iterate_phdr(find_libm, lib));
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
	store = make_placeholder_of(lib);
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, self->place.under, "f"));
	pid = actor();
	if (!pid) {
		double (*power)(double x, double y);
		char path[PATH_MAX + 2];
		void *handle;

		snprintf(path, sizeof(path), "%s/f", self->top);
		handle = dlopen(path, RTLD_NOW);
		CHECK(handle);
		power = dlsym(handle, "pow");
		CHECK(power && power(2.0, 10.0) == 1024.0);
		_exit(0);
	}
	EXPECT_TRUE(serve_until_end(self->fan, store, pid)) TH_LOG("line %d", get(&shared->wrong));
}

/* Two stacks, watched in the middle and below: two gates on one mapping, asked from the top down. */
static void map_nested(struct __test_metadata *const _metadata, struct _test_data_gate *self, int deny)
{
	char middle[PATH_MAX];
	struct stat below;
	pid_t pid;

	ASSERT_EQ(0, fstatat(self->place.under, "f", &below, 0));
	snprintf(middle, sizeof(middle), "%.4000s.2", self->top);
	ASSERT_EQ(0, mkdir(middle, 0755));
	ASSERT_EQ(0, mount(self->top, middle, "passfs", 0, NULL));
	ASSERT_EQ(0, watch(self->fan, 0, FAN_PRE_ACCESS, open(self->top, O_RDONLY | O_DIRECTORY), "f"));
	pid = actor();
	if (!pid) {
		int fd = open_top(middle, O_RDONLY);

		catch_signals();
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		if (deny) {
			CHECK(touch(map) == SIGBUS);
			_exit(0);
		}
		CHECK(touch(map) == 0);
		CHECK(right(map, LEN, AT));
		_exit(0);
	}
	must_get(self->fan, &ev);
	expect_range(ev, pid);
	EXPECT_NE(below.st_dev, ev.dev);
	if (deny == 1) {
		answer(self->fan, &ev, FAN_DENY);
	} else {
		answer(self->fan, &ev, FAN_ALLOW);
		must_get(self->fan, &ev);
		expect_range(ev, pid);
		EXPECT_EQ(below.st_dev, ev.dev);
		if (deny == 2)
			answer(self->fan, &ev, FAN_DENY);
		else
			fill_and_allow(self->fan, &ev);
	}
	must_end(pid);
	expect_no_more();
	ASSERT_EQ(0, umount2(middle, MNT_DETACH));
	rmdir(middle);
}

TEST_F(gate, nested)
{
	if (!self->watchable)
		return;
	map_nested(_metadata, self, 0);
}

TEST_F(gate, nested_refused_above)
{
	if (!self->watchable)
		return;
	map_nested(_metadata, self, 1);
}

TEST_F(gate, nested_refused_below)
{
	if (!self->watchable)
		return;
	map_nested(_metadata, self, 2);
}

TEST_HARNESS_MAIN
