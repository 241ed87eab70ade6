// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/mount.h>

struct mnt_idmap *bf_helper_mnt_idmap(const struct vfsmount *mnt)
{
	return mnt_idmap(mnt);
}

bool bf_helper_is_idmapped_mnt(const struct vfsmount *mnt)
{
	return is_idmapped_mnt(mnt);
}
