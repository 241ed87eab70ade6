// SPDX-License-Identifier: GPL-2.0

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

void bf_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}

const char *bf_helper_posix_acl_xattr_name(int type)
{
	return posix_acl_xattr_name(type);
}

void bf_helper_inode_do_not_cache_acl(struct inode *inode)
{
	inode->i_acl = ACL_DONT_CACHE;
	inode->i_default_acl = ACL_DONT_CACHE;
}
