// SPDX-License-Identifier: GPL-2.0
/* Operations on mounts, for the fault sweep. */
#include <sys/mount.h>
#include "sweep.h"

/* Whether passfs is what is mounted on a->mnt, by the look of its root. */
static bool is_mounted(struct attempt *a)
{
	struct stat below, here;
	char f[PATH_MAX + 2];

	must(fstatat(a->under, "f", &below, 0));
	snprintf(f, sizeof(f), "%s/f", a->mnt);
	return !stat(f, &here) && here.st_ino == below.st_ino;
}

static long mount_it(struct attempt *a)
{
	return errno_of(mount(a->under_path, a->mnt, "passfs", MS_NODEV, "mmap=fill"));
}

static const char *mounted_or_not(struct attempt *a, long ret)
{
	bool mounted = is_mounted(a);

	if (mounted)
		must(umount2(a->mnt, 0));
	if (mounted && ret)
		return "mounted although mount() failed";
	return mounted == !ret ? NULL : "not mounted although mount() did not fail";
}

static long mount_fs(struct attempt *a) { return mount_it(a); }
DEFINE_OPERATION(mount_fs, .check = mounted_or_not);

static void is_there(struct attempt *a) { must(mount_it(a) ? -1 : 0); }

static long unmount(struct attempt *a) { return errno_of(umount2(a->mnt, 0)); }

static const char *unmounted_or_not(struct attempt *a, long ret)
{
	bool mounted = is_mounted(a);

	if (mounted)
		must(umount2(a->mnt, 0));
	return mounted == !!ret ? NULL : "umount() did not do what it said";
}

/* Unmounting syncs the filesystem below. */
static long sync_alone(struct attempt *a)
{
	long ret = errno_of(syncfs(a->under));

	/* The fault may hit this as well; EINVAL: nothing is mounted. */
	while (umount2(a->mnt, 0) && errno != EINVAL)
		;
	return ret;
}

DEFINE_OPERATION(unmount, .prepare = is_there, .check = unmounted_or_not, .cannot_tell = true, .alone = sync_alone);

static long remount(struct attempt *a)
{
	return errno_of(mount(NULL, a->mnt, NULL, MS_REMOUNT | MS_RDONLY | MS_NODEV, "mmap=fill"));
}

static const char *still_mounted(struct attempt *a, long ret)
{
	if (!is_mounted(a))
		return "not mounted any more";
	must(umount2(a->mnt, 0));
	return NULL;
}

DEFINE_OPERATION(remount, .prepare = is_there, .check = still_mounted);

/* A whole life: context, option, creation, root, and its end. */
static long mount_steps(struct attempt *a)
{
	int fs = fsopen("passfs", FSOPEN_CLOEXEC), root;
	long ret;

	if (fs < 0)
		return -errno;
	ret = errno_of(fsconfig(fs, FSCONFIG_SET_STRING, "source", a->under_path, 0));
	ret = ret ?: errno_of(fsconfig(fs, FSCONFIG_SET_STRING, "mmap", "refuse", 0));
	ret = ret ?: errno_of(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (!ret) {
		root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
		if (root < 0)
			ret = -errno;
		else
			close(root);
	}
	close(fs);
	return ret;
}

DEFINE_OPERATION(mount_steps, .cannot_tell = true, .alone = sync_alone);
