// SPDX-License-Identifier: GPL-2.0
/*
 * ops LABEL FOLDER [OPERATION...]: runs each operation in FOLDER and marks where it begins and ends, for the plugin
 * that counts. What was counted goes under the label LABEL/OPERATION/REQUESTS. ops -s: those of ops_scale.c instead.
 * An operation that matches the pattern SKIP of the environment is left out.
 *
 * Everything runs on CPU 1: interrupts and the kernel's own work are on CPU 0 for the most part.
 */
#include <fnmatch.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/personality.h>
#include "bench.h"
#include "mark.h"

#define SAMPLES 200
#define CPU 1

int fd;
char *buffer;
size_t len;

static void send_nibble(int nibble)
{
	switch (nibble) {
#define SEND(n) case n: mark(n); break
	SEND(0); SEND(1); SEND(2); SEND(3); SEND(4); SEND(5); SEND(6); SEND(7);
	SEND(8); SEND(9); SEND(10); SEND(11); SEND(12); SEND(13); SEND(14); SEND(15);
	}
}

static void send_label(const char *label)
{
	for (; *label; label++) {
		send_nibble((unsigned char)*label >> 4);
		send_nibble(*label & 15);
	}
	mark(LABEL_DONE);
}

int open_file(int flags)
{
	fd = open(FILE_NAME, flags);
	return fd < 0 ? errno : 0;
}

void close_file(void)
{
	close(fd);
}

static void around(void (*f)(void))
{
	if (f)
		f();
}

static void measure(const struct op *op, const char *label)
{
	/* What does many requests at once needs fewer runs. */
	int samples = op->samples ?: op->requests > 1 ? SAMPLES / 4 : SAMPLES;
	int warm_up = MIN(samples, WARM_UP), profiled = MIN(samples, PROFILED);
	char full[256];
	int i;

	snprintf(full, sizeof(full), "%s/%s/%d", label, op->name, op->requests ?: 1);
	if (op->marks_itself) {
		send_label(full);
		op->run();
		send_label("");
		return;
	}
	for (i = 0; i < warm_up; i++) {
		around(op->before);
		op->run();
		around(op->after);
	}
	send_label(full);
	for (i = 0; i < samples; i++) {
		around(op->before);
		mark(START);
		op->run();
		mark(STOP);
		around(op->after);
	}
	for (i = 0; i < profiled; i++) {
		around(op->before);
		mark(PROFILE_START);
		op->run();
		mark(PROFILE_STOP);
		around(op->after);
	}
	send_label("");
}

static bool chosen(const struct op *op, char **patterns)
{
	const char *skip = getenv("SKIP");

	if (skip && !fnmatch(skip, op->name, 0))
		return false;
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, op->name, 0))
			return true;
	return false;
}

/* An operation that the file system does not have is left out; the report shows the gap. */
static void run_all(const struct op *op, const char *label, char **patterns)
{
	int error;

	for (; op->name; op++) {
		if (!chosen(op, patterns))
			continue;
		len = op->len;
		error = op->prepare(op);
		if (error) {
			fprintf(stderr, "%s/%s: %s\n", label, op->name, strerror(error));
			continue;
		}
		measure(op, label);
		around(op->finish);
	}
}

/* On one CPU, and programs that are executed have their pages at the same places every time. */
static void hold_still(void)
{
	cpu_set_t set;

	if (personality(ADDR_NO_RANDOMIZE) < 0)
		err(1, "personality");
	CPU_ZERO(&set);
	CPU_SET(CPU, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", CPU);
}

int main(int argc, char **argv)
{
	bool scale = argc > 1 && !strcmp(argv[1], "-s");

	argc -= scale;
	argv += scale;
	if (argc < 3)
		errx(1, "usage: ops [-s] LABEL FOLDER [OPERATION...]");
	if (chdir(argv[2]))
		err(1, "%s", argv[2]);
	hold_still();
	buffer = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffer == MAP_FAILED)
		err(1, "mmap");
	if (scale) {
		run_all(scale_ops, argv[1], argv + 3);
		return 0;
	}
	run_all(rw_ops, argv[1], argv + 3);
	run_all(map_ops, argv[1], argv + 3);
	run_all(name_ops, argv[1], argv + 3);
	run_all(async_ops, argv[1], argv + 3);
	return 0;
}
