/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the storage manager of the hooks tests share: hsm.c has the cases, hsm_process.c the processes,
 * hsm_files.c the files, hsm_listener.c marks and events.
 */
#ifndef BACKING_FILE_HSM_PARTS_H
#define BACKING_FILE_HSM_PARTS_H

#include "hsm.h"

#define PATIENCE 10000		/* ms for an operation with its events: emulated machines are slow */

/* hsm_process.c */

extern struct job *job;
extern pid_t worker;
extern int worker_fd;

void fatal(const char *what);
/* Notes a reason; returns false. */
__printf(1, 2) bool wrong(const char *fmt, ...);
void forget_reasons(void);
/* Prints plan and totals, and exits. */
void finish(void);
/* Forks a child that serves one end of a pair of sockets; FD is the other. */
void hook_up(pid_t *pid, int *fd, void (*serve)(int fd));
void work(int fd);
void start_freezer(void);
/* f: freeze, t: thaw, T: thaw after a moment; only the first two wait for the answer. */
bool freezer_told(char c, const char *what);
bool freezer_answers(const char *what);
/* Where the worker hangs, for the log. */
void describe_worker(void);
void new_worker(void);
/* The test goes on in a child; here we wait for it to end, or to be ended by its alarm. */
void watch(void);

/* hsm_files.c */

extern unsigned char full[NFILES][SIZE];	/* data() of both */
extern struct model model;

void make_all_files(void);
int *fds_of(int layer);
/* Layer and file of what an event's descriptor is about, into a struct seen. */
void identify(int fd, struct seen *seen);
/* Gives the files that OP uses the bytes of data(), or makes them holes of the same size. */
void prepare(const struct op *op, int layer, bool holes);
/* The files have changed, or may have. */
void soil(const struct op *op, int layer);
/* Compares the files with the model; notes whether they are as prepare() would make them. */
bool same_files(const struct op *op, int layer);
/* The model of files before an operation: full, or holes with what the listener filled in. */
void model_start(const struct op *op, bool holes, const struct outcome *o);

/* hsm_listener.c */

extern int group;

int new_group(void);
void drop_group(void);
void drop_marks(void);
bool watch_files(int fan, const char *dir, enum mark type);
bool listen_to(int layer, enum mark type);
/* Reads one event and finds out what it is about; its descriptor, or -1. */
int next_event(struct outcome *o);
/* Reacts to an event; returns whether the operation goes on as if allowed. */
bool react(int fd, enum how how, const struct seen *s);

#endif
