// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: a storage manager can watch the stacked filesystem itself (SB_I_ALLOW_HSM): marks on it raise the events
 * that the same operation raises when done directly, mmap included, whatever the backing filesystem; see hooks_test.c.
 */
#include <stdio.h>
#include "hsm.h"

int main(void)
{
	bool supported[64] = {};

	hsm_start();
	for (int i = 0; i < nops; i++)
		supported[i] = hsm_supported(&ops[i]);
	hsm_matrix(STACK, supported);
	hsm_end();
}
