// SPDX-License-Identifier: GPL-2.0
/* Names and attributes. */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include "bench.h"

static int prepare_file(const struct op *op)
{
	return open_file(op->flags);
}

static int prepare_none(const struct op *op)
{
	(void)op;
	return 0;
}

static void run_fstat(void)
{
	struct stat st;

	want(fstat(fd, &st), 0);
}

static void run_stat(void)
{
	struct stat st;

	want(stat(FILE_NAME, &st), 0);
}

static void run_statx(void)
{
	struct statx stx;

	want(statx(AT_FDCWD, FILE_NAME, 0, STATX_BASIC_STATS | STATX_BTIME, &stx), 0);
}

static void run_access(void)
{
	want(access(FILE_NAME, R_OK), 0);
}

static int prepare_readdir(const struct op *op)
{
	(void)op;
	fd = open(DIR_NAME, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? errno : 0;
}

static void rewind_dir(void)
{
	want(lseek(fd, 0, SEEK_SET), 0);
}

static void run_readdir(void)
{
	long ret;

	do {
		ret = syscall(SYS_getdents64, fd, buffer, 32768);
	} while (ret > 0);
	want(ret, 0);
}

static void run_open_read(void)
{
	want(close(open(FILE_NAME, O_RDONLY)), 0);
}

static void run_open_write(void)
{
	want(close(open(FILE_NAME, O_WRONLY)), 0);
}

static void run_create(void)
{
	want(close(open("new", O_WRONLY | O_CREAT | O_EXCL, 0644)), 0);
	want(unlink("new"), 0);
}

static int prepare_rename(const struct op *op)
{
	(void)op;
	want(close(open("old", O_WRONLY | O_CREAT, 0644)), 0);
	return 0;
}

static void run_rename(void)
{
	want(rename("old", "new"), 0);
}

static void rename_back(void)
{
	want(rename("new", "old"), 0);
}

static void finish_rename(void)
{
	want(unlink("old"), 0);
}

static void run_mkdir(void)
{
	want(mkdir("new", 0755), 0);
	want(rmdir("new"), 0);
}

static int prepare_xattr(const struct op *op)
{
	(void)op;
	return setxattr(FILE_NAME, XATTR, "0123456789", 10, 0) ? errno : 0;
}

static void run_getxattr(void)
{
	want(getxattr(FILE_NAME, XATTR, buffer, 100), 10);
}

static int prepare_fallocate(const struct op *op)
{
	int error = open_file(op->flags);

	if (error || !fallocate(fd, 0, 0, 4096))
		return error;
	error = errno;
	close_file();
	return error;
}

static void run_fallocate(void)
{
	want(fallocate(fd, 0, 0, 4096), 0);
}

static void run_fsync(void)
{
	want(fsync(fd), 0);
}

#define NO_FILE .prepare = prepare_none
#define WITH_FILE .prepare = prepare_file, .finish = close_file

const struct op name_ops[] = {
	{ "fstat", WITH_FILE, .run = run_fstat, .flags = O_RDONLY },
	{ "stat", NO_FILE, .run = run_stat },
	{ "statx", NO_FILE, .run = run_statx },
	{ "access", NO_FILE, .run = run_access },
	{ "readdir 1000", .prepare = prepare_readdir, .before = rewind_dir, .run = run_readdir, .finish = close_file },
	{ "open + close, read", NO_FILE, .run = run_open_read },
	{ "open + close, write", NO_FILE, .run = run_open_write },
	{ "create + unlink", NO_FILE, .run = run_create },
	{ "rename", .prepare = prepare_rename, .run = run_rename, .after = rename_back, .finish = finish_rename },
	{ "mkdir + rmdir", NO_FILE, .run = run_mkdir },
	{ "getxattr", .prepare = prepare_xattr, .run = run_getxattr },
	{ "fallocate", .prepare = prepare_fallocate, .run = run_fallocate, .finish = close_file, .flags = O_RDWR },
	{ "fsync", WITH_FILE, .run = run_fsync, .flags = O_RDWR },
	{}
};
