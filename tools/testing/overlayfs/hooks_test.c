// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: overlayfs, whose calls go to the C interface of backing_file, raises exactly one pre-content event of the
 * file in its upper layer for each range an operation touches, splice writes, sendfile and mappings included, for which
 * the kernel's own helpers raise none (B1); a refusal is the operation's error and leaves everything as it was; what
 * the listener fills in is what the operation finds; a freeze of the filesystem below does not get in the way (B16).
 *
 * The operations and what they have to do are those of the tests of passfs: see hooks_test.c there. BF_STACK names the
 * overlay, BF_BACKING its upper layer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "../selftests/backing_file/hsm.h"

/* What overlayfs does without help for backing files, and without raising an event. */
static const char *const own[] = {
	"truncate", "ftruncate", "ftruncate to extend", "open O_TRUNC",
	"posix_fadvise WILLNEED", "posix_fadvise WILLNEED to the end", "readahead",
	"io_uring ftruncate", "io_uring open O_TRUNC", "io_uring fadvise WILLNEED",
};

static bool helped(const struct op *op)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (!strcmp(op->name, own[i]))
			return false;
	}
	return true;
}

int main(void)
{
	hsm_start();
	if (!hsm_watchable())
		ksft_exit_fail_msg("this backing filesystem has no pre-content events\n");
	for (int i = 0; i < nops; i++) {
		if (!helped(&ops[i]) || !hsm_supported(&ops[i]))
			continue;
		for (enum how how = ALLOW; how < NHOWS; how++)
			hsm_case(&ops[i], BACKING, INODE, how);
		/* A mark of a mount does not matter: overlayfs works on mounts of its own. */
		hsm_case(&ops[i], BACKING, FILESYSTEM, ALLOW);
		hsm_case(&ops[i], BACKING, PARENT, ALLOW);
	}
	hsm_end();
}
