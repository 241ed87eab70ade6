// SPDX-License-Identifier: GPL-2.0
/* Control of fault injection; see fail_nth.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fail_nth.h"

#define DEBUGFS "/sys/kernel/debug/"
#define SLAB "/sys/kernel/slab/"

static const char *const injectors[] = {
	"failslab", "fail_page_alloc", "fail_mempool_alloc", "fail_mempool_alloc_bulk", "fail_usercopy", NULL,
};

/* The code of backing_file.ko and passfs.ko: one range, there are no other modules between them in our guests. */
static unsigned long text_start, text_end;

/*
 * The function that makes a worker of io_uring. If there is no memory for its stack the kernel says so with a
 * backtrace, and a backtrace in the log is a failed test. Nothing of a filesystem is involved.
 */
static unsigned long worker_start, worker_end;

static void set(const char *where, const char *what, const char *name, const char *value)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s%s/%s", where, what, name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		fprintf(stderr, "%s: %m (this test needs the debug kernel)\n", path);
		exit(1);
	}
	close(fd);
}

/* Once, before there is a child for each test: reading all names takes a second. */
__attribute__((constructor)) static void find_text(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[1024];

	text_start = -1ul;
	text_end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long at;
		char type, name[128];

		/* The kernel's own come first, in order. */
		if (sscanf(line, "%lx %c %127s", &at, &type, name) == 3) {
			if (!strcmp(name, "create_io_worker"))
				worker_start = at;
			else if (worker_start && !worker_end && at > worker_start)
				worker_end = at;
		}
		if (!strstr(line, "[passfs]") && !strstr(line, "[backing_file]"))
			continue;
		if (sscanf(line, "%lx %c", &at, &type) != 2 || (type | 0x20) != 't')
			continue;
		if (at < text_start)
			text_start = at;
		if (at > text_end)
			text_end = at;
	}
	if (f)
		fclose(f);
	text_end += 4096; /* the last function */
}

/*
 * Caches of the kernel's own checks: every allocation makes one of these as well, and who gets none has others in
 * store. A fault there is no fault of what is tested.
 */
static bool is_for_checks(const char *cache)
{
	return !strncmp(cache, "kmemleak_", 9) || !strcmp(cache, "debug_objects_cache");
}

static void select_caches(void)
{
	DIR *d = opendir(SLAB);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			set(SLAB, e->d_name, "failslab", is_for_checks(e->d_name) ? "0" : "1");
	if (!d) {
		perror(SLAB);
		exit(1);
	}
	closedir(d);
	set(DEBUGFS, "failslab", "cache-filter", "Y");
}

static int fail_nth = -1;

void faults_init(void)
{
	int i;

	for (i = 0; injectors[i]; i++) {
		set(DEBUGFS, injectors[i], "verbose", "0");
	}
	set(DEBUGFS, "failslab", "ignore-gfp-wait", "N");
	select_caches();
	set(DEBUGFS, "fail_page_alloc", "ignore-gfp-wait", "N");
	set(DEBUGFS, "fail_page_alloc", "ignore-gfp-highmem", "N");
	set(DEBUGFS, "fail_page_alloc", "min-order", "0");
	if (text_start > text_end || !worker_end) {
		fprintf(stderr, "/proc/kallsyms has no function of passfs and backing_file, or not create_io_worker\n");
		exit(1);
	}
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0) {
		perror("/proc/thread-self/fail-nth");
		exit(1);
	}
}

static void set_range(const char *injector, const char *name, unsigned long start, unsigned long end)
{
	char file[32], value[32];

	snprintf(file, sizeof(file), "%s-start", name);
	snprintf(value, sizeof(value), "0x%lx", start);
	set(DEBUGFS, injector, file, value);
	snprintf(file, sizeof(file), "%s-end", name);
	snprintf(value, sizeof(value), "0x%lx", end);
	set(DEBUGFS, injector, file, value);
}

void faults_select(enum sites which)
{
	bool ours = which == OUR_SITES || which == OWN_SITES, others = which == OTHER_SITES;
	int i;

	for (i = 0; injectors[i]; i++) {
		/* An allocation of our own is a call or two away; three more are the injector's. */
		set(DEBUGFS, injectors[i], "stacktrace-depth", which == OWN_SITES ? "6" : "32");
		set_range(injectors[i], "require", ours ? text_start : 0, ours ? text_end : -1ul);
		set_range(injectors[i], "reject", others ? text_start : worker_start, others ? text_end : worker_end);
	}
}

void faults_arm(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_nth, text, len, 0) != len) {
		perror("fail-nth");
		exit(1);
	}
}

bool faults_disarm(unsigned int *missing)
{
	char text[16] = "";
	/* Itself a place: if it is the one that fails, none before it did. */
	bool read = pread(fail_nth, text, sizeof(text) - 1, 0) > 0;

	*missing = strtoul(text, NULL, 10);
	while (pwrite(fail_nth, "0", 1, 0) != 1)
		;
	return read && !*missing;
}
