// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: with "mmap=lazy", nobody sees a byte of a mapping before the listener has allowed it, whoever touches the
 * mapping, in whichever way, and whatever happens to it meanwhile; and nobody raises a second event for it.
 */
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "place.h"
#include "listener.h"
#include "gate.h"
#include "hsm_async.h"

GATED(closed, "mmap=lazy");

/* An address where the actor's threads know the mapping will be. */
static void reserve(void)
{
	map = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *map_there(int fd, int prot, int flags)
{
	return mmap((void *)map, LEN, prot, flags | MAP_FIXED, fd, AT);
}

/* What others do while the answer is out */

/* Runs in a thread of the actor when the test says so; LEN bytes at map are closed, or have been opened since. */
typedef void (*other_fn)(int fd);

static struct {
	other_fn first;		/* before it is looked at whether the thread sleeps */
	other_fn run;
	int fd;
} other;

static void *waiting_thread(void *arg)
{
	wait_for(&shared->step, 1);
	if (other.first)
		other.first(other.fd);
	set(&shared->tid[0], gettid());
	other.run(other.fd);
	set(&shared->done[0], 1);
	return NULL;
}

/* The actor: maps in its main thread while another one waits for the test's word. */
static void map_with_other(int open_flags, int prot, int flags, other_fn run)
{
	pthread_t thread;
	char *got;

	catch_signals();
	reserve();
	other.run = run;
	other.fd = open_top(open_flags);
	CHECK(other.fd >= 0);
	CHECK(!pthread_create(&thread, NULL, waiting_thread, NULL));
	got = map_there(other.fd, prot, flags);
	CHECK(got == map);
	CHECK(!pthread_join(thread, NULL));
	_exit(0);
}

/* Starts the actor, takes the event of its mmap, and lets the other thread go until it sleeps or is done. */
#define start(open_flags, prot, flags, run, must_sleep) \
({ \
	pid_t __actor = actor(); \
	if (!__actor) \
		map_with_other(open_flags, prot, flags, run); \
	must_get(gate->fan, &ev); \
	expect_range(ev, __actor); \
	set(&shared->step, 1); \
	EXPECT_EQ(must_sleep, sleeps(0)); \
	__actor; \
})

/* All of a test in which the other thread comes to wait, and the listener fills. */
#define fill_after(open_flags, prot, flags, run) \
do { \
	pid_t __pid = start(open_flags, prot, flags, run, true); \
	fill_and_allow(&ev); \
	must_end(__pid); \
	expect_no_more(); \
} while (0)

/* Other threads and processes */

static void sees_content(int fd)
{
	CHECK(touch(map + PG) == 0);
	CHECK(right(map, LEN, AT));
}

TEST_F(closed, thread_waits_and_sees_content)
{
	fill_after(O_RDONLY, PROT_READ, MAP_SHARED, sees_content);
}

static void gets_sigbus(int fd)
{
	CHECK(touch(map + PG) == SIGBUS);
	CHECK(touch(map) == SIGBUS);
}

TEST_F(closed, thread_waits_and_is_refused)
{
	pid_t pid = start(O_RDONLY, PROT_READ, MAP_SHARED, gets_sigbus, true);

	answer(gate->fan, &ev, FAN_DENY);
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

TEST_F(closed, fork_while_closed)
{
	pid_t pid = start(O_RDONLY, PROT_READ, MAP_SHARED, forks_and_sees_content, true);

	EXPECT_TRUE(sleeps(2));
	fill_and_allow(&ev);
	must_end(pid);
	expect_no_more();
}

/* Who asked is killed, nobody has answered: the next one, left behind by the actor's thread, asks in its own name. */
static void asker_killed(struct __test_metadata *const _metadata, other_fn leave)
{
	struct event second;
	pid_t pid = start(O_RDONLY, PROT_READ, MAP_SHARED, leave, false);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	/* Nobody waits for it any more; but the kernel still has it, under this number. */
	answer(gate->fan, &ev, FAN_ALLOW);
	set(&shared->step, 2);
	must_get(gate->fan, &second);
	expect_range(second, get(&shared->tid[1]));
	fill_and_allow(&second);
	must_reach(1);
	expect_no_more();
}

static void leaves_a_child(int fd)
{
	int p[2];

	if (fork())
		return;
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

TEST_F(closed, asker_killed_child_asks)
{
	asker_killed(_metadata, leaves_a_child);
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

TEST_F(closed, asker_killed_memory_shared)
{
	asker_killed(_metadata, clones_memory);
}

/* From outside: process_vm_readv, /proc/PID/mem. They do not ask, and do not get to see anything. */
TEST_F(closed, remote_access)
{
	char buf[100], path[64];
	struct iovec local = { buf, 100 }, remote = { NULL, 100 };
	int mem, pidfd;
	pid_t pid;

	reserve();		/* the actor has it at the same place */
	pid = actor();
	if (!pid) {
		int fd = open_top(O_RDONLY);

		CHECK(map_there(fd, PROT_READ, MAP_SHARED) == map);
		set(&shared->done[1], 1);
		wait_for(&shared->step, 2);
		_exit(0);
	}
	must_get(gate->fan, &ev);
	remote.iov_base = (void *)map;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	ASSERT_LE(0, mem);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	EXPECT_EQ(100, errno_of(syscall(SYS_process_madvise, pidfd, &remote, 1, MADV_WILLNEED, 0)));
	EXPECT_EQ(-EFAULT, errno_of(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
	EXPECT_EQ(-EIO, errno_of(pread(mem, buf, 100, (off_t)map)));
	EXPECT_EQ(-EIO, errno_of(pwrite(mem, "x", 1, (off_t)map)));
	fill_and_allow(&ev);
	must_reach(1);
	EXPECT_EQ(100, errno_of(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
	EXPECT_TRUE(right(buf, 100, AT));
	EXPECT_EQ(100, errno_of(pread(mem, buf, 100, (off_t)map)));
	set(&shared->step, 2);
	must_end(pid);
	expect_no_more();
	close(mem);
}

/* The kernel's own accesses fail meanwhile, and work when tried again */

static void reads_and_writes(int fd)
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

TEST_F(closed, system_calls)
{
	fill_after(O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, reads_and_writes);
}

/* Reading ahead is the kernel's, without a hook; what is read so is filled like all else. */
static void reads_ahead(int fd)
{
	CHECK(!madvise((void *)map, LEN, MADV_WILLNEED));
}

static void populates(int fd)
{
	CHECK(errno_of(madvise((void *)map, LEN, MADV_POPULATE_READ)) == -EFAULT);
	CHECK(errno_of(madvise((void *)map, LEN, MADV_POPULATE_READ)) == 0);
	CHECK(right(map, LEN, AT));
}

TEST_F(closed, advice)
{
	other.first = reads_ahead;
	fill_after(O_RDONLY, PROT_READ, MAP_SHARED, populates);
}

static long uring_write(int fd, int opcode, int flags)
{
	return uring(&(struct io_uring_sqe){
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)map,
		.len = 100,
		.flags = flags,
	});
}

static void sees_written(int fd)
{
	char buf[100];

	CHECK(read(fd, buf, 100) == 100);
	CHECK(right(buf, 100, AT));
}

static int to_write[2];

/* A worker of io_uring has no user mode to ask on its way to; the submitter has. This makes the ring, too. */
static void worker_submits(int fd)
{
	CHECK(!pipe(to_write));
	CHECK(uring_write(to_write[1], IORING_OP_WRITE, IOSQE_ASYNC) == -EFAULT);
}

static void submits(int fd)
{
	CHECK(uring_write(to_write[1], IORING_OP_WRITE, 0) == -EFAULT);
	CHECK(uring_write(to_write[1], IORING_OP_WRITE, 0) == 100);
	sees_written(to_write[0]);
	CHECK(uring_write(to_write[1], IORING_OP_WRITE, IOSQE_ASYNC) == 100);
	sees_written(to_write[0]);
}

TEST_F(closed, buffer_of_io_uring)
{
	other.first = worker_submits;
	fill_after(O_RDONLY, PROT_READ, MAP_SHARED, submits);
}

/* Pages of a shared mapping of a file cannot be registered, on any filesystem. */
static void registers(int fd)
{
	CHECK(uring_register((void *)map, LEN) == -EFAULT);
	CHECK(uring_register((void *)map, LEN) == 0);
	CHECK(uring_write(to_write[1], IORING_OP_WRITE_FIXED, 0) == 100);
	sees_written(to_write[0]);
}

TEST_F(closed, registered_buffer_of_io_uring)
{
	other.first = worker_submits;
	fill_after(O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE, registers);
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

TEST_F(closed, moved)
{
	fill_after(O_RDONLY, PROT_READ, MAP_SHARED, moves);
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

TEST_F(closed, split)
{
	fill_after(O_RDWR, PROT_READ, MAP_SHARED, splits);
}

static void is_not_remapped(int fd)
{
	CHECK(not_remapped());
}

static void is_refused_and_not_remapped(int fd)
{
	gets_sigbus(fd);
	CHECK(not_remapped());
}

/* Those that are writable and shared, that is; others never can be. */
#define expect_remap_works() \
({ \
	int __fd = must_open(gate->place.plain, "f", O_RDWR | O_CREAT, 0600); \
	char *__at = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, __fd, 0); \
	\
	ASSERT_NE(MAP_FAILED, __at); \
	EXPECT_EQ(0, remap_file_pages(__at, LEN, 0, 1, 0)) TH_LOG("the kernel has no such system call: %m"); \
})

TEST_F(closed, remapped)
{
	pid_t pid;

	expect_remap_works();
	pid = start(O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, is_not_remapped, false);
	fill_and_allow(&ev);
	must_end(pid);
	expect_no_more();
}

TEST_F(closed, remapped_after_refusal)
{
	pid_t pid;

	expect_remap_works();
	pid = start(O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED, is_refused_and_not_remapped, true);
	answer(gate->fan, &ev, FAN_DENY);
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

TEST_F(closed, half_mapped_over)
{
	fill_after(O_RDONLY, PROT_READ, MAP_SHARED, covers_half);
}

static void covers(int fd)
{
	CHECK(map_there(fd, PROT_READ, MAP_SHARED) == map);
	CHECK(right(map, LEN, AT));
	set(&shared->done[1], 1);
	wait_for(&shared->step, 2);
	CHECK(right(map, LEN, AT));
}

/* A mapping in the place of one that nobody has answered for has its own answer. */
TEST_F(closed, mapped_over_again)
{
	struct event second;
	pid_t pid = start(O_RDONLY, PROT_READ, MAP_SHARED, covers, true);

	must_get(gate->fan, &second);
	expect_range(second, pid);
	fill_and_allow(&second);
	must_reach(1);
	answer(gate->fan, &ev, FAN_DENY);
	set(&shared->step, 2);
	must_end(pid);
	expect_no_more();
}

static void unmaps(int fd)
{
	CHECK(!munmap((void *)map, LEN));
	CHECK(!close(fd));
}

TEST_F(closed, unmapped_before_the_answer)
{
	pid_t pid = start(O_RDONLY, PROT_READ, MAP_SHARED, unmaps, false);

	/* The work that waits is all that holds the file, and with it the mount and the modules. */
	EXPECT_EQ(-EBUSY, errno_of(umount(gate->top)));
	fill_and_allow(&ev);
	must_end(pid);
	expect_no_more();
}

/*
 * Of two mappings side by side, each with its gate, a part becomes like the neighbour: it must not become part of it,
 * and so be opened by an answer that was not about its bytes.
 */
TEST_F(closed, neighbours_do_not_merge)
{
	pid_t pid = actor();

	if (!pid) {
		int fd = open_top(O_RDWR);

		catch_signals();
		reserve();
		CHECK(mmap((void *)map, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, AT) == map);
		CHECK(mmap((void *)map + 2 * PG, 2 * PG, PROT_READ, MAP_SHARED | MAP_FIXED, fd, AT + 2 * PG) ==
		      map + 2 * PG);
		CHECK(!mprotect((void *)map + 2 * PG, PG, PROT_READ | PROT_WRITE));
		CHECK(right(map, 2 * PG, AT));
		CHECK(touch(map + 2 * PG) == SIGBUS);
		CHECK(touch(map + 3 * PG) == SIGBUS);
		_exit(0);
	}
	must_get(gate->fan, &ev);
	EXPECT_EQ(AT, ev.off);
	EXPECT_EQ(2 * PG, ev.len);
	fill_and_allow(&ev);
	must_get(gate->fan, &ev);
	EXPECT_EQ(AT + 2 * PG, ev.off);
	EXPECT_EQ(2 * PG, ev.len);
	answer(gate->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

/* A huge page put together of what is in the page cache is not put into a closed mapping. */
#define HUGE (2ul * MIB)

static void collapses(int fd)
{
	CHECK(madvise((void *)map, HUGE, MADV_COLLAPSE) == -1);
	CHECK(touch(map) == SIGBUS);
}

TEST_F(closed, huge_page)
{
	pid_t pid;

	ASSERT_EQ(0, watch_nothing());
	make_file(_metadata, gate->place.under, "f", HUGE, SEED);
	ASSERT_EQ(0, fsync(must_open(gate->place.under, "f", O_RDWR)));
	ASSERT_EQ(0, watch_below());
	pid = actor();
	if (!pid) {
		int fd = open_top(O_RDONLY);
		pthread_t thread;

		catch_signals();
		map = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		map = (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));
		other.run = collapses;
		CHECK(!pthread_create(&thread, NULL, waiting_thread, NULL));
		CHECK(mmap((void *)map, HUGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == map);
		CHECK(!pthread_join(thread, NULL));
		_exit(0);
	}
	must_get(gate->fan, &ev);
	EXPECT_EQ(HUGE, ev.len);
	set(&shared->step, 1);
	EXPECT_TRUE(sleeps(0));
	answer(gate->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

TEST_HARNESS_MAIN
