// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: every operation on a stacked file raises exactly one pre-content event of the backing file for each range
 * it touches, with that range, in the caller's name, before anything is done; a refusal is the operation's error and
 * leaves everything as it was; what the listener fills in is what the operation finds. (B1, B10, B14, B25, B26)
 *
 * Marks on the stack, on the backing filesystem and on both; of an inode, a mount, a filesystem, a folder for its
 * children. The same operation done directly is the reference.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "hsm.h"

/* What passes unseen when done directly, and must not here: see the table in README.md. */
static void print_coverage(const bool *supported)
{
	char ovl[PATH_MAX], up[PATH_MAX], merged[PATH_MAX], options[3 * PATH_MAX];
	bool have_ovl;

	snprintf(ovl, sizeof(ovl), "%.1000s/../ovl", dir_backing);
	mkdir(ovl, 0755);
	for (const char *const *sub = (const char *const[]){ "low", "up", "work", "merged", NULL }; *sub; sub++) {
		snprintf(up, sizeof(up), "%.1000s/%s", ovl, *sub);
		mkdir(up, 0755);
	}
	snprintf(up, sizeof(up), "%.1000s/up", ovl);
	snprintf(merged, sizeof(merged), "%.1000s/merged", ovl);
	hsm_make(up, NULL);
	hsm_know(up, BACKING);
	snprintf(options, sizeof(options), "lowerdir=%.1000s/low,upperdir=%.1000s/up,workdir=%.1000s/work", ovl, ovl,
		 ovl);
	have_ovl = !mount("overlay", merged, "overlay", 0, options);
	printf("# coverage: events of the backing file, as file offset+length\n");
	printf("# | operation | direct | C helpers (overlayfs) | here |\n# |---|---|---|---|\n");
	for (int i = 0; i < nops; i++) {
		struct outcome o[3] = {};

		if (!supported[i])
			continue;
		hsm_observe(&ops[i], dir_direct, dir_direct, &o[0]);
		if (have_ovl)
			hsm_observe(&ops[i], merged, up, &o[1]);
		hsm_observe(&ops[i], dir_stack, dir_backing, &o[2]);
		hsm_table_row(ops[i].name, o, 3);
	}
	if (have_ovl)
		umount2(merged, MNT_DETACH);
	else
		printf("# overlayfs cannot be mounted: %s\n", strerror(errno));
}

int main(void)
{
	bool watchable, supported[64] = {};

	hsm_start();
	watchable = hsm_watchable();
	for (int i = 0; i < nops; i++)
		supported[i] = hsm_supported(&ops[i]);
	if (watchable) {
		print_coverage(supported);
		for (int i = 0; i < nops; i++) {
			if (supported[i])
				hsm_case(&ops[i], DIRECT, INODE, ALLOW);
		}
		hsm_matrix(BACKING, supported);
	} else {
		printf("# this backing filesystem has no pre-content events: the stack's own only\n");
	}
	hsm_end();
}
