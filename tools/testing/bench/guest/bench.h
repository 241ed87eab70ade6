/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One operation of the benchmark: what it needs around it is outside of what is counted.
 *
 * Everything is done in the current folder, which the driver (ops.c) has chosen.
 */
#ifndef BENCH_H
#define BENCH_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct op {
	const char *name;
	/* How many requests one run is; the cost is given for each. 0 is 1. */
	int requests;
	/* Once, before all runs. An errno if the file system cannot do this. */
	int (*prepare)(const struct op *op);
	/* Around each run, not counted. */
	void (*before)(void);
	void (*run)(void);
	void (*after)(void);
	/* Once, after all runs. */
	void (*finish)(void);
	/* Runs that are counted, if there are to be fewer than usual. */
	int samples;
	/* run() does all runs and marks each, by what it starts. */
	bool marks_itself;
	/* For prepare: bytes, open flags, how much there is of what grows. */
	size_t len;
	int flags;
	long size;
};

extern const struct op rw_ops[], async_ops[], map_ops[], name_ops[], scale_ops[];

#define FILE_NAME "file"
#define FILE_SIZE (4 << 20)
#define DIR_NAME "dir"
#define DIR_ENTRIES 1000
#define PROGRAM "./program"
#define XATTR "user.bench"

/* What the operations share: an open file and a buffer. */
extern int fd;
extern char *buffer;
extern size_t len;

int open_file(int flags);
void close_file(void);

/* The call must have returned just this. */
static inline void want(long got, long wanted)
{
	if (__builtin_expect(got != wanted, 0)) {
		if (got < 0)
			err(1, "the call failed");
		errx(1, "the call returned %ld, not %ld", got, wanted);
	}
}

#endif
