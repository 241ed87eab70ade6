// SPDX-License-Identifier: GPL-2.0
/*
 * Promises to security modules: whatever is done to a stacked file, they are asked about the backing file as they would
 * be if it were used directly, with the credentials of the mounter; what they deny does not happen.
 *
 * Bugs of the C code guarded here: B1 (a splice into a backing file asks nobody), B7 (a mapping of a stacked file was
 * not asked of the backing file; it has to be when the mapping's file is the backing file already, and before the
 * backing filesystem maps it).
 *
 * The security module is a BPF program that counts and denies, see lsm.bpf.c.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include "kselftest_harness.h"
#include "place.h"
#include "lsm.h"

#define SIZE (64 * KIB)

enum { ALLOW, DENY };

PLACES(lsm);

static int state_fd;
static struct lsm_state state;

static void state_write(void)
{
	__u32 zero = 0;

	bpf_map_update_elem(state_fd, &zero, &state, BPF_ANY);
}

static void state_read(void)
{
	__u32 zero = 0;

	bpf_map_lookup_elem(state_fd, &zero, &state);
}

/* Looks at the file @name in @under from now on. The programs are in the kernel until this process ends. */
static void watch(struct __test_metadata *const _metadata, int under, const char *name)
{
	struct bpf_program *program;
	struct bpf_object *object;
	char path[PATH_MAX];
	struct stat st;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 16);

	ASSERT_LT(0, len);
	path[len] = 0;
	strcpy(strrchr(path, '/') + 1, "lsm.bpf.o");
	object = bpf_object__open_file(path, NULL);
	ASSERT_NE(NULL, object) TH_LOG("%s: %m", path);
	ASSERT_EQ(0, bpf_object__load(object));
	state_fd = bpf_object__find_map_fd_by_name(object, "state");
	ASSERT_LE(0, state_fd);
	ASSERT_EQ(0, fstatat(under, name, &st, 0));
	state = (struct lsm_state) { .ino = st.st_ino, .dev = major(st.st_dev) << 20 | minor(st.st_dev) };
	state_write();
	bpf_object__for_each_program(program, object)
		ASSERT_NE(NULL, bpf_program__attach_lsm(program)) TH_LOG("%s: %m", bpf_program__name(program));
}

/* From now on nothing was asked, and the answer is EACCES, or not. */
static void answer(bool deny)
{
	state_read();
	state.deny = deny;
	state.reads = 0;
	state.writes = 0;
	state.maps = 0;
	state.map_is_backing = 0;
	state.uid = ~0;
	state_write();
}

/* What is done to @fd, which is open for reading and writing. @other is a file nobody looks at, @pipe an empty pipe. */
struct operation {
	const char *name;
	ssize_t (*run)(int fd, int other, int *pipe);
	unsigned int reads;
	unsigned int writes;
};

static char buf[4 * KIB];

static ssize_t do_read(int fd, int other, int *pipe)
{
	return pread(fd, buf, sizeof(buf), 0);
}

static ssize_t do_write(int fd, int other, int *pipe)
{
	return pwrite(fd, buf, sizeof(buf), 0);
}

static ssize_t do_splice_read(int fd, int other, int *pipe)
{
	loff_t pos = 0;

	return splice(fd, &pos, pipe[1], NULL, sizeof(buf), 0);
}

static ssize_t do_splice_write(int fd, int other, int *pipe)
{
	loff_t pos = 0;

	if (write(pipe[1], buf, sizeof(buf)) != sizeof(buf))
		return -1;
	return splice(pipe[0], NULL, fd, &pos, sizeof(buf), 0);
}

static ssize_t do_sendfile_from(int fd, int other, int *pipe)
{
	off_t pos = 0;

	return sendfile(other, fd, &pos, sizeof(buf));
}

static ssize_t do_sendfile_to(int fd, int other, int *pipe)
{
	off_t pos = 0;

	lseek(fd, 0, SEEK_SET);
	return sendfile(fd, other, &pos, sizeof(buf));
}

static ssize_t do_fallocate(int fd, int other, int *pipe)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(buf)) ?: sizeof(buf);
}

static ssize_t do_copy_from(int fd, int other, int *pipe)
{
	loff_t from = 0, to = 0;

	return copy_file_range(fd, &from, other, &to, sizeof(buf), 0);
}

static ssize_t do_copy_to(int fd, int other, int *pipe)
{
	loff_t from = 0, to = 0;

	return copy_file_range(other, &from, fd, &to, sizeof(buf), 0);
}

static const struct operation operations[] = {
	{ "read", do_read, 1, 0 },
	{ "write", do_write, 0, 1 },
	{ "splice to a pipe", do_splice_read, 1, 0 },
	{ "splice from a pipe", do_splice_write, 0, 1 },
	{ "sendfile from it", do_sendfile_from, 1, 0 },
	{ "sendfile into it", do_sendfile_to, 0, 1 },
	{ "fallocate", do_fallocate, 0, 1 },
	{ "copy from it", do_copy_from, 1, 0 },
	{ "copy into it", do_copy_to, 0, 1 },
};

static ssize_t run(const struct operation *op, int fd, int other)
{
	ssize_t ret;
	int p[2];

	if (pipe(p))
		return -errno;
	ret = errno_of(op->run(fd, other, p));
	close(p[0]);
	close(p[1]);
	return ret;
}

TEST_F(lsm, asked_once)
{
	const struct operation *op;
	int fd, other;

	make_file(_metadata, self->dir, "f", SIZE, 1);
	make_file(_metadata, self->dir, "other", SIZE, 2);
	fd = must_open(self->dir, "f", O_RDWR);
	other = must_open(self->dir, "other", O_RDWR);
	watch(_metadata, self->under, "f");
	for (op = operations; op < operations + ARRAY_SIZE(operations); op++) {
		answer(ALLOW);
		EXPECT_EQ((ssize_t)sizeof(buf), run(op, fd, other)) TH_LOG("%s", op->name);
		state_read();
		EXPECT_EQ(op->reads, state.reads) TH_LOG("%s", op->name);
		EXPECT_EQ(op->writes, state.writes) TH_LOG("%s", op->name);
	}
}

TEST_F(lsm, denied)
{
	const struct operation *op;
	int fd, other;

	make_file(_metadata, self->dir, "f", SIZE, 1);
	make_file(_metadata, self->dir, "other", SIZE, 2);
	fd = must_open(self->dir, "f", O_RDWR);
	other = must_open(self->dir, "other", O_RDWR);
	watch(_metadata, self->under, "f");
	for (op = operations; op < operations + ARRAY_SIZE(operations); op++) {
		answer(DENY);
		EXPECT_EQ(-EACCES, run(op, fd, other)) TH_LOG("%s", op->name);
		answer(ALLOW);
		EXPECT_EQ(-1, differs(fd, SIZE, 0, 1)) TH_LOG("%s", op->name);
		EXPECT_EQ(-1, differs(other, SIZE, 0, 2)) TH_LOG("%s", op->name);
	}
	expect_content("f", SIZE, 1);
}

static bool is_mapped(const void *p)
{
	unsigned char resident;

	return !mincore((void *)p, 1, &resident);
}

TEST_F(lsm, mapping)
{
	const int protections[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	/* Nobody is asked about a file that is mapped directly */
	unsigned int asked = variant->layers != DIRECT;
	void *place, *p;
	int fd, i;

	make_file(_metadata, self->dir, "f", SIZE, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	watch(_metadata, self->under, "f");
	for (i = 0; i < ARRAY_SIZE(protections); i++) {
		answer(ALLOW);
		p = mmap(NULL, SIZE, protections[i], MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		state_read();
		EXPECT_EQ(asked, state.maps);
		EXPECT_EQ(asked, state.map_is_backing);
		EXPECT_EQ(0, munmap(p, SIZE));
		if (!asked)
			continue;

		place = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, place);
		answer(DENY);
		EXPECT_EQ(MAP_FAILED, mmap(place, SIZE, protections[i], MAP_SHARED | MAP_FIXED, fd, 0));
		EXPECT_EQ(EACCES, errno);
		state_read();
		EXPECT_EQ(1, state.maps);
		answer(ALLOW);
		/* As the kernel leaves a place whose new mapping failed: empty */
		EXPECT_FALSE(is_mapped(place));
	}
	EXPECT_EQ(-1, differs(fd, SIZE, 0, 1));
}

/* The task's user may read the file on the stack; below, it is the mounter who reads and maps. */
TEST_F(lsm, mounter_acts)
{
	unsigned int who = variant->layers == DIRECT ? NOBODY : 0;
	int fd;

	make_file(_metadata, self->dir, "f", SIZE, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	watch(_metadata, self->under, "f");
	answer(ALLOW);
	EXPECT_EQ(0, as_user(NOBODY, pread(fd, buf, sizeof(buf), 0)));
	state_read();
	EXPECT_EQ(1, state.reads);
	EXPECT_EQ(who, state.uid);
	if (variant->layers == DIRECT)
		return;
	answer(ALLOW);
	EXPECT_EQ(0, as_user(NOBODY, mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0));
	state_read();
	EXPECT_EQ(1, state.maps);
	EXPECT_EQ(who, state.uid);
}

TEST_HARNESS_MAIN
