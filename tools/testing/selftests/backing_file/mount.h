/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A folder of the backing filesystem to be mounted, two places to mount it at, and the system calls of new mounts.
 * Include after <kselftest_harness.h> and "place.h", write TEST_F(mount, ...). A test that leaves something behind, so
 * that the module stays in use, fails.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include <linux/mount.h>
#include <sys/syscall.h>

FIXTURE(mount) {
	char lower[PATH_MAX];
	char at[PATH_MAX];
	char second[PATH_MAX];
	long used;
};

static inline long refcount(const char *module)
{
	char name[128], line[256];
	long count = -1;
	FILE *f = fopen("/proc/modules", "r");

	while (fgets(line, sizeof(line), f)) {
		long n;

		if (sscanf(line, "%127s %*s %ld", name, &n) == 2 && !strcmp(name, module))
			count = n;
	}
	fclose(f);
	return count;
}

/* The last references of a mount that is gone may be put by work items. */
static inline bool refcount_becomes(long count)
{
	int i;

	for (i = 0; i < 100 && refcount("passfs") != count; i++)
		usleep(50000);
	return refcount("passfs") == count;
}

FIXTURE_SETUP(mount)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->lower, sizeof(self->lower), "%s/mount.%d", getenv("BF_BACKING"), getpid());
	snprintf(self->at, sizeof(self->at), "/tmp/mount.%d", getpid());
	snprintf(self->second, sizeof(self->second), "/tmp/second.%d", getpid());
	ASSERT_EQ(0, mkdir(self->lower, 0755));
	ASSERT_EQ(0, mkdir(self->at, 0755));
	ASSERT_EQ(0, mkdir(self->second, 0755));
	self->used = refcount("passfs");
	ASSERT_LT(0, self->used);
}

FIXTURE_TEARDOWN(mount)
{
	umount2(self->second, MNT_DETACH);
	umount2(self->at, MNT_DETACH);
	rmdir(self->second);
	rmdir(self->at);
	remove_tree(AT_FDCWD, self->lower);
	EXPECT_TRUE(refcount_becomes(self->used)) TH_LOG("%ld, was %ld", refcount("passfs"), self->used);
}

static inline int fs_open(void)
{
	return syscall(SYS_fsopen, "passfs", FSOPEN_CLOEXEC);
}

static inline int set_string(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* The next message of the context: of the form "e passfs: no source". */
static inline const char *message(int fs)
{
	static char text[512];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

#endif
