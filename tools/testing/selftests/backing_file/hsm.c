// SPDX-License-Identifier: GPL-2.0
/*
 * The storage manager of the hooks tests: marks files, has the worker do an operation, answers the events it raises,
 * and compares events, result and files with what they have to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hsm_parts.h"

#define HANG 60			/* s for a case, after which the watchdog ends everything */

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
	prepare(op, layer, holes);
	soil(op, layer);
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
	return ok & same_files(op, layer);
}

/* With how many kinds of marks a case was tried, and in how many of these it failed. */
static struct {
	int tried, failed;
} tally[64][NHOWS];

void hsm_case(const struct op *op, int layer, enum mark type, enum how how)
{
	struct seen want[8];
	int n = expected(op, layer, want);
	const char *only = getenv("BF_CASE");
	char name[256];
	bool ok = true;

	snprintf(name, sizeof(name), "%s/%s/%s: %s", layer_name(layer), mark_names[type], op->name, how_names[how]);
	if ((!n && how != ALLOW) || (only && fnmatch(only, name, FNM_EXTMATCH)))
		return;
	/* Who is refused, or left alone, at one event must not notice that others were allowed: try each. */
	if (denies(how) || how == CLOSES || how == DIES || how == CALLER_DIES || how == FREEZE_ALLOW) {
		for (int at = 0; at < n && ok; at++)
			ok = run_case(op, layer, type, how, at);
	} else {
		ok = run_case(op, layer, type, how, -1);
	}
	tally[op - ops][how].tried++;
	tally[op - ops][how].failed += !ok;
	hsm_result(ok, "%s", name);
}

/* The matrix as a table: in how many of the kinds of marks it came out right. */
static void print_tally(int layer)
{
	printf("# matrix: marks on %s; cells: kinds of marks tried\n# | operation |", layer_name(layer));
	for (enum how how = ALLOW; how < NHOWS; how++)
		printf(" %s |", how_names[how]);
	printf("\n# |---|");
	for (enum how how = ALLOW; how < NHOWS; how++)
		printf("---|");
	for (int i = 0; i < nops; i++) {
		printf("\n# | %s |", ops[i].name);
		for (enum how how = ALLOW; how < NHOWS; how++) {
			if (!tally[i][how].tried)
				printf(" - |");
			else if (tally[i][how].failed)
				printf(" **%d of %d failed** |", tally[i][how].failed, tally[i][how].tried);
			else
				printf(" %d |", tally[i][how].tried);
		}
	}
	printf("\n");
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

/* BF_MARK: the only kind of mark, where all of them take too long. What finds a mark is the kernel's code. */
void hsm_matrix(int layer, const bool *supported)
{
	const char *only = getenv("BF_MARK");
	bool freezable = hsm_watchable();

	memset(tally, 0, sizeof(tally));
	for (enum mark type = INODE; type < NMARKS; type++) {
		if (only && strcmp(only, mark_names[type]))
			continue;
		for (int i = 0; i < nops; i++) {
			for (enum how how = ALLOW; supported[i] && how < NHOWS; how++) {
				if (wanted(how, type, freezable))
					hsm_case(&ops[i], layer, type, how);
			}
		}
	}
	print_tally(layer);
}

void hsm_observe(const struct op *op, const char *dir, const char *marked, struct outcome *o)
{
	alarm(HANG);
	snprintf(job->doing, sizeof(job->doing), "%s in %s", op->name, dir);
	hsm_refill(dir);
	if (!watch_files(new_group(), marked, INODE))
		fatal(marked);
	perform(op, dir, ALLOW, -1, o);
	simplify(op, o);
	forget_reasons();
}

static long without_marks(const struct op *op, int layer)
{
	struct outcome o;

	prepare(op, layer, false);
	soil(op, layer);
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

/* Freezing, and the end of a group, wait for grace periods of RCU: tens of ms each, thousands of times. */
static void expedite(bool on)
{
	int fd = open("/sys/kernel/rcu_expedited", O_WRONLY);

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		fatal("/sys/kernel/rcu_expedited");
	close(fd);
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
	expedite(true);
	make_all_files();
	start_freezer();
	hook_up(&worker, &worker_fd, work);
}

/* With lockdep each event has passed the assertion that no freeze protection is held, unless lockdep has given up. */
static void check_lockdep(void)
{
	FILE *f = fopen("/proc/lockdep_stats", "r");
	char line[256];
	int on = 0;

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		sscanf(line, " debug_locks: %d", &on);
	fclose(f);
	if (!on)
		wrong("debug_locks is 0");
	hsm_result(on, "lockdep watched to the end");
}

void hsm_end(void)
{
	check_lockdep();
	expedite(false);
	finish();
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
