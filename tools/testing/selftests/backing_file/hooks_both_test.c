// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: a listener on both layers gets the events of the stacked and then those of the backing file, each once, and
 * can read and fill what an event is about through its descriptor without an event of its own (B14); see hooks_test.c.
 */
#include <stdio.h>
#include "hsm.h"

int main(void)
{
	bool supported[64] = {};

	hsm_start();
	if (!hsm_watchable()) {
		hsm_result(true, "marks on the backing filesystem are refused with EOPNOTSUPP");
		hsm_end();
	}
	for (int i = 0; i < nops; i++)
		supported[i] = hsm_supported(&ops[i]);
	hsm_matrix(BOTH, supported);
	hsm_end();
}
