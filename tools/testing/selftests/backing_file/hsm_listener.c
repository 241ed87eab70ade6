// SPDX-License-Identifier: GPL-2.0
/*
 * The listener of the hooks tests: its marks, the events it reads, how it reacts to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hsm_parts.h"

#define FROZEN 5000		/* us that the filesystem stays frozen while an operation goes on */

/* Marks */

bool watch_files(int fan, const char *dir, enum mark type)
{
	static const unsigned int flags[NMARKS] = { 0, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM, 0 };
	uint64_t mask = FAN_PRE_ACCESS | (type == PARENT ? FAN_EVENT_ON_CHILD : 0);
	char path[PATH_MAX + 4];

	for (int f = A; f <= B; f++) {
		if (type == INODE)
			snprintf(path, sizeof(path), "%s/%c", dir, "?ab"[f]);
		else
			snprintf(path, sizeof(path), "%s", dir);
		if (fanotify_mark(fan, FAN_MARK_ADD | flags[type], mask, AT_FDCWD, path))
			return wrong("%s mark on %s: %s", mark_names[type], path, strerror(errno));
	}
	return true;
}

/* A group is used again, without its old marks: closing one takes the kernel long. */
int group = -1;

int new_group(void)
{
	if (group < 0)
		group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE | O_CLOEXEC);
	if (group < 0)
		fatal("fanotify_init(FAN_CLASS_PRE_CONTENT)");
	return group;
}

void drop_group(void)
{
	if (group >= 0)
		close(group);
	group = -1;
}

void drop_marks(void)
{
	if (group >= 0 && (fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/") ||
			   fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, "/") ||
			   fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/")))
		fatal("removing marks");
}

bool listen_to(int layer, enum mark type)
{
	int fan = new_group();

	if ((!(layer & STACK) || watch_files(fan, dir_stack, type)) &&
	    (!(layer & BACKING) || watch_files(fan, dir_backing, type)) &&
	    (!(layer & DIRECT) || watch_files(fan, dir_direct, type)))
		return true;
	drop_group();
	return false;
}

/* Events */

int next_event(struct outcome *o)
{
	union {
		struct fanotify_event_metadata meta;
		char bytes[512];
	} buf;
	struct fanotify_event_info_range *range = (void *)(&buf.meta + 1);
	struct seen *seen = &o->seen[o->nseen];
	ssize_t n;

	/* Room for one only, so that each is answered before the next is taken. */
	n = read(group, &buf, sizeof(buf.meta) + sizeof(*range));
	if (n < (ssize_t)sizeof(buf.meta)) {
		wrong("cannot read the event: %s", strerror(errno));
		return -1;
	}
	if (o->nseen == ARRAY_LEN(o->seen)) {
		wrong("too many events");
		return -1;
	}
	memset(seen, 0, sizeof(*seen));
	seen->pid = buf.meta.pid;
	seen->mask = buf.meta.mask;
	if (n >= (ssize_t)(sizeof(buf.meta) + sizeof(*range)) && range->hdr.info_type == FAN_EVENT_INFO_TYPE_RANGE) {
		seen->r.off = range->offset;
		seen->r.len = range->count;
	} else {
		wrong("an event without a range");
	}
	identify(buf.meta.fd, seen);
	o->nseen++;
	return buf.meta.fd;
}

static bool tell(int fd, uint32_t response)
{
	struct fanotify_response r = { .fd = fd, .response = response };

	return write(group, &r, sizeof(r)) == sizeof(r) || wrong("cannot answer: %s", strerror(errno));
}

static bool respond(int fd, uint32_t response)
{
	bool ok = tell(fd, response);

	close(fd);
	return ok;
}

/* Fills the range of an event as a storage manager does: as much of it as is inside of the file. */
static bool fill_range(int fd, const struct seen *s)
{
	size_t off = s->r.off, end = s->r.len ? off + s->r.len : SIZE;

	if (end > SIZE)
		end = SIZE;
	if (off < end && pwrite(fd, full[s->r.file] + off, end - off, off) != (ssize_t)(end - off))
		return wrong("cannot fill: %s", strerror(errno));
	return true;
}

/* A listener of its own, that holds the group alone, until it is killed. */
static bool dies(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	drop_group();
	usleep(1000);
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid || wrong("the listener does not die");
}

/* Closing the descriptor may wait for the thaw (xfs then frees what it allocated ahead), so that comes after it. */
static bool react_frozen(int fd, enum how how, const struct seen *s)
{
	bool ok = true;

	if (!freezer_told('f', "freezing while an event waits")) {
		tell(fd, FAN_ALLOW);
		freezer_answers("freezing after the answer");
		ok = false;
	} else if (how == FREEZE_ALLOW) {
		ok = tell(fd, FAN_ALLOW);
		usleep(FROZEN);
	} else {
		freezer_told('T', "thawing");
		ok = fill_range(fd, s) & freezer_answers("thawing");
		return respond(fd, FAN_ALLOW) & ok;
	}
	ok &= freezer_told('t', "thawing");
	close(fd);
	return ok;
}

bool react(int fd, enum how how, const struct seen *s)
{
	char some[100];

	switch (how) {
	case ALLOW:
		/* A listener looks at what it is asked about; that must raise no event (B14). */
		if (pread(fd, some, sizeof(some), s->r.off) < 0)
			wrong("cannot read the event's descriptor: %s", strerror(errno));
		return respond(fd, FAN_ALLOW);
	case DENY:
		return respond(fd, FAN_DENY);
	case DENY_EIO:
		return respond(fd, FAN_DENY_ERRNO(EIO));
	case DENY_EBUSY:
		return respond(fd, FAN_DENY_ERRNO(EBUSY));
	case CLOSES:
		close(fd);
		drop_group();
		return true;
	case DIES:
		close(fd);
		return dies();
	case CALLER_DIES:
		kill(worker, SIGKILL);
		close(fd);
		return true;
	case FILLS:
		return fill_range(fd, s) & respond(fd, FAN_ALLOW);
	case FILLS_BESIDE:
		return fill_range(fds_of(s->layer)[s->r.file], s) & respond(fd, FAN_ALLOW);
	case FREEZE_ALLOW:
	case FREEZE_FILL:
		return react_frozen(fd, how, s);
	default:
		return wrong("unknown reaction");
	}
}

bool hsm_watchable(void)
{
	int fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDONLY);
	int ret = fanotify_mark(fan, FAN_MARK_ADD, FAN_PRE_ACCESS, AT_FDCWD, dir_backing);

	close(fan);
	if (ret && errno != EOPNOTSUPP)
		fatal("pre-content mark on the backing filesystem");
	return !ret;
}

