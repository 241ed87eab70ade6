/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults at chosen places: of all places where this thread asks the kernel for memory or the kernel copies from or to
 * user space, the n-th fails. See fault-injection.rst, /proc/thread-self/fail-nth.
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <stdbool.h>

/*
 * Which places count: all that are reached, those that code of our modules leads to, those in that code itself, or all
 * that it does not lead to.
 */
enum sites { ALL_SITES, OUR_SITES, OWN_SITES, OTHER_SITES };

#define MANY_SITES 1000000000

/* Exits if the kernel has no fault injection. */
void faults_init(void);
/* Which places count from now on. */
void faults_select(enum sites which);
/* The @nth place from here on fails. */
void faults_arm(unsigned int nth);
/* No place fails any more. Says whether one did, and how many are missing to the one that would have. */
bool faults_disarm(unsigned int *missing);

#endif
