/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the hooks tests share: the operations under test with what each has to do (hsm_ops.c), and a storage manager
 * that watches them with fanotify pre-content events (hsm.c).
 *
 * There are four processes. The *worker* does an operation on two files, "a" and "b". The *manager* (the test itself,
 * one thread) gets the events of marks, answers them, and compares what happened with what should have. The *freezer*
 * freezes and thaws the backing filesystem. The *watchdog* ends a manager that hangs: every wait has a limit, so that
 * a deadlock is a failure.
 */
#ifndef BACKING_FILE_HSM_H
#define BACKING_FILE_HSM_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/types.h>
#include "kselftest.h"
#include "pre_content.h"

#define PG 4096ul			/* the x86 page: events report whole ones */
#define SIZE (24 * PG + 1234)		/* of both files */
#define ROOM (SIZE + 4 * PG)		/* no operation makes a file larger */

/* Where the operations go: no page is aligned by chance. */
#define OFF (5 * PG + 100)
#define LEN 5000ul
#define AT (10 * PG)			/* aligned, for direct I/O, collapsing and sharing of blocks */
#define SPAN (2 * PG)
#define BIG (20 * PG)			/* more than one pipe full */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Which file; 0 ends a list. */
enum { A = 1, B, NFILES };

/* A file's bytes as they are before an operation; equal in both files where dedupe has to find them equal. */
unsigned char data(int file, size_t i);
/* What operations write. */
unsigned char fresh(size_t i);

/* What an event says, and of which file. */
struct range {
	int file;
	uint64_t off, len;
};

/* In memory shared by manager and worker. */
struct job {
	char dir[PATH_MAX];
	int op;
	long ret;			/* result, or the negative errno */
	long pos;			/* the file position afterwards, or -1 */
	size_t got;			/* how many bytes it read, into buf */
	unsigned char buf[ROOM];
	char doing[128];		/* for the watchdog */
};

/* What should be: the same fields, and the files. */
struct model {
	unsigned char file[NFILES][ROOM];
	size_t size[NFILES];
	long ret, pos;
	size_t got;
	unsigned char buf[ROOM];
};

struct op {
	const char *name;
	/* fd is a, opened with oflags (unless OP_PATH: by name) and placed at pos; to is b, if OP_TWO. */
	int oflags;
	unsigned int flags;
	long pos;
	long (*run)(struct job *job, int fd, int to);
	/* Makes of files as they were, files, result and bytes read as they have to be. */
	void (*effect)(struct model *m);
	/* Events when it is done to the files themselves, as written in the call, not rounded to pages. */
	struct range direct[3];
	/* Events of the backing files when it is done to the stack, if OP_DIFFERS; else the same. */
	struct range here[3];
};

#define OP_SPLIT	0x01	/* may be told in several adjoining ranges */
#define OP_REPEAT	0x02	/* io_uring may try without waiting first, and the kernel tells of each attempt */
#define OP_MAPS		0x04	/* mmap: refused below, the mapping is closed; -EFAULT stands for the signal */
#define OP_PATH		0x08	/* by name, a is not opened */
#define OP_TWO		0x10	/* b is used too */
#define OP_DIFFERS	0x20	/* here is not as direct */

extern const struct op ops[];
extern const int nops;
void do_op(struct job *job);

/* Layers that are watched. */
#define STACK	1
#define BACKING	2
#define BOTH	(STACK | BACKING)
#define DIRECT	4			/* the operation is done to the backing filesystem itself */

enum mark { INODE, MOUNT, FILESYSTEM, PARENT, NMARKS };

enum how {
	ALLOW,
	DENY,
	DENY_EIO,
	DENY_EBUSY,
	CLOSES,				/* the listener closes its descriptor */
	DIES,				/* the listener is killed */
	CALLER_DIES,			/* who waits for the answer is killed */
	FILLS,				/* the files are holes; the listener writes the range to the event's fd */
	FILLS_BESIDE,			/* the same, through its own fd of the backing file */
	FREEZE_ALLOW,			/* freeze, answer, thaw */
	FREEZE_FILL,			/* freeze; fill, which waits for the thaw; answer */
	NHOWS,
};

struct seen {
	int layer;
	struct range r;
	int pid;
	uint64_t mask;
};

struct outcome {
	struct seen seen[32];
	int nseen;
	long ret;
};

/* Sets up folders, files and processes; what fails there ends the program. */
void hsm_start(void);
/* Prints plan and totals, and exits. */
void hsm_end(void);

extern const char *const mark_names[NMARKS], *const how_names[NHOWS];
const char *layer_name(int layer);
extern char dir_backing[PATH_MAX], dir_stack[PATH_MAX], dir_direct[PATH_MAX];

/* Whether the backing filesystem has pre-content events at all: ext4, xfs and btrfs do, tmpfs does not. */
bool hsm_watchable(void);
/* Whether the backing filesystem can do this at all; when it cannot, that the stack says the same is a test. */
bool hsm_supported(const struct op *op);
/* Runs one case and reports it as a test, if its name matches BF_CASE of the environment, a shell pattern. */
void hsm_case(const struct op *op, int layer, enum mark mark, enum how how);
/* Runs all cases of a layer. */
void hsm_matrix(int layer, const bool *supported);
/* Does an operation in DIR, with the files in MARKED watched, and allows everything. */
void hsm_observe(const struct op *op, const char *dir, const char *marked, struct outcome *o);
/* Prints a line of a table as a diagnostic: what each of n outcomes saw. */
void hsm_table_row(const char *name, const struct outcome *o, int n);
/* Makes files a and b in a folder; keeps them open in FDS unless that is NULL. */
void hsm_make(const char *dir, int *fds);
/* Gives the files a and b in a folder the bytes of data(). */
void hsm_refill(const char *dir);
/* Events about the files in DIR are of LAYER. */
void hsm_know(const char *dir, int layer);
/* Freezes or thaws the backing filesystem; whether it was done in time. */
bool hsm_freeze(bool freeze);
/* Reports a test; when it failed, with what was noted before. */
__printf(2, 3) void hsm_result(bool ok, const char *fmt, ...);

#endif
