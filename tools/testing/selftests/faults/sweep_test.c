// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whatever the kernel cannot get memory for, and whatever copy from or to user space fails, an operation of
 * passfs either works or says so with an errno that it may return; the mount works on; the files below are as they
 * were, or as the operation makes them; nothing keeps the modules.
 *
 * For each operation the first place where a fault can happen fails, then the second, and so on until the operation has
 * no place left. What leaked is found by kmemleak when all is over, by whoever runs this. BF_SITES=ours: only places
 * that code of passfs and backing_file leads to, own: in that code itself; BF_LAYERS=2: passfs on passfs.
 *
 * What fails has made and removed no name; "half done" counts the exceptions. Where the filesystem below has an errno
 * of its own for want of memory, it must return that without the stack too.
 *
 * A filesystem may give up for want of memory: xfs, ext4 and btrfs stop if they get none in the middle of a
 * transaction. That is no fault of the stack, but the stack must say so, come apart and show what is there when the
 * filesystem below is mounted again; and the operation must have the same effect without the stack. "gave up" counts
 * that.
 */
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "place.h"
#undef fill
#include "fail_nth.h"
#include "sweep.h"

#define MAX_SITES 3000
#define MAX_SWEEPS 5

/* What is mounted where in the namespace that the program was started in. */
struct mounts {
	int namespace;
	const char *stack, *lower;
	char top[PATH_MAX], device[256], type[32];
};

FIXTURE(sweep) {
	struct place place;
	struct attempt attempt;
	struct mounts mounts;
	int layers;
	long used[2];
};

FIXTURE_VARIANT(sweep) {
	const char *name;
	const struct operation *op;
};

static const char *const modules[2] = { "passfs", "backing_file" };

static long users(const char *module)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	fd = must(open(path, O_RDONLY));
	must(read(fd, text, sizeof(text) - 1));
	close(fd);
	return atol(text);
}

/* The last references of what is gone may be put by work items. */
static bool users_become(const char *module, long count)
{
	int i;

	for (i = 0; i < 200 && users(module) != count; i++)
		usleep(50000);
	return users(module) == count;
}

/* --- when the filesystem below has given up ------------------------------------------ */

static void write_to(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY));

	must(write(fd, text, strlen(text)));
	close(fd);
}

/* From now on the kernel's log may have what filesystems say when they give up, or not. */
static void expect_giving_up(bool may)
{
	static const struct { const char *fs, *text; } says[] = {
		{ "xfs", "Shutting down filesystem" }, { "ext4", "EXT4-fs" }, { "ext4", "JBD2" }, { "btrfs", "BTRFS" },
	};
	char line[64];
	int i;

	/* xfs would add a backtrace, and no test may ask to overlook those. */
	if (fs_is("xfs"))
		write_to("/proc/sys/fs/xfs/error_level", may ? "0" : "3");
	for (i = 0; may && i < ARRAY_SIZE(says); i++) {
		if (!fs_is(says[i].fs))
			continue;
		snprintf(line, sizeof(line), "bf-test: expect %s\n", says[i].text);
		write_to("/dev/kmsg", line);
	}
	if (!may)
		write_to("/dev/kmsg", "bf-test: expect\n");
}

/* Before there is a namespace of the test's own */
static void find_mounts(struct mounts *m)
{
	char line[1024], where[512];
	FILE *f = fopen("/proc/self/mounts", "r");

	m->stack = getenv("BF_STACK");
	m->lower = getenv("BF_BACKING");
	snprintf(m->top, sizeof(m->top), "%s/..", m->lower);
	must(realpath(m->top, line) ? 0 : -1);
	strcpy(m->top, line);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s %511s %31s", m->device, where, m->type) == 3 && !strcmp(where, m->top))
			break;
	must(f && !strcmp(where, m->top) ? 0 : -1);
	fclose(f);
	m->namespace = must(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
}

/* The filesystem below still does its work. */
static bool is_alive(struct place *p)
{
	int fd = openat(p->plain, "alive", O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd >= 0 && !close(fd) && !unlinkat(p->plain, "alive", 0);
}

/* What was closed a moment ago may keep it busy for another. */
#define soon(call) \
({ \
	int __tries = 200; \
	while ((call) && --__tries) \
		usleep(50000); \
	__tries > 0; \
})

/* ext4 speaks of an error, and may stop because of it, until it was checked. */
static bool checked(struct mounts *m)
{
	char command[300];

	snprintf(command, sizeof(command), "e2fsck -fy %s >/dev/null 2>&1", m->device);
	return !fs_is("ext4") || WEXITSTATUS(system(command)) <= 1;
}

/*
 * The stack and the filesystem below are unmounted, and mounted again. All of the test's own is closed. Says what is
 * wrong, or NULL.
 */
static const char *mount_again(struct __test_metadata *const _metadata, struct place *p, struct mounts *m, int layers)
{
	int i;

	close(p->dir);
	close(p->under);
	close(p->plain);
	if (layers == NESTED && !soon(umount2(p->top, 0)))
		return "the inner mount stays busy when the filesystem below has given up";
	/* The mounts in the test's own namespace go with it. */
	if (!soon(setns(m->namespace, CLONE_NEWNS)))
		return "the namespace cannot be left";
	if (!soon(umount2(m->stack, 0)))
		return "the mount stays busy when the filesystem below has given up";
	for (i = 0; i < 200 && users("passfs"); i++)
		usleep(50000);
	if (users("passfs"))
		return "something keeps passfs when the filesystem below has given up";
	if (!soon(umount2(m->top, 0)))
		return "something keeps the filesystem below, which has given up";
	if (!checked(m))
		return "e2fsck cannot make good what the filesystem below did when it gave up";
	must(mount(m->device, m->top, m->type, 0, NULL));
	must(mount(m->lower, m->stack, "passfs", 0, NULL));
	if (layers == NESTED)
		rmdir(p->top);
	place_setup(_metadata, p, layers);
	return NULL;
}

FIXTURE_SETUP(sweep)
{
	struct attempt *a = &self->attempt;
	int i;

	self->layers = atoi(getenv("BF_LAYERS") ?: "1");
	faults_init();
	find_mounts(&self->mounts);
	expect_giving_up(true);
	/* What is older than the test outlives all that may happen in it. */
	sync();
	place_setup(_metadata, &self->place, self->layers);
	for (i = 0; i < 2; i++)
		self->used[i] = users(modules[i]);
	snprintf(a->mnt, sizeof(a->mnt), "/tmp/sweep.%d", getpid());
	must(mkdir(a->mnt, 0755));
	a->buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, a->buf);
	/* No fault of ours is to be injected into a page fault of the program itself. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
}

FIXTURE_TEARDOWN(sweep)
{
	expect_giving_up(false);
	rmdir(self->attempt.mnt);
	place_teardown(&self->place, self->layers);
}

/* --- one attempt ------------------------------------------------------------------ */

static void make_one(struct attempt *a, const char *name, int seed)
{
	int fd = must(openat(a->under, name, O_WRONLY | O_CREAT | O_EXCL, 0644));

	fill_with(a->buf, SIZE, 0, seed);
	must(write(fd, a->buf, SIZE) == SIZE ? 0 : -1);
	close(fd);
}

static void begin(struct place *p, struct attempt *a, const struct operation *op, int number)
{
	const char *const names[] = { "f", "dir", "sym" };
	char name[16];
	struct stat st;
	int i;

	snprintf(name, sizeof(name), "%d", number);
	snprintf(a->path, sizeof(a->path), "%.2000s/%s", p->path, name);
	snprintf(a->under_path, sizeof(a->under_path), "%.2000s/%s", p->under_path, name);
	/* Removed before, when the filesystem below gave up and forgot it. */
	if (there(p->under, name))
		remove_tree(p->under, name);
	must(mkdirat(p->under, name, 0755));
	a->under = must(openat(p->under, name, O_RDONLY | O_DIRECTORY));
	make_one(a, "f", OLD);
	if (op->needs_g)
		make_one(a, "g", NEW);
	must(mkdirat(a->under, "dir", 0755));
	must(symlinkat("f", a->under, "sym"));
	a->dir = must(openat(p->dir, name, O_RDONLY | O_DIRECTORY));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		must(fstatat(a->dir, names[i], &st, AT_SYMLINK_NOFOLLOW));
	a->fd = -1;
	a->fd2 = -1;
	a->pipe[0] = -1;
	a->pipe[1] = -1;
	a->group = -1;
	a->has_ring = false;
	a->map = NULL;
	a->aio = 0;
}

static void put(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Closes all that it has open. */
static void close_all(struct attempt *a)
{
	put(a->fd);
	put(a->fd2);
	put(a->pipe[0]);
	put(a->pipe[1]);
	if (a->map)
		must(munmap(a->map, LEN));
	if (a->has_ring)
		io_uring_queue_exit(&a->ring);
	close(a->dir);
	close(a->under);
}

static void end(struct place *p, struct attempt *a, int number)
{
	static const char *const made[] = { "f", "g", "sym", "dir", "new", "cold" };
	int i, under = dup(a->under);
	char name[16];

	close_all(a);
	snprintf(name, sizeof(name), "%d", number);
	for (i = 0; i < ARRAY_SIZE(made); i++)
		unlinkat(under, made[i], strcmp(made[i], "dir") ? 0 : AT_REMOVEDIR);
	close(under);
	if (unlinkat(p->under, name, AT_REMOVEDIR))
		remove_tree(p->under, name);
}

/* --- the sweep ---------------------------------------------------------------------- */

/* How many places an operation has; what it returns when nothing fails. */
static unsigned int count_sites(struct place *p, struct attempt *a, const struct operation *op, enum sites which,
				int number, long *ret)
{
	unsigned int missing;

	faults_select(which);
	begin(p, a, op, number);
	if (op->prepare)
		op->prepare(a);
	faults_arm(MANY_SITES);
	*ret = op->run(a);
	faults_disarm(&missing);
	if (op->settle)
		op->settle(a);
	if (op->check)
		op->check(a, *ret);
	end(p, a, number);
	return MANY_SITES - missing;
}

/* With the filesystem below given up after a result of @ret: what is wrong, or NULL */
static const char *says_so(struct attempt *a, const struct operation *op, long ret, bool injected)
{
	long here, below;

	if (!injected)
		return "the filesystem below gave up without a fault";
	if (ret >= 0 && !op->cannot_tell)
		return "it worked, but the filesystem below gave up";
	here = errno_of(mkdirat(a->dir, "probe", 0755));
	below = errno_of(mkdirat(a->under, "probe", 0755));
	return here < 0 && here == below ? NULL : "the mount does not say what the filesystem below says";
}

/* After mounting again: what the filesystem below has kept of the attempt is what the stack shows. */
static const char *shows_what_is_left(struct place *p, struct attempt *a, const struct operation *op, int number)
{
	struct attempt probe = { .dir = p->dir, .under = p->under };
	const char *wrong = NULL;
	char name[16];

	snprintf(name, sizeof(name), "%d", number);
	if (there(p->under, name)) {
		a->under = must(openat(p->under, name, O_RDONLY | O_DIRECTORY));
		a->dir = must(openat(p->dir, name, O_RDONLY | O_DIRECTORY));
		wrong = names_agree(a, op);
		if (!wrong && there(a->under, "f") && read_both(a) < 0)
			wrong = "f has another content below";
		close(a->dir);
		close(a->under);
		remove_tree(p->under, name);
	} else if (there(p->dir, name)) {
		wrong = "the attempt's folder is there only through the stack";
	}
	return wrong ?: works_on(&probe);
}

/* What one operation has come to. */
struct tally {
	/* silent: it gave up, and the operation did not say so, as it cannot tell */
	unsigned int injected, failed, half_done, gave_up, silent;
	char errnos[64];
	/* Results that no operation has to return, until the filesystem below is seen to return them alone */
	long strange[MAX_ERRNOS];
};

static void note_strange(struct tally *t, long ret)
{
	int i;

	for (i = 0; i < MAX_ERRNOS; i++) {
		if (t->strange[i] && t->strange[i] != ret)
			continue;
		t->strange[i] = ret;
		return;
	}
	must((errno = -ret, -1)); /* so many there cannot be */
}

/* The first that is left, or 0 */
static long strange_left(const struct tally *t)
{
	int i;

	for (i = 0; i < MAX_ERRNOS; i++)
		if (t->strange[i])
			return t->strange[i];
	return 0;
}

static void explain(struct tally *t, long ret)
{
	int i;

	for (i = 0; i < MAX_ERRNOS; i++)
		if (t->strange[i] == ret)
			t->strange[i] = 0;
}

/*
 * Does the operation to the filesystem below, with nothing of ours involved, until that has given up, if it did under
 * the stack, without saying so, if it did not there, and returned all that was strange. Returns whether it gave up.
 */
static bool repeat_alone(struct __test_metadata *const _metadata, struct place *p, struct attempt *a,
			 struct mounts *mounts, int layers, const struct operation *op, struct tally *t)
{
	unsigned int sweep, n, missing;
	bool injected, gave_up = false, may_give_up = t->gave_up || op->as_alone;
	const char *wrong;
	long ret;

	/* Nothing of ours is involved but in what has a replacement. */
	faults_select(op->alone ? OTHER_SITES : ALL_SITES);
	for (sweep = 0; sweep < MAX_SWEEPS; sweep++) {
		for (n = 1, injected = true; injected && n < MAX_SITES; n++) {
			struct place alone = *p;

			if ((gave_up || !may_give_up) && !t->silent && !strange_left(t))
				return gave_up;
			alone.dir = alone.under;
			strcpy(alone.path, alone.under_path);
			begin(&alone, a, op, n);
			if (op->prepare)
				op->prepare(a);
			faults_arm(n);
			ret = (op->alone ?: op->run)(a);
			injected = faults_disarm(&missing);
			if (op->settle)
				op->settle(a);
			if (is_alive(p)) {
				explain(t, ret);
				end(&alone, a, n);
				continue;
			}
			gave_up = true;
			if (ret >= 0 || op->alone)
				t->silent = 0;
			if (ret != -EIO && ret != -EROFS)
				explain(t, ret);
			close_all(a);
			wrong = mount_again(_metadata, p, mounts, layers);
			ASSERT_EQ(NULL, wrong) {
				TH_LOG("without the stack, fault at place %u, returned %ld: %s", n, ret, wrong);
			}
		}
	}
	return gave_up;
}

static void note(struct tally *t, const struct operation *op, long ret, bool gave_up)
{
	const char *name;

	t->injected++;
	t->gave_up += gave_up;
	t->silent += gave_up && ret >= 0;
	if (ret >= 0)
		return;
	t->failed++;
	if (ret != op->ret && !errno_is_right(op, ret) && !(gave_up && (ret == -EIO || ret == -EROFS)))
		note_strange(t, ret);
	name = strerrorname_np(-ret) ?: "?";
	if (!strstr(t->errnos, name) && strlen(t->errnos) + strlen(name) + 2 < sizeof(t->errnos)) {
		strcat(t->errnos, t->errnos[0] ? " " : "");
		strcat(t->errnos, name);
	}
}

static enum sites chosen_sites(void)
{
	const char *name = getenv("BF_SITES") ?: "all";

	return !strcmp(name, "own") ? OWN_SITES : !strcmp(name, "ours") ? OUR_SITES : ALL_SITES;
}

TEST_F(sweep, every_site)
{
	enum sites sites = chosen_sites();
	const struct operation *op = variant->op;
	/* With places of our own alone there need not be one that ends the filesystem below. */
	bool as_alone = op->as_alone && sites != OWN_SITES, injected, alone, gave_up;
	struct attempt *a = &self->attempt;
	unsigned int all_sites, our_sites, missing, sweep, n, i;
	struct tally tally = {};
	long ret;

	if (op->watched && fs_is("tmpfs"))
		SKIP(return, "its files cannot be watched");
	all_sites = count_sites(&self->place, a, op, ALL_SITES, MAX_SITES, &ret);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the filesystem below cannot do it");
	our_sites = count_sites(&self->place, a, op, OUR_SITES, MAX_SITES + 1, &ret);
	faults_select(sites);
	/*
	 * Which place is the n-th is not the same in each attempt: now and then a cache needs another page. So one
	 * sweep may miss a place.
	 */
	for (sweep = 0; !sweep || (as_alone && !tally.gave_up && sweep < MAX_SWEEPS); sweep++) {
		for (n = 1, injected = true; injected && n < MAX_SITES; n++) {
			const char *wrong, *again;
			bool alive;

			begin(&self->place, a, op, n);
			if (op->prepare)
				op->prepare(a);
			faults_arm(n);
			ret = op->run(a);
			injected = faults_disarm(&missing);
			if (op->settle)
				op->settle(a);
			alive = is_alive(&self->place);
			if (injected)
				note(&tally, op, ret, !alive);
			if (alive) {
				wrong = all_is_right(a, op, ret, injected, &tally.half_done);
				end(&self->place, a, n);
			} else {
				wrong = says_so(a, op, ret, injected);
				close_all(a);
				again = mount_again(_metadata, &self->place, &self->mounts, self->layers);
				ASSERT_EQ(NULL, again) {
					TH_LOG("%s, fault at place %u, returned %ld: %s", variant->name, n, ret, again);
				}
				wrong = wrong ?: shows_what_is_left(&self->place, a, op, n);
			}
			EXPECT_EQ(NULL, wrong) {
				TH_LOG("%s, fault at place %u, returned %ld: %s", variant->name, n, ret, wrong);
			}
		}
	}
	EXPECT_FALSE(injected);
	gave_up = tally.gave_up;
	if (gave_up || as_alone || strange_left(&tally)) {
		alone = repeat_alone(_metadata, &self->place, a, &self->mounts, self->layers, op, &tally);
		EXPECT_TRUE(alone == gave_up || (!gave_up && !as_alone)) {
			TH_LOG("%s: the filesystem below gives up only %s the stack", variant->name,
			       alone ? "without" : "under");
		}
		EXPECT_EQ(0, tally.silent) {
			TH_LOG("%s: only under the stack nobody hears of the filesystem's end", variant->name);
		}
		EXPECT_EQ(0, strange_left(&tally)) {
			TH_LOG("%s: not an errno it may return, and the filesystem below does not", variant->name);
		}
	}
	faults_select(ALL_SITES);
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(users_become(modules[i], self->used[i])) {
			TH_LOG("%s has %ld users, had %ld", modules[i], users(modules[i]), self->used[i]);
		}
	}
	printf("# sweep-row %s %u %u %u %u %u %u %s\n", variant->name, all_sites, our_sites, tally.injected,
	       tally.failed, tally.half_done, tally.gave_up, tally.errnos);
}

FIXTURE_VARIANT_ADD(sweep, open_read) { "open_read", &op_open_read };
FIXTURE_VARIANT_ADD(sweep, open_write) { "open_write", &op_open_write };
FIXTURE_VARIANT_ADD(sweep, open_direct) { "open_direct", &op_open_direct };
FIXTURE_VARIANT_ADD(sweep, open_truncate) { "open_truncate", &op_open_truncate };
FIXTURE_VARIANT_ADD(sweep, open_cold) { "open_cold", &op_open_cold };
FIXTURE_VARIANT_ADD(sweep, open_dir) { "open_dir", &op_open_dir };
FIXTURE_VARIANT_ADD(sweep, open_tmpfile) { "open_tmpfile", &op_open_tmpfile };
FIXTURE_VARIANT_ADD(sweep, create) { "create", &op_create };
FIXTURE_VARIANT_ADD(sweep, close_dirty) { "close_dirty", &op_close_dirty };
FIXTURE_VARIANT_ADD(sweep, read_cached) { "read_cached", &op_read_cached };
FIXTURE_VARIANT_ADD(sweep, read_cold) { "read_cold", &op_read_cold };
FIXTURE_VARIANT_ADD(sweep, read_direct) { "read_direct", &op_read_direct };
FIXTURE_VARIANT_ADD(sweep, setfl_and_read) { "setfl_and_read", &op_setfl_and_read };
FIXTURE_VARIANT_ADD(sweep, write_buffered) { "write_buffered", &op_write_buffered };
FIXTURE_VARIANT_ADD(sweep, write_direct) { "write_direct", &op_write_direct };
FIXTURE_VARIANT_ADD(sweep, write_append) { "write_append", &op_write_append };
FIXTURE_VARIANT_ADD(sweep, write_suid) { "write_suid", &op_write_suid };
FIXTURE_VARIANT_ADD(sweep, aio_read) { "aio_read", &op_aio_read };
FIXTURE_VARIANT_ADD(sweep, aio_read_direct) { "aio_read_direct", &op_aio_read_direct };
FIXTURE_VARIANT_ADD(sweep, aio_write_direct) { "aio_write_direct", &op_aio_write_direct };
FIXTURE_VARIANT_ADD(sweep, aio_first_write) { "aio_first_write", &op_aio_first_write };
FIXTURE_VARIANT_ADD(sweep, uring_read) { "uring_read", &op_uring_read };
FIXTURE_VARIANT_ADD(sweep, uring_read_direct) { "uring_read_direct", &op_uring_read_direct };
FIXTURE_VARIANT_ADD(sweep, uring_write) { "uring_write", &op_uring_write };
FIXTURE_VARIANT_ADD(sweep, uring_write_direct) { "uring_write_direct", &op_uring_write_direct };
FIXTURE_VARIANT_ADD(sweep, splice_to_pipe) { "splice_to_pipe", &op_splice_to_pipe };
FIXTURE_VARIANT_ADD(sweep, splice_from_pipe) { "splice_from_pipe", &op_splice_from_pipe };
FIXTURE_VARIANT_ADD(sweep, sendfile_to_pipe) { "sendfile_to_pipe", &op_sendfile_to_pipe };
FIXTURE_VARIANT_ADD(sweep, sendfile_to_file) { "sendfile_to_file", &op_sendfile_to_file };
FIXTURE_VARIANT_ADD(sweep, mmap_shared) { "mmap_shared", &op_mmap_shared };
FIXTURE_VARIANT_ADD(sweep, mmap_private) { "mmap_private", &op_mmap_private };
FIXTURE_VARIANT_ADD(sweep, fault_read) { "fault_read", &op_fault_read };
FIXTURE_VARIANT_ADD(sweep, fault_write) { "fault_write", &op_fault_write };
FIXTURE_VARIANT_ADD(sweep, unmap) { "unmap", &op_unmap };
FIXTURE_VARIANT_ADD(sweep, watched_read) { "watched_read", &op_watched_read };
FIXTURE_VARIANT_ADD(sweep, watched_write) { "watched_write", &op_watched_write };
FIXTURE_VARIANT_ADD(sweep, watched_splice) { "watched_splice", &op_watched_splice };
FIXTURE_VARIANT_ADD(sweep, watched_mmap) { "watched_mmap", &op_watched_mmap };
FIXTURE_VARIANT_ADD(sweep, watched_truncate) { "watched_truncate", &op_watched_truncate };
FIXTURE_VARIANT_ADD(sweep, seek_data) { "seek_data", &op_seek_data };
FIXTURE_VARIANT_ADD(sweep, seek_hole) { "seek_hole", &op_seek_hole };
FIXTURE_VARIANT_ADD(sweep, sync_file) { "sync_file", &op_sync_file };
FIXTURE_VARIANT_ADD(sweep, sync_data) { "sync_data", &op_sync_data };
FIXTURE_VARIANT_ADD(sweep, sync_fs) { "sync_fs", &op_sync_fs };
FIXTURE_VARIANT_ADD(sweep, allocate) { "allocate", &op_allocate };
FIXTURE_VARIANT_ADD(sweep, punch_hole) { "punch_hole", &op_punch_hole };
FIXTURE_VARIANT_ADD(sweep, truncate_fd) { "truncate_fd", &op_truncate_fd };
FIXTURE_VARIANT_ADD(sweep, truncate_path) { "truncate_path", &op_truncate_path };
FIXTURE_VARIANT_ADD(sweep, extend) { "extend", &op_extend };
FIXTURE_VARIANT_ADD(sweep, advise) { "advise", &op_advise };
FIXTURE_VARIANT_ADD(sweep, read_ahead) { "read_ahead", &op_read_ahead };
FIXTURE_VARIANT_ADD(sweep, copy_range) { "copy_range", &op_copy_range };
FIXTURE_VARIANT_ADD(sweep, clone_range) { "clone_range", &op_clone_range };
FIXTURE_VARIANT_ADD(sweep, dedupe_range) { "dedupe_range", &op_dedupe_range };
FIXTURE_VARIANT_ADD(sweep, lookup) { "lookup", &op_lookup };
FIXTURE_VARIANT_ADD(sweep, lookup_nothing) { "lookup_nothing", &op_lookup_nothing };
FIXTURE_VARIANT_ADD(sweep, stat_name) { "stat_name", &op_stat_name };
FIXTURE_VARIANT_ADD(sweep, read_link) { "read_link", &op_read_link };
FIXTURE_VARIANT_ADD(sweep, follow_link) { "follow_link", &op_follow_link };
FIXTURE_VARIANT_ADD(sweep, stat_fs) { "stat_fs", &op_stat_fs };
FIXTURE_VARIANT_ADD(sweep, check_access) { "check_access", &op_check_access };
FIXTURE_VARIANT_ADD(sweep, read_dir) { "read_dir", &op_read_dir };
FIXTURE_VARIANT_ADD(sweep, make_dir) { "make_dir", &op_make_dir };
FIXTURE_VARIANT_ADD(sweep, make_again) { "make_again", &op_make_again };
FIXTURE_VARIANT_ADD(sweep, make_symlink) { "make_symlink", &op_make_symlink };
FIXTURE_VARIANT_ADD(sweep, make_fifo) { "make_fifo", &op_make_fifo };
FIXTURE_VARIANT_ADD(sweep, make_device) { "make_device", &op_make_device };
FIXTURE_VARIANT_ADD(sweep, make_link) { "make_link", &op_make_link };
FIXTURE_VARIANT_ADD(sweep, remove_name) { "remove_name", &op_remove_name };
FIXTURE_VARIANT_ADD(sweep, remove_last_name) { "remove_last_name", &op_remove_last_name };
FIXTURE_VARIANT_ADD(sweep, remove_dir) { "remove_dir", &op_remove_dir };
FIXTURE_VARIANT_ADD(sweep, rename_to_new) { "rename_to_new", &op_rename_to_new };
FIXTURE_VARIANT_ADD(sweep, rename_over) { "rename_over", &op_rename_over };
FIXTURE_VARIANT_ADD(sweep, rename_exchange) { "rename_exchange", &op_rename_exchange };
FIXTURE_VARIANT_ADD(sweep, rename_across) { "rename_across", &op_rename_across };
FIXTURE_VARIANT_ADD(sweep, change_mode) { "change_mode", &op_change_mode };
FIXTURE_VARIANT_ADD(sweep, change_owner) { "change_owner", &op_change_owner };
FIXTURE_VARIANT_ADD(sweep, change_times) { "change_times", &op_change_times };
FIXTURE_VARIANT_ADD(sweep, set_xattr) { "set_xattr", &op_set_xattr };
FIXTURE_VARIANT_ADD(sweep, get_xattr) { "get_xattr", &op_get_xattr };
FIXTURE_VARIANT_ADD(sweep, list_xattr) { "list_xattr", &op_list_xattr };
FIXTURE_VARIANT_ADD(sweep, remove_xattr) { "remove_xattr", &op_remove_xattr };
FIXTURE_VARIANT_ADD(sweep, set_acl) { "set_acl", &op_set_acl };
FIXTURE_VARIANT_ADD(sweep, get_acl) { "get_acl", &op_get_acl };
FIXTURE_VARIANT_ADD(sweep, get_flags) { "get_flags", &op_get_flags };
FIXTURE_VARIANT_ADD(sweep, set_flags) { "set_flags", &op_set_flags };
FIXTURE_VARIANT_ADD(sweep, mount_fs) { "mount_fs", &op_mount_fs };
FIXTURE_VARIANT_ADD(sweep, remount) { "remount", &op_remount };
FIXTURE_VARIANT_ADD(sweep, unmount) { "unmount", &op_unmount };
FIXTURE_VARIANT_ADD(sweep, mount_steps) { "mount_steps", &op_mount_steps };

TEST_HARNESS_MAIN
