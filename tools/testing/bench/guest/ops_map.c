// SPDX-License-Identifier: GPL-2.0
/* Mapping a file, and running one. */
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "bench.h"
#include "mark.h"
#include "program.h"

static int prepare_file(const struct op *op)
{
	return open_file(op->flags);
}

/*
 * Always at the same place, with a page table of its own: otherwise the cost of an unmap depends on what happens to be
 * mapped near.
 */
#define PLACE ((void *)0x200000000000)

static void *map(void)
{
	void *p = mmap(PLACE, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void run_mmap(void)
{
	want(munmap(map(), len), 0);
}

static void run_mmap_touch(void)
{
	void *p = map();

	__atomic_load_n((char *)p, __ATOMIC_RELAXED);
	want(munmap(p, len), 0);
}

static int prepare_exec(const struct op *op)
{
	(void)op;
	return access(PROGRAM, X_OK) ? errno : 0;
}

static void run_exec(void)
{
	char times[16], *const argv[] = { PROGRAM, times, NULL }, *const envp[] = { NULL };
	pid_t pid;
	int status;

	snprintf(times, sizeof(times), "%04d", WARM_UP + EXECS + PROFILED);
	want(posix_spawn(&pid, PROGRAM, NULL, NULL, argv, envp), 0);
	want(waitpid(pid, &status, 0), pid);
	want(status, 0);
}

const struct op map_ops[] = {
	{ "mmap + munmap", .prepare = prepare_file, .run = run_mmap, .finish = close_file, .len = 65536,
	  .flags = O_RDWR },
	{ "mmap + touch", .prepare = prepare_file, .run = run_mmap_touch, .finish = close_file, .len = 65536,
	  .flags = O_RDWR },
	{ "exec", .prepare = prepare_exec, .run = run_exec, .marks_itself = true },
	{}
};
