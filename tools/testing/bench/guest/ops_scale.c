// SPDX-License-Identifier: GPL-2.0
/*
 * The same operation as there is more of something: bytes in the file, names in the folder, open files, threads at
 * work. The file and the folders (scale-10, ...) are made by the script that calls us.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "bench.h"

static off_t middle;
static const char *folder;
static pthread_t other;
static bool stop;

static int prepare_sized(const struct op *op)
{
	fd = open("sparse", O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, op->size))
		return errno;
	middle = op->size / 2 / 4096 * 4096;
	want(pwrite(fd, buffer, 1, middle), 1);
	return 0;
}

static void finish_sized(void)
{
	close_file();
	want(unlink("sparse"), 0);
}

static void run_sized(void)
{
	want(pread(fd, buffer, len, middle), len);
}

static int prepare_folder(const struct op *op)
{
	static char name[64];

	snprintf(name, sizeof(name), "scale-%ld/1", (long)op->size);
	folder = name;
	return access(name, F_OK) ? errno : 0;
}

static void run_stat_in_folder(void)
{
	struct stat st;

	want(stat(folder, &st), 0);
}

static void run_open_in_folder(void)
{
	want(close(open(folder, O_RDONLY)), 0);
}

static int prepare_readdir(const struct op *op)
{
	char name[64];

	snprintf(name, sizeof(name), "scale-%ld", (long)op->size);
	fd = open(name, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? errno : 0;
}

static void rewind_folder(void)
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

static int prepare_open_files(const struct op *op)
{
	struct rlimit limit = { .rlim_cur = op->size + 100, .rlim_max = op->size + 100 };
	int error = open_file(O_RDONLY);
	long i;

	if (error)
		return error;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
	for (i = 1; i < op->size; i++)
		if (open(FILE_NAME, O_RDONLY) < 0)
			err(1, "open file %ld", i);
	return 0;
}

static void run_open_another(void)
{
	want(close(open(FILE_NAME, O_RDONLY)), 0);
}

static void finish_open_files(void)
{
	want(close_range(fd, ~0U, 0), 0);
}

/* Reads the same file as fast as it can, on the other CPU. */
static void *read_along(void *arg)
{
	static char own[4096];
	cpu_set_t set;

	(void)arg;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	want(sched_setaffinity(0, sizeof(set), &set), 0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		want(pread(fd, own, sizeof(own), 0), sizeof(own));
	return NULL;
}

static int prepare_threads(const struct op *op)
{
	int error = open_file(O_RDWR);

	middle = 0;
	stop = false;
	if (!error && op->size == 2)
		error = pthread_create(&other, NULL, read_along, NULL);
	return error;
}

static void finish_thread(void)
{
	close_file();
}

static void finish_threads(void)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	close_file();
}

#define SIZED .prepare = prepare_sized, .run = run_sized, .finish = finish_sized, .len = 4096
#define STAT .prepare = prepare_folder, .run = run_stat_in_folder
#define OPEN .prepare = prepare_folder, .run = run_open_in_folder
#define READDIR(n) .requests = n, .prepare = prepare_readdir, .before = rewind_folder, .run = run_readdir, \
	.finish = close_file, .size = n
#define OPEN_FILES .prepare = prepare_open_files, .run = run_open_another, .finish = finish_open_files

const struct op scale_ops[] = {
	{ "pread 4K of file|4 KiB", SIZED, .size = 4096 },
	{ "pread 4K of file|4 MiB", SIZED, .size = 4 << 20 },
	{ "pread 4K of file|4 GiB", SIZED, .size = 4L << 30 },
	{ "stat in folder of|10", STAT, .size = 10 },
	{ "stat in folder of|1000", STAT, .size = 1000 },
	{ "stat in folder of|100000", STAT, .size = 100000 },
	{ "open + close in folder of|10", OPEN, .size = 10 },
	{ "open + close in folder of|1000", OPEN, .size = 1000 },
	{ "open + close in folder of|100000", OPEN, .size = 100000 },
	{ "readdir, each entry of|10", READDIR(10) },
	{ "readdir, each entry of|1000", READDIR(1000) },
	{ "readdir, each entry of|100000", READDIR(100000), .samples = 3 },
	{ "open + close with open files|10", OPEN_FILES, .size = 10 },
	{ "open + close with open files|1000", OPEN_FILES, .size = 1000 },
	{ "open + close with open files|100000", OPEN_FILES, .size = 100000 },
	{ "pread 4K, threads|1", .prepare = prepare_threads, .run = run_sized, .finish = finish_thread, .len = 4096,
	  .size = 1 },
	{ "pread 4K, threads|2", .prepare = prepare_threads, .run = run_sized, .finish = finish_threads, .len = 4096,
	  .size = 2 },
	{}
};
