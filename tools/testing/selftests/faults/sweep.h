/* SPDX-License-Identifier: GPL-2.0 */
/* What an operation of the fault sweep is; see sweep_test.c. */
#ifndef SWEEP_H
#define SWEEP_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE 4096ul
#define SIZE (6 * PAGE)		/* of the files f and g */
#define AT (2 * PAGE)		/* where operations work in f */
#define LEN (3 * PAGE)
#define BUF_SIZE (64 * PAGE)

enum { OLD = 1, NEW = 2 };	/* seeds: f holds OLD, g holds NEW, and what is written into f is NEW */

/*
 * One attempt at an operation, in a folder of its own with
 * f:		a file of SIZE bytes; g: another one, for those that need it
 * dir:		an empty folder
 * sym:		a symbolic link to f
 * All but what prepare() makes are known to the dentry cache of the stack.
 */
struct attempt {
	int dir, under;		/* the folder, through the stack and below */
	char path[PATH_MAX];	/* the folder's name, through the stack and below */
	char under_path[PATH_MAX];
	char mnt[PATH_MAX];	/* an empty folder elsewhere, to mount on */
	int fd, fd2;		/* what prepare() opened through the stack, or -1 */
	int pipe[2];
	char *buf;		/* BUF_SIZE bytes at a page boundary, resident */
	void *map;
	aio_context_t aio;
	struct io_uring ring;
	bool has_ring, is_submitted;
	int group;		/* of fanotify, or -1; has an answering thread */
	pthread_t manager;
};

#define MAX_ERRNOS 6

/* Everything but @run is optional. */
struct operation {
	void (*prepare)(struct attempt *a);
	/* The operation and nothing else, for every place in it will fail: result or -errno. */
	long (*run)(struct attempt *a);
	/* Waits for what run() started. */
	void (*settle)(struct attempt *a);
	/* What is wrong, or NULL; after a result of @ret. What all operations have in common is checked already. */
	const char *(*check)(struct attempt *a, long ret);
	/* What it returns when nothing fails, if that is not @ret or more. */
	long ret;
	/* What it may return when a place fails, beside -ENOMEM and -EFAULT. */
	int errnos[MAX_ERRNOS];
	/* The bytes of f that become NEW, or zero (@zeroes). */
	off_t pos, len;
	bool zeroes;
	/* f gets another size: @size. */
	bool resizes;
	off_t size;
	/* run() returns how many of the bytes are NEW. */
	bool counts;
	/* prepare() needs the file g, or a storage manager. */
	bool needs_g, watched;
	/*
	 * The name that comes into being, and the one that goes: if it fails, neither has happened, unless
	 * @in_two_steps.
	 */
	const char *makes, *removes;
	bool in_two_steps;
	/* It ends something, such as a file without a name, and nobody hears whether that went well. */
	bool cannot_tell;
	/* What makes the filesystem below do the same, with nothing of ours involved, if that is not @run. */
	long (*alone)(struct attempt *a);
	/*
	 * prepare() leaves nothing to chance: if without the stack there is a place that makes the filesystem below
	 * give up, there is one with it.
	 */
	bool as_alone;
};

/* -1 and errno become -errno, so that one comparison tells all. */
#define errno_of(call) \
({ \
	long __ret = (long)(call); \
	__ret == -1 ? -(long)errno : __ret; \
})

/* For what no fault is injected into: it must work. */
#define must(call) \
({ \
	long __ret = (long)(call); \
	if (__ret == -1) { \
		printf("# %s:%d: %s: %m\n", __FILE__, __LINE__, #call); \
		exit(1); \
	} \
	__ret; \
})

static inline unsigned char byte(off_t pos, int seed)
{
	return ((pos * 0x9e3779b97f4a7c15ull) >> 56) ^ (seed * 85) ^ (pos >> 12);
}

static inline void fill_with(char *buf, size_t len, off_t pos, int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = byte(pos + i, seed);
}

/* sweep_check.c: what is wrong, or NULL, where the answer is a text */

bool there(int at, const char *name);
/* Every name is the same file, with the same attributes, through the stack and below. */
const char *names_agree(struct attempt *a, const struct operation *op);
/* f is the same through the stack and below: its size, with its content twice in the buffer, or -1. */
ssize_t read_both(struct attempt *a);
/* The mount does its work. */
const char *works_on(struct attempt *a);
/* Of those that @op may return when a place fails. */
bool errno_is_right(const struct operation *op, long ret);
/* All of it, after a result of @ret; what failed and has been done all the same is counted. */
const char *all_is_right(struct attempt *a, const struct operation *op, long ret, bool injected,
			 unsigned int *half_done);

#define DEFINE_OPERATION(name, ...) const struct operation op_##name = { .run = name, __VA_ARGS__ }

extern const struct operation
	op_open_read, op_open_write, op_open_direct, op_open_truncate, op_open_cold, op_open_dir, op_open_tmpfile,
	op_create, op_close_dirty, op_read_cached, op_read_cold, op_read_direct, op_setfl_and_read,
	op_write_buffered, op_write_direct, op_write_append, op_write_suid, op_aio_read, op_aio_read_direct,
	op_aio_write_direct,
	op_aio_first_write, op_uring_read, op_uring_read_direct, op_uring_write, op_uring_write_direct,
	op_splice_to_pipe, op_splice_from_pipe, op_sendfile_to_pipe, op_sendfile_to_file, op_mmap_shared,
	op_mmap_private, op_fault_read, op_fault_write, op_unmap, op_watched_read, op_watched_write,
	op_watched_splice, op_watched_mmap, op_watched_truncate, op_seek_data, op_seek_hole, op_sync_file,
	op_sync_data, op_sync_fs, op_allocate, op_punch_hole, op_truncate_fd, op_truncate_path, op_extend,
	op_advise, op_read_ahead, op_copy_range, op_clone_range, op_dedupe_range, op_lookup, op_lookup_nothing,
	op_stat_name, op_read_link, op_follow_link, op_stat_fs, op_check_access, op_read_dir, op_make_dir,
	op_make_again, op_make_symlink, op_make_fifo, op_make_device, op_make_link, op_remove_name, op_remove_last_name,
	op_remove_dir, op_rename_to_new, op_rename_over, op_rename_exchange, op_rename_across, op_change_mode,
	op_change_owner, op_change_times, op_set_xattr, op_get_xattr, op_list_xattr, op_remove_xattr, op_set_acl,
	op_get_acl, op_get_flags, op_set_flags, op_mount_fs, op_remount, op_unmount, op_mount_steps;

#endif
