// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: of a stack on a stack each layer asks for what it lets through, the outer one first, by its own policy for
 * mappings, and for the bytes there are below, also where those between have not looked yet.
 */
#include "kselftest_harness.h"
#include "place.h"
#include "listener.h"
#include "gate.h"

GATED(lazy, "mmap=lazy");
GATED(filled, "mmap=fill");

/* Mappings */

/*
 * Watched on all three layers: asked from the top down, once each, until one denies; the events are those of a mapping
 * of the outer file, whose own the VFS raises, and of two gates on it. DENY is the number of the event that is denied.
 */
static void map_nested(struct __test_metadata *const _metadata, const char *options, int deny)
{
	dev_t devs[3];
	pid_t pid;

	stack_on(_metadata, gate->top, options);
	devs[0] = dev_of(outer);
	devs[1] = dev_of(gate->top);
	devs[2] = dev_of(gate->place.under_path);
	watch_in(outer);
	watch_in(gate->top);
	pid = actor();
	if (!pid) {
		int fd = open_in(outer, O_RDWR);

		catch_signals();
		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, AT);
		if (deny == 0) {
			CHECK(map == MAP_FAILED && errno == EPERM);
			_exit(0);
		}
		CHECK(map != MAP_FAILED);
		CHECK(touch(map) == (deny < 3 ? SIGBUS : 0));
		CHECK(deny < 3 || right(map, LEN, AT));
		CHECK(not_remapped());
		_exit(0);
	}
	for (int i = 0; i <= deny && i < 3; i++) {
		must_get(gate->fan, &ev);
		expect_range(ev, pid);
		EXPECT_EQ(devs[i], ev.dev);
		if (i == deny)
			answer(gate->fan, &ev, FAN_DENY);
		else if (i == 2)
			fill_and_allow(&ev);
		else
			answer(gate->fan, &ev, FAN_ALLOW);
	}
	must_end(pid);
	expect_no_more();
	unstack(_metadata);
}

TEST_F(lazy, nested)
{
	map_nested(_metadata, NULL, 3);
}

TEST_F(lazy, nested_denied_above)
{
	map_nested(_metadata, NULL, 0);
}

TEST_F(lazy, nested_denied_between)
{
	map_nested(_metadata, NULL, 1);
}

TEST_F(lazy, nested_denied_below)
{
	map_nested(_metadata, NULL, 2);
}

/* Watched between two stacks alone: the gate is the outer one's, the file of the mapping the inner one's. */
TEST_F(lazy, nested_writable)
{
	dev_t dev;
	pid_t pid;

	stack_on(_metadata, gate->top, NULL);
	open_unwatched(_metadata);
	fill_file(_metadata, unwatched);
	dev = dev_of(gate->top);
	watch_in(gate->top);
	pid = actor();
	if (!pid)
		maps_writable(open_in(outer, O_RDWR));
	for (int i = 0; i < 2; i++) {
		must_get(gate->fan, &ev);
		expect_range(ev, pid);
		EXPECT_EQ(dev, ev.dev);
		answer(gate->fan, &ev, FAN_ALLOW);
	}
	must_end(pid);
	expect_no_more();
	unstack(_metadata);
}

/* Each layer has its own policy: an outer one that trusts leaves it to the inner one to ask. */
TEST_F(lazy, nested_under_trust)
{
	pid_t pid;

	stack_on(_metadata, gate->top, "mmap=trust");
	watch_in(gate->top);
	pid = actor();
	if (!pid) {
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, open_in(outer, O_RDONLY), AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		_exit(0);
	}
	must_get(gate->fan, &ev);
	expect_range(ev, pid);
	EXPECT_EQ(dev_of(gate->place.under_path), ev.dev);
	fill_and_allow(&ev);
	must_end(pid);
	expect_no_more();
	unstack(_metadata);
}

/* The inner stack asks when the outer one opens its file. */
TEST_F(filled, nested)
{
	pid_t pid;

	stack_on(_metadata, gate->top, "mmap=refuse");
	pid = actor();
	if (!pid) {
		int fd = open_in(outer, O_RDONLY);

		CHECK(fd >= 0);
		map = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		CHECK(errno_of(open_in(outer, O_RDONLY)) == -EPERM);
		_exit(0);
	}
	must_get(gate->fan, &ev);
	EXPECT_EQ(SIZE, ev.len);
	fill_and_allow(&ev);
	must_get(gate->fan, &ev);
	answer(gate->fan, &ev, FAN_DENY);
	must_end(pid);
	expect_no_more();
	unstack(_metadata);
}

/* Sizes: the file is made longer at the bottom, by somebody the layers above have not heard of */

/*
 * What the actor does with the outer file, open since before, of which the layer between thinks that it has SIZE bytes,
 * while it has twice as many; the event is of the file between, which is watched.
 */
static void longer(struct __test_metadata *const _metadata, int flags, off_t off, size_t len, void (*use)(int fd))
{
	struct stat st;
	dev_t dev;
	pid_t pid;

	stack_on(_metadata, gate->top, NULL);
	open_unwatched(_metadata);
	dev = dev_of(gate->top);
	watch_in(gate->top);
	pid = actor();
	if (!pid) {
		int fd = open_in(outer, flags);

		CHECK(fd >= 0);
		set(&shared->tid[0], gettid());
		wait_for(&shared->step, 1);
		use(fd);
		_exit(0);
	}
	ASSERT_TRUE(reaches(&shared->tid[0], 1));
	ASSERT_EQ(0, ftruncate(unwatched, 2 * SIZE));
	set(&shared->step, 1);
	must_get(gate->fan, &ev);
	EXPECT_EQ(dev, ev.dev);
	EXPECT_EQ(pid, ev.pid);
	EXPECT_EQ(off, ev.off);
	EXPECT_EQ(len, ev.len);
	answer(gate->fan, &ev, FAN_ALLOW);
	must_end(pid);
	expect_no_more();
	ASSERT_EQ(0, fstat(unwatched, &st));
	EXPECT_EQ(flags & O_APPEND ? 2 * SIZE + PG : 2 * SIZE, st.st_size);
	unstack(_metadata);
}

static char page[PG];

static void appends(int fd)
{
	CHECK(errno_of(write(fd, page, PG)) == PG);
	CHECK(lseek(fd, 0, SEEK_CUR) == 2 * SIZE + PG);
}

TEST_F(lazy, append_behind_new_end)
{
	longer(_metadata, O_WRONLY | O_APPEND, 2 * SIZE, PG, appends);
}

static void reads_ahead(int fd)
{
	CHECK(!posix_fadvise(fd, SIZE, 0, POSIX_FADV_WILLNEED));
}

TEST_F(lazy, advice_up_to_new_end)
{
	longer(_metadata, O_RDONLY, SIZE, SIZE, reads_ahead);
}

static void finds_data(int fd)
{
	CHECK(lseek(fd, SIZE + PG, SEEK_DATA) == SIZE + PG);
	CHECK(lseek(fd, SIZE + PG, SEEK_HOLE) == 2 * SIZE);
	CHECK(errno_of(lseek(fd, 2 * SIZE, SEEK_DATA)) == -ENXIO);
	/* For the event. */
	CHECK(pread(fd, page, PG, SIZE) == PG);
}

TEST_F(lazy, data_up_to_new_end)
{
	longer(_metadata, O_RDONLY, SIZE, PG, finds_data);
}

TEST_HARNESS_MAIN
