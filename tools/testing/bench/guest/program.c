// SPDX-License-Identifier: GPL-2.0
/*
 * program NNNN: executes itself so many times, and marks where that begins, and ends with the first instructions of the
 * next. So just an execve() is counted: neither making a process nor waiting for its end, whose cost varies with the
 * scheduler's mood by more than what is to be measured. Without the C library, whose beginnings would be most of it.
 */
#include <stddef.h>
#include "mark.h"
#include "program.h"

#define SYS_execve 59
#define SYS_exit_group 231

static inline long syscall(long number, const void *a, const void *b, const void *c)
{
	long ret;

	asm volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static int left(const char *digits)
{
	int n = 0;

	while (*digits)
		n = n * 10 + *digits++ - '0';
	return n;
}

/* One less; the text keeps its length, so that the stack is the same every time. */
static void decrement(char *digits)
{
	char *last = digits;

	while (last[1])
		last++;
	while (*last == '0')
		*last-- = '9';
	--*last;
}

void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	int n = left(argv[1]);

	/* Executed when one more was left. */
	if (n < PROFILED)
		mark(PROFILE_STOP);
	else if (n < PROFILED + EXECS)
		mark(STOP);
	if (n) {
		decrement(argv[1]);
		if (n <= PROFILED)
			mark(PROFILE_START);
		else if (n <= PROFILED + EXECS)
			mark(START);
		syscall(SYS_execve, argv[0], argv, argv + 2);
	}
	syscall(SYS_exit_group, (void *)(long)!!n, NULL, NULL);
	__builtin_unreachable();
}

asm(".text\n.globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
