/* SPDX-License-Identifier: GPL-2.0 */
/* Where what is counted begins and ends, for the plugin. */
#ifndef MARK_H
#define MARK_H

#include <sys/cdefs.h>

/* Runs that are not counted, and those of which it is counted where the instructions are. */
#define WARM_UP 20
#define PROFILED 9

/* NOPs with an operand that tells the plugin what to do; see counter/src/insn.rs. */
static __always_inline void mark(const int code)
{
	asm volatile(".byte 0x0f, 0x1f, 0x80; .long 0x0bf00000 + %c0" : : "i"(code) : "memory");
}

#define LABEL_DONE 0x10
#define START 0x20
#define STOP 0x21
#define PROFILE_START 0x30
#define PROFILE_STOP 0x31

#endif
