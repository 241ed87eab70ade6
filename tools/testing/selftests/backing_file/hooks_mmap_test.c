// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is mapped of a watched backing file is asked for, as the mount option mmap= says: with "lazy" exactly
 * the mapped bytes, once, for every kind of mapping, of programs and libraries too; with "fill" the whole file at open;
 * with "refuse" there is no mapping; with "trust" there is no event. What happens to a mapping while nobody has
 * answered yet is tested in hooks_gate_test.c.
 *
 * Bugs of the C code guarded here: mappings of a backing file raise no event at all; B15 (shifted range).
 */
#include <dlfcn.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include "kselftest_harness.h"
#include "place.h"
#include "listener.h"
#include "gate.h"

GATED(lazy, "mmap=lazy");
GATED(filled, "mmap=fill");
GATED(refused, "mmap=refuse");
GATED(trusted, "mmap=trust");

/* Kinds of mappings */

/* The actor maps so and looks at the content twice; the listener fills. */
static void map_and_look(struct __test_metadata *const _metadata, int prot, int flags, void (*look)(void))
{
	pid_t pid = actor();

	if (!pid) {
		map = mmap(NULL, LEN, prot, flags, open_top(O_RDONLY), AT);
		CHECK(map != MAP_FAILED);
		look();
		look();
		_exit(0);
	}
	must_get(gate->fan, &ev);
	expect_range(ev, pid);
	fill_and_allow(&ev);
	must_end(pid);
	expect_no_more();
}

static void sees_content(void)
{
	CHECK(right(map, LEN, AT));
}

TEST_F(lazy, exact_range_once)
{
	map_and_look(_metadata, PROT_READ, MAP_SHARED, sees_content);
}

TEST_F(lazy, populate)
{
	map_and_look(_metadata, PROT_READ, MAP_SHARED | MAP_POPULATE, sees_content);
}

static void writes_for_itself(void)
{
	map[PG] = 0;
	CHECK(right(map + PG + 1, LEN - PG - 1, AT + PG + 1));
	CHECK(right(map, PG, AT));
}

TEST_F(lazy, private_write)
{
	map_and_look(_metadata, PROT_READ | PROT_WRITE, MAP_PRIVATE, writes_for_itself);
	ASSERT_EQ(0, watch_nothing());
	EXPECT_EQ(-1, differs(must_open(gate->place.under, "f", O_RDONLY), LEN, AT, SEED));
}

TEST_F(lazy, writable)
{
	pid_t pid;

	open_unwatched(_metadata);
	ASSERT_EQ(0, watch_below());
	pid = actor();
	if (!pid)
		maps_writable(open_top(O_RDWR));
	for (int i = 0; i < 2; i++) {
		must_get(gate->fan, &ev);
		expect_range(ev, pid);
		fill_and_allow(&ev);
	}
	must_end(pid);
	expect_no_more();
}

TEST_F(lazy, denied)
{
	pid_t pid = actor();

	if (!pid) {
		int p[2];

		catch_signals();
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, open_top(O_RDONLY), AT);
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
	must_get(gate->fan, &ev);
	answer(gate->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
}

/* Programs and shared libraries */

/* Fills "f" from STORE and allows, until the actor has ended. */
static bool serve_until_end(int store, pid_t pid)
{
	static char buf[1 << 20];
	int status, events = 0;
	struct event e;

	for (;;) {
		if (!pending(gate->fan, 50)) {
			if (waitpid(pid, &status, WNOHANG) == pid)
				return status == 0 && events > 0;
			continue;
		}
		if (!next_event(gate->fan, &e))
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
		answer(gate->fan, &e, FAN_ALLOW);
	}
}

/* Makes "f" a placeholder of that file, which it opens. */
#define make_placeholder_of(path) \
({ \
	int __store = open(path, O_RDONLY), __fd; \
	struct stat __st; \
	\
	ASSERT_LE(0, __store) TH_LOG("%s: %m", path); \
	ASSERT_EQ(0, fstat(__store, &__st)); \
	ASSERT_EQ(0, watch_nothing()); \
	__fd = must_open(gate->place.under, "f", O_RDWR); \
	ASSERT_EQ(0, ftruncate(__fd, 0)); \
	ASSERT_EQ(0, ftruncate(__fd, __st.st_size)); \
	close(__fd); \
	ASSERT_EQ(0, watch_below()); \
	__store; \
})

static int execute(void)
{
	char path[PATH_MAX + 2];

	snprintf(path, sizeof(path), "%s/f", gate->top);
	execl(path, path, NULL);
	return errno;
}

TEST_F(lazy, program)
{
	int store = make_placeholder_of("/bin/true");
	pid_t pid = actor();

	if (!pid)
		_exit(execute());
	EXPECT_TRUE(serve_until_end(store, pid));
}

/* The kernel writes to a program's mappings while it executes it, so all of it is asked for before. */
TEST_F(lazy, program_is_denied)
{
	int store = make_placeholder_of("/bin/true"), status;
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, fstat(store, &st));
	pid = actor();
	if (!pid)
		_exit(execute());
	must_get(gate->fan, &ev);
	EXPECT_EQ(0, ev.off);
	EXPECT_EQ((st.st_size + PG - 1) & ~(PG - 1), ev.len);
	EXPECT_EQ(pid, ev.pid);
	answer(gate->fan, &ev, FAN_DENY);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
	expect_no_more();
}

static int find_libm(struct dl_phdr_info *info, size_t size, void *path)
{
	if (!strstr(info->dlpi_name, "libc.so"))
		return 0;
	snprintf(path, PATH_MAX, "%.*slibm.so.6", (int)(strrchr(info->dlpi_name, '/') + 1 - info->dlpi_name),
		 info->dlpi_name);
	return 1;
}

TEST_F(lazy, shared_library)
{
	char lib[PATH_MAX] = "";
	int store;
	pid_t pid;

	ASSERT_EQ(1, dl_iterate_phdr(find_libm, lib));
	store = make_placeholder_of(lib);
	pid = actor();
	if (!pid) {
		double (*power)(double x, double y);
		char path[PATH_MAX + 2];
		void *handle;

		snprintf(path, sizeof(path), "%s/f", gate->top);
		handle = dlopen(path, RTLD_NOW);
		CHECK(handle);
		power = dlsym(handle, "pow");
		CHECK(power && power(2.0, 10.0) == 1024.0);
		_exit(0);
	}
	EXPECT_TRUE(serve_until_end(store, pid)) TH_LOG("line %d", get(&shared->wrong));
}

/* Another stacking filesystem between this one and the file, and the older event. */

/* What is between it and the file */
static char lower[PATH_MAX];

static void stack_on_overlay(struct __test_metadata *const _metadata)
{
	char options[3 * PATH_MAX + 64];

	snprintf(lower, sizeof(lower), "%.4000s.ovl", gate->top);
	ASSERT_EQ(0, mkdir(lower, 0755));
	ASSERT_EQ(0, mkdirat(gate->place.plain, "lower", 0755));
	ASSERT_EQ(0, mkdirat(gate->place.plain, "work", 0755));
	snprintf(options, sizeof(options), "lowerdir=%s/lower,workdir=%s/work,upperdir=%s", gate->place.plain_path,
		 gate->place.plain_path, gate->place.under_path);
	ASSERT_EQ(0, mount("overlay", lower, "overlay", 0, options)) TH_LOG("%s: %m", options);
	stack_on(_metadata, lower, "mmap=lazy");
}

static void unstack_both(struct __test_metadata *const _metadata)
{
	unstack(_metadata);
	ASSERT_EQ(0, umount2(lower, MNT_DETACH));
	rmdir(lower);
}

TEST_F(lazy, writable_over_overlayfs)
{
	pid_t pid;

	open_unwatched(_metadata);
	fill_file(_metadata, unwatched);
	stack_on_overlay(_metadata);
	ASSERT_EQ(0, watch(gate->fan, 0, FAN_ACCESS_PERM, open(lower, O_RDONLY | O_DIRECTORY), "f"));
	pid = actor();
	if (!pid)
		maps_writable(open_in(outer, O_RDWR));
	for (int i = 0; i < 2; i++) {
		must_get(gate->fan, &ev);
		EXPECT_EQ(FAN_ACCESS_PERM, ev.mask);
		EXPECT_EQ(dev_of(lower), ev.dev);
		answer(gate->fan, &ev, FAN_ALLOW);
	}
	must_end(pid);
	expect_no_more();
	unstack_both(_metadata);
}

/* The file of the mapping is overlayfs' own, which knows nothing of the outermost user file; the stack is kept. */
TEST_F(lazy, tmpfile_over_overlayfs)
{
	pid_t pid;

	open_unwatched(_metadata);
	stack_on_overlay(_metadata);
	ASSERT_EQ(0, fanotify_mark(gate->fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_ACCESS_PERM, AT_FDCWD, lower));
	pid = actor();
	if (!pid) {
		int fd = open(outer, O_TMPFILE | O_RDWR, 0600);

		catch_signals();
		CHECK(fd >= 0);
		CHECK(!ftruncate(fd, SIZE));
		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED && !close(fd));
		CHECK(touch(map) == SIGBUS);
		set(&shared->step, 1);
		wait_for(&shared->step, 2);
		CHECK(not_remapped());
		_exit(0);
	}
	must_get(gate->fan, &ev);
	answer(gate->fan, &ev, FAN_DENY);
	ASSERT_TRUE(reaches(&shared->step, 1));
	EXPECT_EQ(-EBUSY, errno_of(umount(outer)));
	set(&shared->step, 2);
	must_end(pid);
	expect_no_more();
	EXPECT_EQ(0, umount(outer));
	ASSERT_EQ(0, mount(lower, outer, "passfs", 0, NULL));
	unstack_both(_metadata);
}

/* A manager of page faults would put what is in the page cache of tmpfs into the mapping. */

static long register_with_userfaultfd(const char *at)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)at, .len = LEN },
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	CHECK(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api));
	return errno_of(ioctl(uffd, UFFDIO_REGISTER, &reg));
}

TEST_F(lazy, userfaultfd)
{
	int store;
	pid_t pid;

	snprintf(lower, sizeof(lower), "%.4000s.tmp", gate->top);
	ASSERT_EQ(0, mkdir(lower, 0755));
	ASSERT_EQ(0, mount("tmpfs", lower, "tmpfs", 0, NULL));
	store = open_dir(_metadata, lower);
	fill_file(_metadata, must_open(store, "f", O_RDWR | O_CREAT, 0600));
	stack_on(_metadata, lower, "mmap=lazy");
	map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, must_open(store, "f", O_RDWR), AT);
	EXPECT_EQ(0, register_with_userfaultfd(map));
	ASSERT_EQ(0, watch(gate->fan, 0, FAN_ACCESS_PERM, store, "f"));
	pid = actor();
	if (!pid) {
		catch_signals();
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, open_in(outer, O_RDWR), AT);
		CHECK(map != MAP_FAILED);
		CHECK(register_with_userfaultfd(map) == -EINVAL);
		CHECK(touch(map) == SIGBUS);
		_exit(0);
	}
	must_get(gate->fan, &ev);
	answer(gate->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
	close(store);
	unstack_both(_metadata);
}

/* The other policies */

TEST_F(filled, whole_file_at_open)
{
	pid_t pid = actor();

	if (!pid) {
		int fd = open_top(O_WRONLY);

		/* Who cannot read cannot map, and is not asked about. */
		CHECK(fd >= 0);
		fd = open_top(O_RDONLY);
		CHECK(fd >= 0);
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		CHECK(errno_of(open_top(O_RDWR)) == -EPERM);
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		must_get(gate->fan, &ev);
		EXPECT_EQ(0, ev.off);
		EXPECT_EQ(SIZE, ev.len);
		EXPECT_EQ(pid, ev.pid);
		if (i == 0)
			fill_and_allow(&ev);
		else
			answer(gate->fan, &ev, FAN_DENY);
	}
	must_end(pid);
	expect_no_more();
}

static void cannot_map(const char *mount)
{
	int fd = open_in(mount, O_RDWR);
	char c;

	CHECK(fd >= 0);
	CHECK(mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT) == MAP_FAILED && errno == ENODEV);
	CHECK(mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, AT) == MAP_FAILED && errno == ENODEV);
	CHECK(pread(fd, &c, 1, AT) == 1);
}

TEST_F(refused, no_mapping)
{
	pid_t pid;
	int fd;

	stack_on(_metadata, gate->top, "mmap=trust");
	pid = actor();
	if (!pid) {
		cannot_map(gate->top);
		cannot_map(outer);
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		must_get(gate->fan, &ev);
		answer(gate->fan, &ev, FAN_ALLOW);
	}
	must_end(pid);
	expect_no_more();
	/* Nobody watches: everything can be mapped. */
	ASSERT_EQ(0, watch_nothing());
	fd = open_top(O_RDONLY);
	EXPECT_NE(MAP_FAILED, mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT));
	unstack(_metadata);
}

TEST_F(trusted, no_event)
{
	pid_t pid = actor();

	if (!pid) {
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, open_top(O_RDONLY), AT);
		CHECK(map != MAP_FAILED);
		CHECK(map[0] == 0);
		_exit(0);
	}
	must_end(pid);
	expect_no_more();
}

TEST_HARNESS_MAIN
