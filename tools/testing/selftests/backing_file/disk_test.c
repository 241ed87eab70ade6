// SPDX-License-Identifier: GPL-2.0
/*
 * Promises when the disk below fails: who syncs is told, as on the filesystem itself, and nothing is shown as
 * good that is not on it.
 */
#include <linux/fiemap.h>
#include <stdalign.h>
#include "kselftest_harness.h"
#include "place.h"
#include "small.h"

SMALL(disk);

/* A layer on the disk, which changes while it is in use: of @len sectors at @bad nothing can be read or written. */
static int break_disk(struct small *s, unsigned long bad, unsigned long len)
{
	const char *loop = strrchr(s->device, '/') + 1, *name = strrchr(s->at, '/') + 1;
	unsigned long size = 0, end;
	char path[128], table[256];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%.64s/size", loop);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &size) != 1 || fclose(f))
		return -1;
	end = bad + len > size ? size : bad + len;
	if (bad)
		n += sprintf(table + n, "0 %lu linear %s 0\\n", bad, s->device);
	if (end > bad)
		n += sprintf(table + n, "%lu %lu error\\n", bad, end - bad);
	if (end < size)
		n += sprintf(table + n, "%lu %lu linear %s %lu\\n", end, size - end, s->device, end);
	if (s->mapper && shell("dmsetup suspend --noflush --nolockfs %s", name))
		return -1;
	if (shell("printf '%s' | dmsetup %s %s --noudevsync", table, s->mapper ? "load" : "create", name))
		return -1;
	return shell(s->mapper ? "dmsetup resume --noudevsync %s" : "dmsetup mknodes %s", name);
}

/* All again, on a disk that can be broken. */
static int mount_on_mapper(struct small *s)
{
	close(s->dir);
	close(s->below);
	if (unmount(s, "pass") || unmount(s, "fs") || shell("modprobe -q dm_mod; true") || break_disk(s, 0, 0))
		return -1;
	s->mapper = true;
	if (shell("mount -t %s /dev/mapper/%s %s/fs", bf_fs(), strrchr(s->at, '/') + 1, s->at))
		return -1;
	return mount_stack(s);
}

/*
 * The disk fails while data are still to be written: who syncs is told, once for each open file and once for each
 * filesystem, and who reads does not get what is not there.
 */
TEST_F_TIMEOUT(disk, broken, 300)
{
	int fd[2][2], w, i, all[2];
	char buf[4096];
	long ret[2];

	if (fs_is("tmpfs"))
		SKIP(return, "it is on no disk");
	make_file(_metadata, self->s.dir, "f", SIZE, 1);
	make_file(_metadata, self->s.below, "g", SIZE, 1);
	ASSERT_EQ(0, syncfs(self->s.below));
	ASSERT_EQ(0, mount_on_mapper(&self->s)) TH_LOG("%m");
	complaints(true);
	self->s.told = true;

	for (w = 0; w < 2; w++) {
		int at = w ? self->s.dir : self->s.below;

		all[w] = must_open(at, ".", O_RDONLY | O_DIRECTORY);
		for (i = 0; i < 2; i++)
			fd[w][i] = must_open(at, w ? "f" : "g", O_RDWR);
		fill(buf, sizeof(buf), 0, 2);
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd[w][0], buf, sizeof(buf), 0));
	}
	ASSERT_EQ(0, break_disk(&self->s, 0, ULONG_MAX / 2));
	/* Once is certain; what ext4 says then depends on which file it looked at before */
	for (i = 0; i < 2; i++) {
		for (w = 0; w < 2; w++)
			ret[w] = errno_of(fsync(fd[w][i]));
		EXPECT_EQ(-EIO, ret[0]) TH_LOG("fsync %d", i);
		EXPECT_EQ(-EIO, ret[1]) TH_LOG("fsync %d", i);
	}
	for (i = 0; i < 2; i++) {
		for (w = 0; w < 2; w++)
			ret[w] = errno_of(syncfs(all[w]));
		EXPECT_EQ(ret[0], ret[1]) TH_LOG("syncfs %d", i);
	}
	for (w = 0; w < 2; w++)
		ret[w] = errno_of(pread(fd[w][0], buf, sizeof(buf), 32 * KIB));
	EXPECT_EQ(-EIO, ret[1]);
	EXPECT_EQ(ret[0], ret[1]);
	for (w = 0; w < 2; w++)
		ret[w] = errno_of(store(w ? self->s.dir : self->s.below, w ? "f" : "g", SIZE));
	EXPECT_EQ(ret[0], ret[1]);
	for (w = 0; w < 2; w++) {
		close(all[w]);
		close(fd[w][0]);
		close(fd[w][1]);
	}
}

/* Where the content of @fd begins on the disk, in sectors; 0 if nobody says. */
static unsigned long place_on_disk(int fd)
{
	alignas(8) char buf[sizeof(struct fiemap) + sizeof(struct fiemap_extent)] = { };
	struct fiemap *map = (void *)buf;

	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = 1;
	if (ioctl(fd, FS_IOC_FIEMAP, map) || map->fm_mapped_extents != 1)
		return 0;
	return map->fm_extents[0].fe_physical / 512;
}

/* One place of the disk is bad: syncfs tells, and then fsync, each once. */
TEST_F_TIMEOUT(disk, bad_place, 300)
{
	long ret[2][5];
	char buf[4096];
	int w, i;

	if (fs_is("tmpfs"))
		SKIP(return, "it is on no disk");
	if (fs_is("btrfs"))
		SKIP(return, "what btrfs says is not where on the disk it is");
	ASSERT_EQ(0, mount_on_mapper(&self->s)) TH_LOG("%m");
	complaints(true);
	self->s.told = true;
	/* The stack first: until it has synchronised it does not know that others were told */
	for (w = 1; w >= 0; w--) {
		int at = w ? self->s.dir : self->s.below, all = must_open(at, ".", O_RDONLY | O_DIRECTORY), fd;
		unsigned long bad;

		make_file(_metadata, at, "f", SIZE, 1);
		fd = must_open(at, "f", O_RDWR);
		ASSERT_EQ(0, fsync(fd));
		ret[w][0] = errno_of(syncfs(all));
		bad = place_on_disk(fd);
		ASSERT_NE(0, bad);
		ASSERT_EQ(0, break_disk(&self->s, bad, sizeof(buf) / 512));
		fill(buf, sizeof(buf), 0, 2);
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), 0));
		ret[w][1] = errno_of(syncfs(all));
		ret[w][2] = errno_of(fsync(fd));
		ret[w][3] = errno_of(syncfs(all));
		ASSERT_EQ(0, break_disk(&self->s, 0, 0));
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), 0));
		ret[w][4] = errno_of(syncfs(all));
		close(all);
		close(fd);
		ASSERT_EQ(0, unlinkat(at, "f", 0));
	}
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(ret[0][i], ret[1][i]) TH_LOG("step %d", i);
		EXPECT_EQ(i == 1 || i == 2 ? -EIO : 0, ret[1][i]) TH_LOG("step %d", i);
	}
}

TEST_HARNESS_MAIN
