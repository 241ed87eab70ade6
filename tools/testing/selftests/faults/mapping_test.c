// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: mappings of a watched file wait for the hook whichever method the filesystem below maps with; and where it
 * maps another file instead, of which no hook could be told, there is no mapping, and nothing is kept.
 *
 * The filesystem below is holdfs (../../modules/holdfs), which maps as it is told to.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "pre_content.h"

#define ELSEWHERE "/sys/kernel/debug/holdfs/elsewhere"
#define PG 4096
#define LEN (2 * PG)
#define TEXT "what is in the file"

static bool maps_elsewhere(bool on)
{
	int fd = open(ELSEWHERE, O_WRONLY);
	bool done = fd >= 0 && write(fd, on ? "Y" : "N", 1) == 1;

	close(fd);
	return done;
}

FIXTURE(world) {
	char below[64], stack[64], file[80];
	int fan; /* the listener, or -1 */
};

FIXTURE_VARIANT(world) {
	const char *policy;
	bool watched;
};

FIXTURE_VARIANT_ADD(world, lazy) { .policy = "mmap=lazy", .watched = true };
FIXTURE_VARIANT_ADD(world, trust) { .policy = "mmap=trust", .watched = true };
FIXTURE_VARIANT_ADD(world, unwatched) { .policy = "mmap=lazy" };

FIXTURE_SETUP(world)
{
	static const char empty[LEN];
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->below, sizeof(self->below), "/tmp/below.%d", getpid());
	snprintf(self->stack, sizeof(self->stack), "/tmp/stack.%d", getpid());
	snprintf(self->file, sizeof(self->file), "%s/file", self->stack);
	ASSERT_EQ(0, mkdir(self->below, 0755));
	ASSERT_EQ(0, mkdir(self->stack, 0755));
	ASSERT_EQ(0, mount("none", self->below, "holdfs", 0, NULL)) TH_LOG("holdfs: %m; is its module loaded?");
	ASSERT_EQ(0, mount(self->below, self->stack, "passfs", 0, variant->policy));
	ASSERT_TRUE(maps_elsewhere(false));
	fd = open(self->file, O_RDWR);
	ASSERT_LE(0, fd);
	/* What another test wrote is there still. */
	ASSERT_EQ(LEN, pwrite(fd, empty, LEN, 0));
	ASSERT_EQ(sizeof(TEXT), pwrite(fd, TEXT, sizeof(TEXT), 0));
	close(fd);
	self->fan = -1;
	if (!variant->watched)
		return;
	self->fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK, O_RDONLY);
	ASSERT_LE(0, self->fan);
	ASSERT_EQ(0, fanotify_mark(self->fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_PRE_ACCESS, AT_FDCWD,
				   self->below)) TH_LOG("%m");
}

FIXTURE_TEARDOWN(world)
{
	if (self->fan >= 0)
		close(self->fan);
	maps_elsewhere(false);
	EXPECT_EQ(0, umount(self->stack)) TH_LOG("the stack stays busy: %m");
	/* Not detached: what passfs held of it has been given back. */
	EXPECT_EQ(0, umount(self->below)) TH_LOG("the filesystem below stays busy: %m");
	rmdir(self->stack);
	rmdir(self->below);
}

/* Whether a mapping asks the listener. */
#define asks(variant) ((variant)->watched && !strcmp((variant)->policy, "mmap=lazy"))

/* Runs TRY in a child and allows what is asked for; returns the child's status, and how often it was asked. */
static int attend(int fan, int (*try)(int fd), const char *file, int *asked)
{
	/* One, with the range behind it: the child has one thread */
	union { struct fanotify_event_metadata ev; char room[256]; } u;
	struct pollfd p = { .fd = fan, .events = POLLIN };
	struct fanotify_response response = { .response = FAN_ALLOW };
	pid_t pid = fork();
	int status;

	if (!pid) {
		close(fan); /* so that it does not wait for itself */
		_exit(try(open(file, O_RDWR)));
	}
	*asked = 0;
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (fan < 0 || poll(&p, 1, 100) <= 0) {
			usleep(10000);
			continue;
		}
		if (read(fan, &u, sizeof(u)) < (ssize_t)sizeof(u.ev))
			continue;
		++*asked;
		response.fd = u.ev.fd;
		if (write(fan, &response, sizeof(response)) < 0)
			err(1, "answering");
		close(u.ev.fd);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *map_file(int fd, int flags)
{
	return mmap(NULL, LEN, flags == MAP_SHARED ? PROT_READ | PROT_WRITE : PROT_READ, flags, fd, 0);
}

static int is_refused(int fd)
{
	if (map_file(fd, MAP_SHARED) != MAP_FAILED || errno != ENODEV)
		return 1;
	return map_file(fd, MAP_PRIVATE) != MAP_FAILED || errno != ENODEV ? 2 : 0;
}

static int shows(int fd, const char *text)
{
	char *shared = map_file(fd, MAP_SHARED), *private = map_file(fd, MAP_PRIVATE);

	if (shared == MAP_FAILED || private == MAP_FAILED)
		return 1;
	return strcmp(shared, text) || strcmp(private, text) ? 2 : 0;
}

static int shows_file(int fd)
{
	return shows(fd, TEXT);
}

static int shows_another(int fd)
{
	return shows(fd, "");
}

TEST_F(world, of_another_file)
{
	int asked;

	ASSERT_TRUE(maps_elsewhere(true));
	EXPECT_EQ(0, attend(self->fan, asks(variant) ? is_refused : shows_another, self->file, &asked));
	EXPECT_EQ(0, asked);
}

TEST_F(world, of_the_file)
{
	int asked;

	EXPECT_EQ(0, attend(self->fan, shows_file, self->file, &asked));
	EXPECT_EQ(asks(variant) ? 2 : 0, asked);
}

static int cannot_be_remapped(int fd)
{
	char *map = map_file(fd, MAP_SHARED);

	if (map == MAP_FAILED || strcmp(map, TEXT))
		return 1;
	return remap_file_pages(map, PG, 0, 1, 0) != -1 || errno != EINVAL ? 2 : 0;
}

static int can_be_remapped(int fd)
{
	char *map = map_file(fd, MAP_SHARED);

	if (map == MAP_FAILED || strcmp(map, TEXT))
		return 1;
	return remap_file_pages(map, PG, 0, 1, 0) || *map ? 2 : 0;
}

/* With remap_file_pages(2), of which no hook is told. */
TEST_F(world, once_more)
{
	int asked;

	EXPECT_EQ(0, attend(self->fan, asks(variant) ? cannot_be_remapped : can_be_remapped, self->file, &asked));
	EXPECT_EQ(asks(variant) ? 1 : 0, asked);
}

TEST_HARNESS_MAIN
