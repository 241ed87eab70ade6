// SPDX-License-Identifier: GPL-2.0
/* Control of fault injection; see fail_nth.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fail_nth.h"

#define DEBUGFS "/sys/kernel/debug/"

static const char *const injectors[] = {
	"failslab", "fail_page_alloc", "fail_mempool_alloc", "fail_mempool_alloc_bulk", "fail_usercopy", NULL,
};

/* The code of backing_file.ko and passfs.ko: one range, there are no other modules between them in our guests. */
static unsigned long text_start, text_end;

static void set(const char *injector, const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", injector, name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		fprintf(stderr, "%s: %m (this test needs the debug kernel)\n", path);
		exit(1);
	}
	close(fd);
}

static void find_text(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[1024];

	text_start = -1ul;
	text_end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long at;
		char type;

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
	if (!text_end) {
		fprintf(stderr, "/proc/kallsyms has no function of passfs and backing_file\n");
		exit(1);
	}
	text_end += 4096; /* the last function */
}

static int fail_nth = -1;

void faults_init(void)
{
	int i;

	for (i = 0; injectors[i]; i++) {
		set(injectors[i], "verbose", "0");
		set(injectors[i], "stacktrace-depth", "32");
	}
	set("failslab", "ignore-gfp-wait", "N");
	set("failslab", "cache-filter", "N");
	set("fail_page_alloc", "ignore-gfp-wait", "N");
	set("fail_page_alloc", "ignore-gfp-highmem", "N");
	set("fail_page_alloc", "min-order", "0");
	find_text();
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0) {
		perror("/proc/thread-self/fail-nth");
		exit(1);
	}
}

void faults_select(enum sites which)
{
	char start[32], end[32];
	int i;

	snprintf(start, sizeof(start), "0x%lx", which == OUR_SITES ? text_start : 0);
	snprintf(end, sizeof(end), "0x%lx", which == OUR_SITES ? text_end : -1ul);
	for (i = 0; injectors[i]; i++) {
		set(injectors[i], "require-start", start);
		set(injectors[i], "require-end", end);
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
