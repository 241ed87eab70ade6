// SPDX-License-Identifier: GPL-2.0
/*
 * The storage manager of the hooks tests: marks files, has the worker do an operation, answers the events it raises,
 * and compares events, result and files with what they have to be.
 */
#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hsm.h"

#define PATIENCE 10000		/* ms for an operation with its events: emulated machines are slow */
#define HANG 60			/* s for a case, after which the watchdog ends everything */
#define FROZEN 5000		/* us that the filesystem stays frozen */

const char *const mark_names[NMARKS] = { "inode", "mount", "filesystem", "parent" };
const char *const how_names[NHOWS] = {
	[ALLOW] = "allow",
	[DENY] = "deny",
	[DENY_EIO] = "deny EIO",
	[DENY_EBUSY] = "deny EBUSY",
	[CLOSES] = "listener closes",
	[DIES] = "listener dies",
	[CALLER_DIES] = "caller dies",
	[FILLS] = "listener fills",
	[FILLS_BESIDE] = "listener fills beside",
	[FREEZE_ALLOW] = "freeze, allow",
	[FREEZE_FILL] = "freeze, fill",
};

char dir_backing[PATH_MAX], dir_stack[PATH_MAX], dir_direct[PATH_MAX];

static struct job *job;
static struct model model;
static pid_t worker, freezer;
static int worker_fd = -1, freezer_fd = -1;
/* a and b on the backing filesystem, opened before any mark: their use raises no event. */
static int backing_fd[NFILES], direct_fd[NFILES];
static unsigned char full[NFILES][SIZE];	/* data() of both */
static bool clean[2];			/* the files are as data() says */
static struct {
	dev_t dev;
	ino_t ino;
	int layer, file;
} known[16];				/* which files events can be about */
static int nknown;
static char why[1024];			/* what went wrong in this case */
static unsigned int tests;

static void fatal(const char *what)
{
	ksft_print_msg("%s: %s\n", what, strerror(errno));
	ksft_exit_fail_msg("cannot set up: %s\n", what);
}

/* Notes a reason; returns false. */
static __printf(1, 2) bool wrong(const char *fmt, ...)
{
	size_t used = strlen(why);
	va_list args;

	if (used)
		used += snprintf(why + used, sizeof(why) - used, "; ");
	if (used < sizeof(why)) {
		va_start(args, fmt);
		vsnprintf(why + used, sizeof(why) - used, fmt, args);
		va_end(args);
	}
	return false;
}

void hsm_result(bool ok, const char *fmt, ...)
{
	char name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (!ok)
		ksft_print_msg("%s: %s\n", name, why);
	tests++;
	ksft_test_result(ok, "%s\n", name);
	why[0] = 0;
}

/* Processes */

static void hook_up(pid_t *pid, int *fd, void (*serve)(int fd))
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fatal("socketpair");
	if (*fd >= 0)
		close(*fd);
	fflush(stdout);
	*pid = fork();
	if (*pid < 0)
		fatal("fork");
	if (!*pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	*fd = pair[0];
}

static void work(int fd)
{
	char c;

	while (read(fd, &c, 1) == 1) {
		do_op(job);
		if (write(fd, &c, 1) != 1)
			break;
	}
}

/* f: freeze, t: thaw, T: thaw after a moment. Answers with 0 or the errno. */
static void freezes(int fd)
{
	int dir = open(dir_backing, O_RDONLY | O_DIRECTORY);
	unsigned char c;

	while (read(fd, &c, 1) == 1) {
		if (c == 'T')
			usleep(FROZEN);
		c = ioctl(dir, c == 'f' ? FIFREEZE : FITHAW, 0) ? errno : 0;
		if (write(fd, &c, 1) != 1)
			break;
	}
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static bool freezer_answers(const char *what)
{
	unsigned char c;

	if (!readable(freezer_fd, PATIENCE))
		return wrong("%s does not come to an end", what);
	if (read(freezer_fd, &c, 1) != 1)
		return wrong("the freezer is gone");
	if (c)
		return wrong("%s: %s", what, strerror(c));
	return true;
}

static bool freezer_told(char c, const char *what)
{
	if (write(freezer_fd, &c, 1) != 1)
		return wrong("the freezer is gone");
	return c == 'T' || freezer_answers(what);
}

bool hsm_freeze(bool freeze)
{
	return freeze ? freezer_told('f', "freezing") : freezer_told('t', "thawing");
}

/* Files */

static void put(int fd, const unsigned char *buf, size_t len, size_t pos)
{
	if (pwrite(fd, buf, len, pos) != (ssize_t)len)
		fatal("write to the backing filesystem");
}

static int *fds_of(int layer)
{
	return layer == DIRECT ? direct_fd : backing_fd;
}

/* Gives both files the bytes of data(), or makes them holes of the same size. */
static void prepare(int layer, bool holes)
{
	int *fds = fds_of(layer);

	if (clean[layer == DIRECT] && !holes)
		return;
	for (int f = A; f <= B; f++) {
		if (ftruncate(fds[f], 0) || ftruncate(fds[f], SIZE))
			fatal("truncate on the backing filesystem");
		if (!holes)
			put(fds[f], full[f], SIZE, 0);
	}
	clean[layer == DIRECT] = !holes;
}

/* Compares a file with the model. */
static bool same_file(int layer, int f)
{
	static unsigned char buf[ROOM];
	int fd = fds_of(layer)[f];
	char path[PATH_MAX + 4];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) || (size_t)st.st_size != model.size[f])
		return wrong("%c has %llu bytes below, not %zu", "?ab"[f], (unsigned long long)st.st_size,
			     model.size[f]);
	n = pread(fd, buf, ROOM, 0);
	if (n != st.st_size)
		return wrong("%c: read %zd of %llu bytes below", "?ab"[f], n, (unsigned long long)st.st_size);
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != model.file[f][i])
			return wrong("%c differs below at byte %zd: %#x, not %#x", "?ab"[f], i, buf[i],
				     model.file[f][i]);
	}
	if (layer == DIRECT)
		return true;
	snprintf(path, sizeof(path), "%s/%c", dir_stack, "?ab"[f]);
	if (stat(path, &st) || (size_t)st.st_size != model.size[f])
		return wrong("%c has %llu bytes on the stack, not %zu", "?ab"[f], (unsigned long long)st.st_size,
			     model.size[f]);
	return true;
}

/* The files before an operation: full, or holes with what the listener filled in. */
static void model_start(const struct op *op, bool holes, const struct outcome *o)
{
	memset(&model, 0, sizeof(model));
	model.pos = op->pos;
	for (int f = A; f <= B; f++) {
		model.size[f] = SIZE;
		if (!holes)
			memcpy(model.file[f], full[f], SIZE);
	}
	for (int e = 0; holes && e < o->nseen; e++) {
		const struct range *r = &o->seen[e].r;
		size_t end = r->len ? r->off + r->len : SIZE;

		for (size_t i = r->off; i < end && i < SIZE; i++)
			model.file[r->file][i] = full[r->file][i];
	}
}

/* Marks */

static bool watch_files(int fan, const char *dir, enum mark type)
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
static int group = -1;

static int new_group(void)
{
	if (group < 0)
		group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE | O_CLOEXEC);
	if (group < 0)
		fatal("fanotify_init(FAN_CLASS_PRE_CONTENT)");
	return group;
}

static void drop_group(void)
{
	if (group >= 0)
		close(group);
	group = -1;
}

static void drop_marks(void)
{
	if (group >= 0 && (fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/") ||
			   fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, "/") ||
			   fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/")))
		fatal("removing marks");
}

static bool listen_to(int layer, enum mark type)
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

/* Reads one event and finds out what it is about; its descriptor, or -1. */
static int next_event(struct outcome *o)
{
	union {
		struct fanotify_event_metadata meta;
		char bytes[512];
	} buf;
	struct fanotify_event_info_range *range = (void *)(&buf.meta + 1);
	struct seen *seen = &o->seen[o->nseen];
	struct stat st;
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
	if (fstat(buf.meta.fd, &st))
		wrong("stat of the event's descriptor: %s", strerror(errno));
	for (int i = 0; i < nknown; i++) {
		if (st.st_dev == known[i].dev && st.st_ino == known[i].ino) {
			seen->layer = known[i].layer;
			seen->r.file = known[i].file;
		}
	}
	o->nseen++;
	return buf.meta.fd;
}

static bool respond(int fd, uint32_t response)
{
	struct fanotify_response r = { .fd = fd, .response = response };

	if (write(group, &r, sizeof(r)) != sizeof(r))
		return wrong("cannot answer: %s", strerror(errno));
	close(fd);
	return true;
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

/* Reacts to an event; returns whether the operation goes on as if allowed. */
static bool react(int fd, enum how how, const struct seen *s)
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
		if (!freezer_told('f', "freezing while an event waits")) {
			respond(fd, FAN_ALLOW);
			freezer_answers("freezing after the answer");
			freezer_told('t', "thawing");
			return false;
		}
		respond(fd, FAN_ALLOW);
		usleep(FROZEN);
		return freezer_told('t', "thawing");
	case FREEZE_FILL:
		if (!freezer_told('f', "freezing while an event waits")) {
			respond(fd, FAN_ALLOW);
			freezer_answers("freezing after the answer");
			freezer_told('t', "thawing");
			return false;
		}
		freezer_told('T', "thawing");
		fill_range(fd, s);
		freezer_answers("thawing");
		return respond(fd, FAN_ALLOW);
	default:
		return wrong("unknown reaction");
	}
}

/* Where the worker hangs, for the log. */
static void describe_worker(void)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stack", worker);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		ksft_print_msg("  worker: %s", line);
	if (f)
		fclose(f);
}

static void new_worker(void)
{
	kill(worker, SIGKILL);
	for (int i = 0; i < 300; i++) {
		if (waitpid(worker, NULL, WNOHANG) == worker)
			break;
		usleep(10000);
	}
	hook_up(&worker, &worker_fd, work);
}

/*
 * Has the worker do an operation in DIR. Event number AT is reacted to with HOW, the others are allowed; AT is -1 for
 * all. The marks are gone in the end.
 */
static bool perform(const struct op *op, const char *dir, enum how how, int at, struct outcome *o)
{
	struct pollfd p[2] = { { .fd = worker_fd, .events = POLLIN }, { .events = POLLIN } };
	bool ok = true;
	char c = 'o';

	memset(o, 0, sizeof(*o));
	snprintf(job->dir, sizeof(job->dir), "%s", dir);
	job->op = op - ops;
	if (write(worker_fd, &c, 1) != 1)
		return wrong("the worker is gone");
	for (;;) {
		int fd, n;

		p[1].fd = group;
		n = poll(p, 2, PATIENCE);
		if (n <= 0) {
			describe_worker();
			ok = wrong("it does not come to an end");
			break;
		}
		if (p[1].revents & POLLIN) {
			fd = next_event(o);
			if (fd < 0) {
				ok = false;
				break;
			}
			ok &= react(fd, at < 0 || at == o->nseen - 1 ? how : ALLOW, &o->seen[o->nseen - 1]);
			continue;
		}
		if (p[0].revents) {
			if (read(worker_fd, &c, 1) == 1)
				o->ret = job->ret;
			else
				o->ret = -EOWNERDEAD;
			break;
		}
	}
	/* An event that is not answered yet is answered by the end of the group. */
	if (!ok || o->ret == -EOWNERDEAD) {
		drop_group();
		new_worker();
	}
	drop_marks();
	return ok;
}

/* What should have come */

static struct seen rounded(int layer, const struct range *r)
{
	struct seen s = { .layer = layer, .r.file = r->file };

	s.r.off = r->off & ~(PG - 1);
	s.r.len = ((r->off + r->len + PG - 1) & ~(PG - 1)) - s.r.off;
	return s;
}

static int expected(const struct op *op, int layer, struct seen *want)
{
	const struct range *below = op->flags & OP_DIFFERS ? op->here : op->direct;
	int n = 0;

	for (int i = 0; (layer & (STACK | DIRECT)) && i < 3 && op->direct[i].file; i++)
		want[n++] = rounded(layer & (STACK | DIRECT), &op->direct[i]);
	for (int i = 0; (layer & BACKING) && i < 3 && below[i].file; i++)
		want[n++] = rounded(BACKING, &below[i]);
	return n;
}

static bool same_seen(const struct seen *a, const struct seen *b)
{
	return a->layer == b->layer && a->r.file == b->r.file && a->r.off == b->r.off && a->r.len == b->r.len;
}

/* Takes adjoining ranges together, where they may be told apart; drops repetitions, where the kernel tries twice. */
static void simplify(const struct op *op, struct outcome *o)
{
	int n = 0;

	for (int i = 0; i < o->nseen; i++) {
		struct seen *last = n ? &o->seen[n - 1] : NULL, *s = &o->seen[i];
		bool again = false;

		for (int e = 0; e < n && (op->flags & OP_REPEAT); e++)
			again |= same_seen(&o->seen[e], s);
		if (again)
			continue;
		if (last && (op->flags & OP_SPLIT) && last->layer == s->layer && last->r.file == s->r.file &&
		    last->r.off + last->r.len == s->r.off)
			last->r.len += s->r.len;
		else
			o->seen[n++] = *s;
	}
	o->nseen = n;
}

static void list(char *buf, size_t size, const struct seen *s, int n)
{
	size_t used = snprintf(buf, size, n ? "" : "none");

	for (int i = 0; i < n && used < size; i++)
		used += snprintf(buf + used, size - used, "%s%s %c %llu+%llu", i ? ", " : "", layer_name(s[i].layer),
				 "?ab"[s[i].r.file], (unsigned long long)s[i].r.off, (unsigned long long)s[i].r.len);
}

/* With PREFIX the last range need only begin as wanted: the rest of it would have been told later. */
static bool same_events(const struct outcome *o, const struct seen *want, int n, bool prefix)
{
	char got_text[256], want_text[256];
	bool same = o->nseen == n;

	for (int i = 0; i < n && same; i++) {
		struct seen got = o->seen[i];

		if (prefix && i == n - 1 && got.r.len && got.r.len < want[i].r.len)
			got.r.len = want[i].r.len;
		same = same_seen(&got, &want[i]);
	}
	if (!same) {
		list(got_text, sizeof(got_text), o->seen, o->nseen);
		list(want_text, sizeof(want_text), want, n);
		wrong("events: %s; not: %s", got_text, want_text);
	}
	for (int i = 0; i < o->nseen; i++) {
		if (o->seen[i].mask != FAN_PRE_ACCESS)
			same = wrong("event mask %#llx", (unsigned long long)o->seen[i].mask);
	}
	return same;
}

static bool same_pids(const struct outcome *o, pid_t pid)
{
	for (int i = 0; i < o->nseen; i++) {
		if (o->seen[i].pid != pid)
			return wrong("event of process %d, not %d", o->seen[i].pid, pid);
	}
	return true;
}

const char *layer_name(int layer)
{
	switch (layer) {
	case STACK:
		return "stack";
	case BACKING:
		return "backing";
	case BOTH:
		return "both";
	case DIRECT:
		return "direct";
	}
	return "?";
}

static bool denies(enum how how)
{
	return how == DENY || how == DENY_EIO || how == DENY_EBUSY;
}

static bool run_case(const struct op *op, int layer, enum mark type, enum how how, int at)
{
	bool holes = how == FILLS || how == FILLS_BESIDE || how == FREEZE_FILL;
	struct seen want[8];
	struct outcome o;
	int n = expected(op, layer, want);
	pid_t pid = worker;
	bool ok, ends;
	long ret;

	alarm(HANG);
	snprintf(job->doing, sizeof(job->doing), "%s/%s/%s/%s", layer_name(layer), mark_names[type], op->name,
		 how_names[how]);
	prepare(layer, holes);
	clean[layer == DIRECT] = false;
	if (!listen_to(layer, type))
		return false;
	ok = perform(op, layer == DIRECT ? dir_direct : dir_stack, how, at, &o);
	simplify(op, &o);

	/* After a refusal, or the end of listener or caller, no more events come. */
	ends = at >= 0 && (denies(how) || how == CLOSES || how == DIES || how == CALLER_DIES);
	if (ends)
		n = at + 1;
	ok &= same_events(&o, want, n, ends && (op->flags & OP_SPLIT)) & same_pids(&o, pid);

	model_start(op, holes, &o);
	ret = how == DENY ? -EPERM : how == DENY_EIO ? -EIO : how == DENY_EBUSY ? -EBUSY : -EOWNERDEAD;
	/* A mapping that is refused below is there and closed. */
	if ((op->flags & OP_MAPS) && denies(how) && want[at].layer == BACKING)
		ret = -EFAULT;
	if (denies(how) || how == CALLER_DIES) {
		if (o.ret != ret)
			ok = wrong("result %ld, not %ld", o.ret, ret);
	} else {
		op->effect(&model);
		if (o.ret != model.ret)
			ok = wrong("result %ld, not %ld", o.ret, model.ret);
		if (job->got != model.got || memcmp(job->buf, model.buf, model.got))
			ok = wrong("it read %zu other bytes", job->got);
	}
	if (how != CALLER_DIES && !(op->flags & OP_PATH) && job->pos != model.pos)
		ok = wrong("file position %ld, not %ld", job->pos, model.pos);
	ok &= same_file(layer, A) & same_file(layer, B);
	/* Nothing was written, or everything is as before: no need to write the files again. */
	clean[layer == DIRECT] = ok && !holes && (denies(how) || model.got);
	return ok;
}

void hsm_case(const struct op *op, int layer, enum mark type, enum how how)
{
	struct seen want[8];
	int n = expected(op, layer, want);
	const char *only = getenv("BF_CASE");
	char name[256];
	bool ok = true;

	snprintf(name, sizeof(name), "%s/%s/%s: %s", layer_name(layer), mark_names[type], op->name, how_names[how]);
	if ((!n && how != ALLOW) || (only && !strstr(name, only)))
		return;
	/* Who is refused, or left alone, at one event must not notice that others were allowed: try each. */
	if (denies(how) || how == CLOSES || how == DIES || how == CALLER_DIES || how == FREEZE_ALLOW) {
		for (int at = 0; at < n && ok; at++)
			ok = run_case(op, layer, type, how, at);
	} else {
		ok = run_case(op, layer, type, how, -1);
	}
	hsm_result(ok, "%s", name);
}

/* What does not depend on how the mark was found is tried with one kind of mark. */
static bool wanted(enum how how, enum mark type, bool freezable)
{
	if (how == FREEZE_ALLOW || how == FREEZE_FILL)
		return freezable && type == INODE;
	if (how == DIES || how == CALLER_DIES || how == FILLS_BESIDE)
		return type == INODE;
	return true;
}

void hsm_matrix(int layer, const bool *supported)
{
	bool freezable = hsm_watchable();

	for (enum mark type = INODE; type < NMARKS; type++) {
		for (int i = 0; i < nops; i++) {
			for (enum how how = ALLOW; supported[i] && how < NHOWS; how++) {
				if (wanted(how, type, freezable))
					hsm_case(&ops[i], layer, type, how);
			}
		}
	}
}

void hsm_observe(const struct op *op, const char *dir, const char *marked, struct outcome *o)
{
	char path[PATH_MAX + 4];
	int fd;

	alarm(HANG);
	snprintf(job->doing, sizeof(job->doing), "%s in %s", op->name, dir);
	for (int f = A; f <= B; f++) {
		snprintf(path, sizeof(path), "%s/%c", dir, "?ab"[f]);
		fd = open(path, O_RDWR | O_TRUNC);
		if (fd < 0)
			fatal(path);
		put(fd, full[f], SIZE, 0);
		close(fd);
	}
	clean[0] = false;
	clean[1] = false;
	if (!watch_files(new_group(), marked, INODE))
		fatal(why);
	perform(op, dir, ALLOW, -1, o);
	simplify(op, o);
	why[0] = 0;
}

static long without_marks(const struct op *op, int layer)
{
	struct outcome o;

	prepare(layer, false);
	clean[layer == DIRECT] = false;
	perform(op, layer == DIRECT ? dir_direct : dir_stack, ALLOW, -1, &o);
	return o.ret;
}

bool hsm_supported(const struct op *op)
{
	long ret, stacked;

	alarm(HANG);
	snprintf(job->doing, sizeof(job->doing), "%s without marks", op->name);
	ret = without_marks(op, DIRECT);
	if (ret >= 0)
		return true;
	stacked = without_marks(op, STACK);
	if (stacked != ret)
		wrong("%s, not %s", strerror(-stacked), strerror(-ret));
	hsm_result(stacked == ret, "%s: the stack fails as the backing filesystem does (%s)", op->name, strerror(-ret));
	return false;
}

void hsm_know(const char *dir, int layer)
{
	char path[PATH_MAX + 4];
	struct stat st;

	for (int f = A; f <= B; f++) {
		snprintf(path, sizeof(path), "%s/%c", dir, "?ab"[f]);
		if (stat(path, &st))
			fatal(path);
		known[nknown].dev = st.st_dev;
		known[nknown].ino = st.st_ino;
		known[nknown].layer = layer;
		known[nknown++].file = f;
	}
}

void hsm_make(const char *dir, int *fds)
{
	char path[PATH_MAX + 4];
	int fd;

	if (mkdir(dir, 0755) && errno != EEXIST)
		fatal(dir);
	for (int f = A; f <= B; f++) {
		snprintf(path, sizeof(path), "%s/%c", dir, "?ab"[f]);
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			fatal(path);
		if (fds)
			fds[f] = fd;
		else
			close(fd);
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

/* The test goes on in a child; here we wait for it to end, or to be ended by its alarm. */
static void watch(void)
{
	unsigned char c;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	/* A filesystem that stays frozen hangs everything that follows. */
	hook_up(&freezer, &freezer_fd, freezes);
	c = 't';
	if (write(freezer_fd, &c, 1) == 1)
		readable(freezer_fd, PATIENCE);
	printf("Bail out! signal %d ended the test in: %s\n", WTERMSIG(status), job->doing);
	exit(1);
}

void hsm_start(void)
{
	const char *stack = getenv("BF_STACK"), *backing = getenv("BF_BACKING");

	if (!stack || !backing) {
		errno = EINVAL;
		fatal("BF_STACK and BF_BACKING are to name the stack and the folder below it");
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(dir_stack, sizeof(dir_stack), "%s", stack);
	snprintf(dir_backing, sizeof(dir_backing), "%s", backing);
	snprintf(dir_direct, sizeof(dir_direct) - 1, "%s/../direct", backing);
	job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job == MAP_FAILED)
		fatal("shared memory");
	ksft_print_header();
	watch();
	for (int f = A; f <= B; f++) {
		for (size_t i = 0; i < SIZE; i++)
			full[f][i] = data(f, i);
	}
	hsm_make(dir_backing, backing_fd);
	hsm_make(dir_direct, direct_fd);
	hsm_know(dir_backing, BACKING);
	hsm_know(dir_stack, STACK);
	hsm_know(dir_direct, DIRECT);
	hook_up(&freezer, &freezer_fd, freezes);
	hook_up(&worker, &worker_fd, work);
}

void hsm_end(void)
{
	alarm(0);
	kill(worker, SIGKILL);
	kill(freezer, SIGKILL);
	ksft_set_plan(tests);
	ksft_finished();
}

void hsm_table_row(const char *name, const struct outcome *o, int n)
{
	char line[512], cell[128];
	size_t used = snprintf(line, sizeof(line), "| %s |", name);

	for (int i = 0; i < n && used < sizeof(line); i++) {
		size_t c = snprintf(cell, sizeof(cell), o[i].nseen ? "" : "none");

		for (int e = 0; e < o[i].nseen && c < sizeof(cell); e++)
			c += snprintf(cell + c, sizeof(cell) - c, "%s%c %llu+%llu", e ? ", " : "",
				      "?ab"[o[i].seen[e].r.file], (unsigned long long)o[i].seen[e].r.off,
				      (unsigned long long)o[i].seen[e].r.len);
		used += snprintf(line + used, sizeof(line) - used, " %s |", cell);
	}
	ksft_print_msg("%s\n", line);
}
