// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded into GNU make for `make vm CMD=...`: make exits with 2 for any failing recipe, and this makes it exit with
 * the status of the command that ran in the guest, read from the file named in BF_EXIT_STATUS_FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

static char file[4096];

static void leave(void)
{
	FILE *f = fopen(file, "r");
	int status;

	if (!f)
		return;
	if (fscanf(f, "%d", &status) != 1)
		status = 0;
	fclose(f);
	unlink(file);
	if (status > 0 && status < 256) {
		fflush(NULL);
		_exit(status);
	}
}

/* make calls it after loading build/exit_status.so; 0 means failure */
int exit_status_gmk_setup(void)
{
	snprintf(file, sizeof(file), "build/.exit-status.%d", (int)getpid());
	unlink(file);
	return !atexit(leave);
}
