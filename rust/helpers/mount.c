// SPDX-License-Identifier: GPL-2.0

#include <linux/mount.h>

struct mnt_idmap *bf_helper_mnt_idmap(const struct vfsmount *mnt)
{
	return mnt_idmap(mnt);
}
