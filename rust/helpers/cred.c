// SPDX-License-Identifier: GPL-2.0

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/user_namespace.h>

kuid_t bf_helper_mapped_fsuid_of(struct mnt_idmap *idmap, const struct inode *dir)
{
	return mapped_fsuid(idmap, i_user_ns(dir));
}

kgid_t bf_helper_mapped_fsgid_of(struct mnt_idmap *idmap, const struct inode *dir)
{
	return mapped_fsgid(idmap, i_user_ns(dir));
}

bool bf_helper_may_see_trusted(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

const struct cred *bf_helper_current_cred(void)
{
	return current_cred();
}
