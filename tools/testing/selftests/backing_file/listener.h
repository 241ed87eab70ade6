/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener for permission events whose test tells it when to answer what, and an actor: a process that does what
 * raises them. Include after <kselftest_harness.h> and "place.h".
 *
 * The test is the listener. The actor is a child; where it finds something wrong it notes the line and ends. They talk
 * through shared memory and wait for each other's steps, not for time; every wait has a limit: what hangs fails.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "pre_content.h"

#define PATIENCE 60000	/* ms: emulated machines are slow */

struct event {
	int fd, pid;
	uint64_t mask, off, len;
	dev_t dev;
	ino_t ino;
	bool dir;
};

/* What test and actor share. */
struct shared {
	int step;		/* how far the test lets the actor go */
	int tid[4];		/* threads and children of the actor: before they do what may block */
	int done[4];		/* ... and after */
	int wrong;		/* the line where the actor found something wrong */
};

static struct shared *shared;

static inline void set(int *p, int value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline int get(int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* For the actor. */
#define CHECK(cond) \
do { \
	if (!(cond)) { \
		set(&shared->wrong, __LINE__); \
		_exit(1); \
	} \
} while (0)

static inline void wait_for(int *p, int value)
{
	while (get(p) < value)
		usleep(1000);
}

/* For the test: whether an actor got there, in time. */
static inline bool reaches(int *p, int value)
{
	for (int n = 0; n < PATIENCE / 10 && get(p) < value && !get(&shared->wrong); n++)
		usleep(1000);
	return get(p) >= value;
}

static inline void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Whether FILE can be watched so; 0 or the negative errno. */
static inline int watch(int fan, unsigned int flags, uint64_t mask, int dir, const char *name)
{
	return fanotify_mark(fan, FAN_MARK_ADD | flags, mask, dir, name) ? -errno : 0;
}

static inline bool pending(int fan, int ms)
{
	struct pollfd p = { .fd = fan, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Reads one event; one without a range has a length of 0. */
static inline bool next_event(int fan, struct event *ev)
{
	struct {
		struct fanotify_event_metadata meta;
		struct fanotify_event_info_range range;
	} buf = {};
	struct stat st;

	if (!pending(fan, PATIENCE) || read(fan, &buf, sizeof(buf)) < (ssize_t)sizeof(buf.meta))
		return false;
	*ev = (struct event){ .fd = buf.meta.fd, .pid = buf.meta.pid, .mask = buf.meta.mask };
	if (buf.meta.event_len >= sizeof(buf) && buf.range.hdr.info_type == FAN_EVENT_INFO_TYPE_RANGE) {
		ev->off = buf.range.offset;
		ev->len = buf.range.count;
	}
	if (!fstat(ev->fd, &st)) {
		ev->dev = st.st_dev;
		ev->ino = st.st_ino;
		ev->dir = S_ISDIR(st.st_mode);
	}
	return true;
}

static inline void answer(int fan, struct event *ev, uint32_t response)
{
	struct fanotify_response r = { .fd = ev->fd, .response = response };

	if (write(fan, &r, sizeof(r)) != sizeof(r))
		perror("answer");
	close(ev->fd);
}

/* Waits until a thread or child of the actor sleeps in the kernel, or is past what it was to sleep in. */
static inline bool sleeps(int i)
{
	char path[64], line[512], *p;
	FILE *f;

	for (int n = 0; n < PATIENCE / 10; n++, usleep(1000)) {
		if (get(&shared->done[i]))
			return false;
		if (!get(&shared->tid[i]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", get(&shared->tid[i]));
		f = fopen(path, "r");
		if (!f)
			continue;
		p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (p && (p[2] == 'S' || p[2] == 'D'))
			return true;
	}
	return false;
}

#define must_get(fan, ev) ASSERT_TRUE(next_event(fan, ev))

/* The actor ended well. */
#define must_end(pid) \
do { \
	int __status; \
	ASSERT_EQ(pid, waitpid(pid, &__status, 0)); \
	EXPECT_EQ(0, __status) TH_LOG("the actor found something wrong at line %d", get(&shared->wrong)); \
} while (0)

/* Something that the test does not wait for with waitpid() has come to its end. */
#define must_reach(i) \
	EXPECT_TRUE(reaches(&shared->done[i], 1))

/* Waits for an answer that cannot come must not outlive a test that failed. */
#define actor() \
({ \
	pid_t __pid = fork(); \
	if (!__pid) \
		prctl(PR_SET_PDEATHSIG, SIGKILL); \
	__pid; \
})

#endif
