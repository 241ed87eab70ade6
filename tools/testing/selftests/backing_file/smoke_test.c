// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is written through the stack is in the backing file, and the other way round, at once.
 *
 * The first test to look at when everything fails: it needs open, write and read only.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "kselftest_harness.h"

FIXTURE(smoke) {
	char stack[PATH_MAX];
	char backing[PATH_MAX];
};

FIXTURE_SETUP(smoke)
{
	const char *stack = getenv("BF_STACK"), *backing = getenv("BF_BACKING");

	ASSERT_NE(NULL, stack);
	ASSERT_NE(NULL, backing);
	snprintf(self->stack, sizeof(self->stack), "%s/smoke", stack);
	snprintf(self->backing, sizeof(self->backing), "%s/smoke", backing);
}

FIXTURE_TEARDOWN(smoke)
{
	unlink(self->stack);
}

static void put(struct __test_metadata *_metadata, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ASSERT_LE(0, fd);
	ASSERT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)));
	ASSERT_EQ(0, close(fd));
}

static void expect(struct __test_metadata *_metadata, const char *path, const char *text)
{
	char got[64] = "";
	int fd = open(path, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, read(fd, got, sizeof(got) - 1));
	ASSERT_EQ(0, close(fd));
	EXPECT_STREQ(text, got);
}

TEST_F(smoke, write_through_stack)
{
	put(_metadata, self->stack, "through the stack");
	expect(_metadata, self->backing, "through the stack");
}

TEST_F(smoke, write_to_backing)
{
	put(_metadata, self->backing, "to the backing file");
	expect(_metadata, self->stack, "to the backing file");
}

TEST_HARNESS_MAIN
