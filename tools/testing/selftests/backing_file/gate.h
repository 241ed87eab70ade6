/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A placeholder on the backing filesystem, watched there, on a passfs of its own whose option mmap= a fixture chooses.
 * Include after <kselftest_harness.h>, "place.h" and "listener.h", say GATED(fixture, "mmap=...").
 */
#ifndef GATE_H
#define GATE_H

#include <setjmp.h>
#include <sys/prctl.h>

#define PG 4096ul
#define SIZE (16 * PG)
/* What is mapped. */
#define AT (4 * PG)
#define LEN (4 * PG)
#define SEED 7

/*
 * @place: where the placeholder "f" is
 * @top: the mount
 * @fan: the listener
 */
struct gate {
	struct place place;
	char top[PATH_MAX];
	int fan;
};

/* That of the running test. */
static struct gate *gate;
static struct event ev;
static char *map;

static inline int watch_below(void)
{
	return watch(gate->fan, 0, FAN_PRE_ACCESS, gate->place.under, "f");
}

/* Without the mark, or the test's own use of the file would be an event that it waits for. */
static inline int watch_nothing(void)
{
	return fanotify_mark(gate->fan, FAN_MARK_FLUSH, 0, AT_FDCWD, "/");
}

static inline void gate_setup(struct __test_metadata *const _metadata, struct gate *g, const char *options)
{
	int fd;

	if (fs_is("tmpfs"))
		SKIP(return, "this filesystem has no pre-content events");
	gate = g;
	share();
	place_setup(_metadata, &g->place, STACK);
	snprintf(g->top, sizeof(g->top), "/tmp/gate.%d", getpid());
	ASSERT_EQ(0, mkdir(g->top, 0755));
	ASSERT_EQ(0, mount(g->place.under_path, g->top, "passfs", 0, options)) TH_LOG("%s: %m", options);
	fd = must_open(g->place.under, "f", O_RDWR | O_CREAT, 0755);
	ASSERT_EQ(0, ftruncate(fd, SIZE));
	close(fd);
	g->fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE);
	ASSERT_LE(0, g->fan) TH_LOG("%m");
	ASSERT_EQ(0, watch_below());
}

static inline void gate_teardown(void)
{
	close(gate->fan);
	umount2(gate->top, MNT_DETACH);
	rmdir(gate->top);
	place_teardown(&gate->place, STACK);
}

#define GATED(name, options) \
FIXTURE(name) { struct gate gate; }; \
FIXTURE_SETUP(name) { gate_setup(_metadata, &self->gate, options); } \
FIXTURE_TEARDOWN(name) { gate_teardown(); } \
struct gate

static inline int open_in(const char *mount, int flags)
{
	char path[PATH_MAX + 2];

	snprintf(path, sizeof(path), "%s/f", mount);
	return open(path, flags);
}

static inline int open_top(int flags)
{
	return open_in(gate->top, flags);
}

/* What a storage manager does, then allows. */
static inline void fill_and_allow(struct event *e)
{
	char *buf = malloc(e->len);
	size_t len = e->off + e->len > SIZE ? SIZE - e->off : e->len;

	fill(buf, len, e->off, SEED);
	if (pwrite(e->fd, buf, len, e->off) != (ssize_t)len)
		perror("fill");
	free(buf);
	answer(gate->fan, e, FAN_ALLOW);
}

static inline bool right(char *at, size_t len, off_t pos)
{
	char *want = malloc(len);
	bool same;

	fill(want, len, pos, SEED);
	same = !memcmp(want, (char *)at, len);
	free(want);
	return same;
}

static __thread sigjmp_buf jump;

static inline void on_signal(int sig)
{
	siglongjmp(jump, sig);
}

static inline void catch_signals(void)
{
	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
}

/* Touches a byte: 0, or the signal it got. */
static inline int touch(char *at)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		__atomic_load_n(at, __ATOMIC_RELAXED);
	return sig;
}

/*
 * The system call that maps the file of a mapping once more, and asks nobody, has refused, and left no mapping: the
 * kernel makes room before it asks the file.
 */
static inline bool not_remapped(void)
{
	return remap_file_pages((void *)map, LEN, 0, 0, 0) == -1 && errno == EINVAL && touch(map) == SIGSEGV;
}

/* The watched file, opened when it was not: whoever looks there is not asked about. */
static int unwatched;

static inline void open_unwatched(struct __test_metadata *const _metadata)
{
	ASSERT_EQ(0, watch_nothing());
	unwatched = must_open(gate->place.under, "f", O_RDWR);
}

static inline void fill_file(struct __test_metadata *const _metadata, int fd)
{
	char buf[SIZE];

	fill(buf, SIZE, 0, SEED);
	ASSERT_EQ(SIZE, pwrite(fd, buf, SIZE, 0));
}

/* The actor maps the file twice, writable; each mapping is the file's, and stays what it was asked for. */
static inline void maps_writable(int fd)
{
	char byte;

	catch_signals();
	for (int i = 0; i < 2; i++) {
		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, AT);
		CHECK(map != MAP_FAILED);
		CHECK(right(map, LEN, AT));
		map[PG]++;
		CHECK(pread(unwatched, &byte, 1, AT + PG) == 1 && byte == map[PG]);
		map[PG]--;
		CHECK(not_remapped());
	}
	_exit(0);
}

#define expect_range(e, process) \
do { \
	EXPECT_EQ(FAN_PRE_ACCESS, (e).mask); \
	EXPECT_EQ(AT, (e).off); \
	EXPECT_EQ(LEN, (e).len); \
	EXPECT_EQ(process, (e).pid); \
} while (0)

#define expect_no_more() EXPECT_FALSE(pending(gate->fan, 0))

/* Another stack, on this one */
static char outer[PATH_MAX];

static inline void stack_on(struct __test_metadata *const _metadata, const char *below, const char *options)
{
	snprintf(outer, sizeof(outer), "%.4000s.2", gate->top);
	ASSERT_EQ(0, mkdir(outer, 0755));
	ASSERT_EQ(0, mount(below, outer, "passfs", 0, options));
}

static inline void unstack(struct __test_metadata *const _metadata)
{
	ASSERT_EQ(0, umount2(outer, MNT_DETACH));
	rmdir(outer);
}

static inline dev_t dev_of(const char *mount)
{
	struct stat st;

	return stat(mount, &st) ? 0 : st.st_dev;
}

#define watch_in(mount) ASSERT_EQ(0, watch(gate->fan, 0, FAN_PRE_ACCESS, open(mount, O_RDONLY | O_DIRECTORY), "f"))

#endif
