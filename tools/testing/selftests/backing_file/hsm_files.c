// SPDX-License-Identifier: GPL-2.0
/*
 * The files of the hooks tests: how they are before an operation, and how they have to be after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hsm_parts.h"

unsigned char full[NFILES][SIZE];
struct model model;

/* a and b on the backing filesystem, opened before any mark: their use raises no event. */
static int backing_fd[NFILES], direct_fd[NFILES];

/* A file, as prepare() has to find it. */
static struct state {
	bool clean;			/* it has the bytes of data() */
	struct timespec ctime;		/* when that was last seen */
} states[2][NFILES];

static struct {
	dev_t dev;
	ino_t ino;
	int layer, file;
} known[16];				/* which files events can be about */
static int nknown;

int *fds_of(int layer)
{
	return layer == DIRECT ? direct_fd : backing_fd;
}

static struct state *state_of(int layer, int f)
{
	return &states[layer == DIRECT][f];
}

static int last_file(const struct op *op)
{
	return op->flags & OP_TWO ? B : A;
}

static void put(int fd, const unsigned char *buf, size_t len, size_t pos)
{
	if (pwrite(fd, buf, len, pos) != (ssize_t)len)
		fatal("write to the backing filesystem");
}

void soil(const struct op *op, int layer)
{
	for (int f = A; f <= last_file(op); f++)
		state_of(layer, f)->clean = false;
}

void prepare(const struct op *op, int layer, bool holes)
{
	int *fds = fds_of(layer);
	struct stat st;

	for (int f = A; f <= B; f++) {
		/* Nobody looks for holes in a file that the operation does not use. */
		bool empty = holes && f <= last_file(op);

		if (state_of(layer, f)->clean && !empty)
			continue;
		if (ftruncate(fds[f], empty ? 0 : SIZE) || (empty && ftruncate(fds[f], SIZE)))
			fatal("truncate on the backing filesystem");
		if (!empty)
			put(fds[f], full[f], SIZE, 0);
		if (fstat(fds[f], &st))
			fatal("stat on the backing filesystem");
		state_of(layer, f)->clean = !empty;
		state_of(layer, f)->ctime = st.st_ctim;
	}
}

/* Compares a file with the model; "clean" says whether it has the bytes of data() now. */
static bool same_file(int layer, int f, bool *clean)
{
	static unsigned char buf[ROOM];
	const unsigned char *want = model.file[f];
	int fd = fds_of(layer)[f];
	char path[PATH_MAX + 4];
	struct stat st;
	ssize_t n;

	*clean = false;
	if (fstat(fd, &st) || (size_t)st.st_size != model.size[f])
		return wrong("%c has %llu bytes below, not %zu", "?ab"[f], (unsigned long long)st.st_size,
			     model.size[f]);
	n = pread(fd, buf, ROOM, 0);
	if (n != st.st_size)
		return wrong("%c: read %zd of %llu bytes below", "?ab"[f], n, (unsigned long long)st.st_size);
	for (ssize_t i = 0; memcmp(buf, want, n) && i < n; i++) {
		if (buf[i] != want[i])
			return wrong("%c differs below at byte %zd: %#x, not %#x", "?ab"[f], i, buf[i], want[i]);
	}
	*clean = n == SIZE && !memcmp(want, full[f], SIZE);
	state_of(layer, f)->ctime = st.st_ctim;
	if (layer == DIRECT)
		return true;
	snprintf(path, sizeof(path), "%s/%c", dir_stack, "?ab"[f]);
	if (stat(path, &st) || (size_t)st.st_size != model.size[f])
		return wrong("%c has %llu bytes on the stack, not %zu", "?ab"[f], (unsigned long long)st.st_size,
			     model.size[f]);
	return true;
}

/* A file that the operation does not use: its time of change, exact since somebody looked at it, is as it was. */
static bool untouched(int layer, int f)
{
	const struct timespec *was = &state_of(layer, f)->ctime;
	struct stat st;

	if (fstat(fds_of(layer)[f], &st) || st.st_ctim.tv_sec != was->tv_sec || st.st_ctim.tv_nsec != was->tv_nsec)
		return wrong("%c was changed", "?ab"[f]);
	return true;
}

bool same_files(const struct op *op, int layer)
{
	bool ok = true;

	for (int f = A; f <= B; f++) {
		if (f <= last_file(op))
			ok &= same_file(layer, f, &state_of(layer, f)->clean);
		else
			ok &= untouched(layer, f);
	}
	return ok;
}

void model_start(const struct op *op, bool holes, const struct outcome *o)
{
	model.pos = op->pos;
	model.ret = 0;
	model.got = 0;
	for (int f = A; f <= B; f++) {
		model.size[f] = SIZE;
		if (holes)
			memset(model.file[f], 0, SIZE);
		else
			memcpy(model.file[f], full[f], SIZE);
		memset(model.file[f] + SIZE, 0, ROOM - SIZE);
	}
	for (int e = 0; holes && e < o->nseen; e++) {
		const struct range *r = &o->seen[e].r;
		size_t end = r->len ? r->off + r->len : SIZE;

		for (size_t i = r->off; i < end && i < SIZE; i++)
			model.file[r->file][i] = full[r->file][i];
	}
}

void identify(int fd, struct seen *seen)
{
	struct stat st;

	if (fstat(fd, &st))
		wrong("stat of the event's descriptor: %s", strerror(errno));
	for (int i = 0; i < nknown; i++) {
		if (st.st_dev == known[i].dev && st.st_ino == known[i].ino) {
			seen->layer = known[i].layer;
			seen->r.file = known[i].file;
		}
	}
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

void make_all_files(void)
{
	for (int f = A; f <= B; f++) {
		for (size_t i = 0; i < SIZE; i++)
			full[f][i] = data(f, i);
	}
	hsm_make(dir_backing, backing_fd);
	hsm_make(dir_direct, direct_fd);
	hsm_know(dir_backing, BACKING);
	hsm_know(dir_stack, STACK);
	hsm_know(dir_direct, DIRECT);
}

void hsm_refill(const char *dir)
{
	char path[PATH_MAX + 4];
	int fd;

	for (int f = A; f <= B; f++) {
		snprintf(path, sizeof(path), "%s/%c", dir, "?ab"[f]);
		fd = open(path, O_RDWR | O_TRUNC);
		if (fd < 0)
			fatal(path);
		put(fd, full[f], SIZE, 0);
		close(fd);
		states[0][f].clean = false;
		states[1][f].clean = false;
	}
}
