// SPDX-License-Identifier: GPL-2.0

#include <linux/dcache.h>

struct dentry *bf_helper_dget(struct dentry *dentry)
{
	return dget(dentry);
}

bool bf_helper_d_is_dir(const struct dentry *dentry)
{
	return d_is_dir(dentry);
}

bool bf_helper_d_unhashed(const struct dentry *dentry)
{
	return d_unhashed(dentry);
}
