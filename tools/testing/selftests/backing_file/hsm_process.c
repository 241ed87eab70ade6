// SPDX-License-Identifier: GPL-2.0
/*
 * The processes of the hooks tests, how they are told what to do, and how results are reported.
 */
#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hsm_parts.h"

#define FROZEN 5000		/* us that the filesystem stays frozen */

struct job *job;
pid_t worker;
int worker_fd = -1;
static pid_t freezer;
static int freezer_fd = -1;
static char why[1024];			/* what went wrong in this case */
static unsigned int tests;

void fatal(const char *what)
{
	ksft_print_msg("%s: %s\n", what, strerror(errno));
	ksft_exit_fail_msg("cannot set up: %s\n", what);
}

bool wrong(const char *fmt, ...)
{
	size_t used = strlen(why);
	va_list args;

	if (used)
		used += snprintf(why + used, sizeof(why) - used, "; ");
	if (used < sizeof(why)) {
		va_start(args, fmt);
		vsnprintf(why + used, sizeof(why) - used, fmt, args);
		va_end(args);
	}
	return false;
}

void hsm_result(bool ok, const char *fmt, ...)
{
	char name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (!ok)
		ksft_print_msg("%s: %s\n", name, why);
	tests++;
	ksft_test_result(ok, "%s\n", name);
	why[0] = 0;
}

void forget_reasons(void)
{
	why[0] = 0;
}

void finish(void)
{
	alarm(0);
	kill(worker, SIGKILL);
	kill(freezer, SIGKILL);
	ksft_set_plan(tests);
	ksft_finished();
}

/* Processes */

void hook_up(pid_t *pid, int *fd, void (*serve)(int fd))
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fatal("socketpair");
	if (*fd >= 0)
		close(*fd);
	fflush(stdout);
	*pid = fork();
	if (*pid < 0)
		fatal("fork");
	if (!*pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	*fd = pair[0];
}

void work(int fd)
{
	char c;

	while (read(fd, &c, 1) == 1) {
		do_op(job);
		if (write(fd, &c, 1) != 1)
			break;
	}
}

/* f: freeze, t: thaw, T: thaw after a moment. Answers with 0 or the errno. */
static void freezes(int fd)
{
	int dir = open(dir_backing, O_RDONLY | O_DIRECTORY);
	unsigned char c;

	while (read(fd, &c, 1) == 1) {
		if (c == 'T')
			usleep(FROZEN);
		c = ioctl(dir, c == 'f' ? FIFREEZE : FITHAW, 0) ? errno : 0;
		if (write(fd, &c, 1) != 1)
			break;
	}
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

bool freezer_answers(const char *what)
{
	unsigned char c;

	if (!readable(freezer_fd, PATIENCE))
		return wrong("%s does not come to an end", what);
	if (read(freezer_fd, &c, 1) != 1)
		return wrong("the freezer is gone");
	if (c)
		return wrong("%s: %s", what, strerror(c));
	return true;
}

bool freezer_told(char c, const char *what)
{
	if (write(freezer_fd, &c, 1) != 1)
		return wrong("the freezer is gone");
	return c == 'T' || freezer_answers(what);
}

void start_freezer(void)
{
	hook_up(&freezer, &freezer_fd, freezes);
}

bool hsm_freeze(bool freeze)
{
	return freeze ? freezer_told('f', "freezing") : freezer_told('t', "thawing");
}

void describe_worker(void)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stack", worker);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		ksft_print_msg("  worker: %s", line);
	if (f)
		fclose(f);
}

void new_worker(void)
{
	kill(worker, SIGKILL);
	for (int i = 0; i < 300; i++) {
		if (waitpid(worker, NULL, WNOHANG) == worker)
			break;
		usleep(10000);
	}
	hook_up(&worker, &worker_fd, work);
}

void watch(void)
{
	unsigned char c;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	/* A filesystem that stays frozen hangs everything that follows. */
	start_freezer();
	c = 't';
	if (write(freezer_fd, &c, 1) == 1)
		readable(freezer_fd, PATIENCE);
	printf("Bail out! signal %d ended the test in: %s\n", WTERMSIG(status), job->doing);
	exit(1);
}

