/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness, without its limit of 30 seconds a test: on an emulated, busy machine that measures the machine.
 * What hangs is ended with its program, by tools/testing/vm/guest/selftests.
 */
#include_next <kselftest_harness.h>
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 1800
