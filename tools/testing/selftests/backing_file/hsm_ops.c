// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the hooks tests: what each has to do to the files, which events it has to raise. How each is done:
 * hsm_ops_rw.c, hsm_ops_move.c and hsm_ops_space.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hsm_ops.h"

#define MEM (32 * PG)

/* Dedupe finds these bytes equal in both files. */
#define SAME(i) ((i) >= AT && (i) < AT + SPAN)

unsigned char data(int file, size_t i)
{
	if (SAME(i))
		file = A;
	return 1 + (i * 7 + i / 251 + file * 101) % 255;
}

unsigned char fresh(size_t i)
{
	return 1 + (i * 11 + i / 241 + 77) % 255;
}

unsigned char *out, *in;

long keep(struct job *job, long ret)
{
	if (ret > 0) {
		memcpy(job->buf, in, ret);
		job->got = ret;
	}
	return ret;
}

const char *path_of(struct job *job)
{
	static char path[PATH_MAX + 4];

	snprintf(path, sizeof(path), "%s/a", job->dir);
	return path;
}

/* What the operations have to do */

static void reads(struct model *m, size_t pos, size_t len)
{
	memcpy(m->buf, m->file[A] + pos, len);
	m->got = len;
	m->ret = len;
}

static void writes(struct model *m, size_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		m->file[A][pos + i] = fresh(i);
	if (m->size[A] < pos + len)
		m->size[A] = pos + len;
	m->ret = len;
}

static void resizes(struct model *m, size_t size)
{
	if (size < m->size[A])
		memset(m->file[A] + size, 0, m->size[A] - size);
	m->size[A] = size;
	m->ret = 0;
}

static void copies(struct model *m, size_t from, size_t to, size_t len)
{
	memcpy(m->file[B] + to, m->file[A] + from, len);
}

static void reads_on(struct model *m)
{
	reads(m, OFF, LEN);
	m->pos = OFF + LEN;
}

static void reads_there(struct model *m)
{
	reads(m, OFF, LEN);
}

static void reads_aligned(struct model *m)
{
	reads(m, AT, SPAN);
}

static void reads_big(struct model *m)
{
	reads(m, PG, BIG);
}

static void maps(struct model *m)
{
	reads(m, AT, SPAN);
	m->ret = 0;
}

static void writes_on(struct model *m)
{
	writes(m, OFF, LEN);
	m->pos = OFF + LEN;
}

static void writes_there(struct model *m)
{
	writes(m, OFF, LEN);
}

static void writes_aligned(struct model *m)
{
	writes(m, AT, SPAN);
}

static void writes_big(struct model *m)
{
	writes(m, PG, BIG);
	m->pos = PG + BIG;
}

static void appends(struct model *m)
{
	writes(m, SIZE, LEN);
}

static void appends_on(struct model *m)
{
	writes(m, SIZE, LEN);
	m->pos = SIZE + LEN;
}

static void allocates(struct model *m)
{
	resizes(m, SIZE + LEN);
}

static void zeroes(struct model *m)
{
	memset(m->file[A] + OFF, 0, LEN);
	m->ret = 0;
}

static void collapses(struct model *m)
{
	memmove(m->file[A] + AT, m->file[A] + AT + SPAN, SIZE - AT - SPAN);
	resizes(m, SIZE - SPAN);
}

static void inserts(struct model *m)
{
	memmove(m->file[A] + AT + SPAN, m->file[A] + AT, SIZE - AT);
	memset(m->file[A] + AT, 0, SPAN);
	m->size[A] = SIZE + SPAN;
	m->ret = 0;
}

static void truncates(struct model *m)
{
	resizes(m, OFF);
}

static void extends(struct model *m)
{
	resizes(m, SIZE + PG);
}

static void empties(struct model *m)
{
	resizes(m, 0);
}

static void copies_there(struct model *m)
{
	copies(m, OFF, PG + 7, LEN);
	m->ret = LEN;
}

static void copies_blocks(struct model *m)
{
	copies(m, AT, 2 * PG, SPAN);
	m->ret = SPAN;
}

static void sends(struct model *m)
{
	copies(m, OFF, 0, LEN);
	m->ret = LEN;
}

static void clones(struct model *m)
{
	copies(m, 0, 0, SIZE);
	m->ret = 0;
}

static void clones_there(struct model *m)
{
	copies(m, AT, 2 * PG, SPAN);
	m->ret = 0;
}

static void dedupes(struct model *m)
{
	m->ret = SPAN;
}

static void nothing(struct model *m)
{
	m->ret = 0;
}

#define THERE { { A, OFF, LEN } }
#define ALIGNED { { A, AT, SPAN } }
#define NOWHERE { { 0 } }

/* Name, flags of open, flags, position; how it is done, what it does; events directly, and here if they differ. */
const struct op ops[] = {
	{ "read", O_RDONLY, 0, OFF, run_read, reads_on, THERE },
	{ "pread", O_RDONLY, 0, 0, run_pread, reads_there, THERE },
	{ "preadv2", O_RDONLY, 0, 0, run_preadv2, reads_there, THERE },
	{ "pread O_DIRECT", O_RDONLY | O_DIRECT, 0, 0, run_read_direct, reads_aligned, ALIGNED },
	{ "write", O_WRONLY, 0, OFF, run_write, writes_on, THERE },
	{ "pwrite", O_RDWR, 0, 0, run_pwrite, writes_there, THERE },
	{ "pwritev2 RWF_DSYNC", O_WRONLY, 0, 0, run_pwritev2, writes_there, THERE },
	{ "pwrite O_DIRECT", O_WRONLY | O_DIRECT, 0, 0, run_write_direct, writes_aligned, ALIGNED },
	{ "write O_APPEND", O_WRONLY | O_APPEND, OP_DIFFERS, OFF, run_write, appends_on, THERE, { { A, SIZE, LEN } } },
	{ "pwritev2 RWF_APPEND", O_WRONLY, OP_DIFFERS, 0, run_rwf_append, appends, THERE, { { A, SIZE, LEN } } },
	{ "libaio read", O_RDONLY, 0, 0, run_aio_read, reads_there, THERE },
	{ "libaio write", O_WRONLY, 0, 0, run_aio_write, writes_there, THERE },
	{ "libaio read O_DIRECT", O_RDONLY | O_DIRECT, 0, 0, run_aio_read_direct, reads_aligned, ALIGNED },
	{ "libaio write O_DIRECT", O_WRONLY | O_DIRECT, 0, 0, run_aio_write_direct, writes_aligned, ALIGNED },
	{ "io_uring read", O_RDONLY, OP_REPEAT, 0, run_uring_read, reads_there, THERE },
	{ "io_uring write", O_WRONLY, OP_REPEAT, 0, run_uring_write, writes_there, THERE },
	{ "io_uring read IOSQE_ASYNC", O_RDONLY, 0, 0, run_uring_read_worker, reads_there, THERE },
	{ "io_uring write IOSQE_ASYNC", O_WRONLY, 0, 0, run_uring_write_worker, writes_there, THERE },
	{ "io_uring read O_DIRECT", O_RDONLY | O_DIRECT, OP_REPEAT, 0, run_uring_read_direct, reads_aligned, ALIGNED },
	{ "io_uring write O_DIRECT", O_WRONLY | O_DIRECT, OP_REPEAT, 0, run_uring_write_direct, writes_aligned,
	  ALIGNED },
	{ "io_uring fallocate", O_WRONLY, 0, 0, run_uring_fallocate, zeroes, THERE },
	{ "io_uring ftruncate", O_WRONLY, 0, 0, run_uring_ftruncate, truncates, { { A, OFF, 0 } } },
	{ "io_uring open O_TRUNC", 0, OP_PATH | OP_DIFFERS, 0, run_uring_open_trunc, empties,
	  NOWHERE, { { A, 0, 0 } } },
	{ "io_uring fadvise WILLNEED", O_RDONLY, OP_DIFFERS, 0, run_uring_willneed, nothing, NOWHERE, THERE },
	{ "io_uring splice to a pipe", O_RDONLY, 0, 0, run_uring_splice_out, reads_there, THERE },
	{ "io_uring splice from a pipe", O_WRONLY, 0, 0, run_uring_splice_in, writes_there, THERE },
	{ "splice to a pipe", O_RDONLY, 0, 0, run_splice_out, reads_there, THERE },
	{ "splice from a pipe", O_WRONLY, 0, 0, run_splice_in, writes_there, THERE },
	{ "sendfile to a pipe", O_RDONLY, 0, 0, run_sendfile_pipe, reads_there, THERE },
	{ "sendfile to a file", O_RDONLY, 0, 0, run_sendfile_out, reads_there, THERE },
	{ "sendfile to a file, 80 KiB", O_RDONLY, OP_SPLIT, 0, run_sendfile_out_big, reads_big, { { A, PG, BIG } } },
	{ "sendfile into it", O_WRONLY, 0, OFF, run_sendfile_in, writes_on, THERE },
	{ "sendfile into it, 80 KiB", O_WRONLY, OP_SPLIT, PG, run_sendfile_in_big, writes_big, { { A, PG, BIG } } },
	{ "sendfile from a to b", O_RDONLY, OP_TWO, 0, run_sendfile_both, sends, { { A, OFF, LEN }, { B, 0, LEN } } },
	{ "fallocate", O_WRONLY, 0, 0, run_fallocate, allocates, { { A, SIZE, LEN } } },
	{ "fallocate PUNCH_HOLE", O_WRONLY, 0, 0, run_punch, zeroes, THERE },
	{ "fallocate ZERO_RANGE", O_WRONLY, 0, 0, run_zero, zeroes, THERE },
	{ "fallocate COLLAPSE_RANGE", O_RDWR, 0, 0, run_collapse, collapses, ALIGNED },
	{ "fallocate INSERT_RANGE", O_RDWR, 0, 0, run_insert, inserts, ALIGNED },
	{ "truncate", 0, OP_PATH, 0, run_truncate, truncates, { { A, OFF, 0 } } },
	{ "ftruncate", O_WRONLY, 0, 0, run_ftruncate, truncates, { { A, OFF, 0 } } },
	{ "ftruncate to extend", O_WRONLY, 0, 0, run_extend, extends, { { A, SIZE + PG, 0 } } },
	{ "open O_TRUNC", 0, OP_PATH | OP_DIFFERS, 0, run_open_trunc, empties, NOWHERE, { { A, 0, 0 } } },
	{ "copy_file_range", O_RDONLY, OP_TWO, 0, run_copy, copies_there, { { A, OFF, LEN }, { B, PG + 7, LEN } } },
	{ "copy_file_range of whole blocks", O_RDONLY, OP_TWO, 0, run_copy_blocks, copies_blocks,
	  { { A, AT, SPAN }, { B, 2 * PG, SPAN } } },
	{ "FICLONE", O_RDONLY, OP_TWO, 0, run_clone, clones, { { A, 0, 0 }, { B, 0, 0 } } },
	{ "FICLONERANGE", O_RDONLY, OP_TWO, 0, run_clone_range, clones_there,
	  { { A, AT, SPAN }, { B, 2 * PG, SPAN } } },
	/* The kernel looks at the source once for the call and once for the destination. */
	{ "FIDEDUPERANGE", O_RDWR, OP_TWO | OP_DIFFERS, 0, run_dedupe, dedupes,
	  { { A, AT, SPAN }, { A, AT, SPAN }, { B, AT, SPAN } }, { { A, AT, SPAN }, { B, AT, SPAN } } },
	{ "posix_fadvise WILLNEED", O_RDONLY, OP_DIFFERS, 0, run_willneed, nothing, NOWHERE, THERE },
	{ "posix_fadvise WILLNEED to the end", O_RDONLY, OP_DIFFERS, 0, run_willneed_all, nothing, NOWHERE,
	  { { A, OFF, SIZE - OFF } } },
	{ "readahead", O_RDONLY, OP_DIFFERS, 0, run_readahead, nothing, NOWHERE, THERE },
	{ "seek, stat, fsync, chmod, DONTNEED", O_RDWR, 0, 0, run_no_content, nothing, NOWHERE },
	{ "mmap", O_RDONLY, OP_MAPS, 0, run_mmap, maps, ALIGNED },
};

const int nops = ARRAY_LEN(ops);

void do_op(struct job *job)
{
	const struct op *op = &ops[job->op];
	int fd = -1, to = -1;
	char path[PATH_MAX + 4];

	if (!out) {
		out = aligned_alloc(PG, MEM);
		in = aligned_alloc(PG, MEM);
		if (!out || !in)
			exit(1);
		for (size_t i = 0; i < MEM; i++)
			out[i] = fresh(i);
	}
	job->got = 0;
	job->pos = 0;
	if (!(op->flags & OP_PATH)) {
		fd = open(path_of(job), op->oflags);
		if (fd < 0) {
			job->ret = -errno;
			return;
		}
		lseek(fd, op->pos, SEEK_SET);
	}
	if (op->flags & OP_TWO) {
		snprintf(path, sizeof(path), "%s/b", job->dir);
		to = open(path, O_RDWR);
		if (to < 0) {
			job->ret = -errno;
			return;
		}
	}
	job->ret = op->run(job, fd, to);
	if (fd >= 0) {
		job->pos = lseek(fd, 0, SEEK_CUR);
		close(fd);
	}
	if (to >= 0)
		close(to);
}
