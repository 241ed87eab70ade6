// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/rcupdate.h>
#include <linux/statfs.h>

loff_t bf_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

void bf_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

void bf_helper_remove_inode_hash(struct inode *inode)
{
	remove_inode_hash(inode);
}

void bf_helper_file_start_write(struct file *file)
{
	file_start_write(file);
}

void bf_helper_file_end_write(struct file *file)
{
	file_end_write(file);
}

bool bf_helper_sb_write_started(const struct super_block *sb)
{
	return sb_write_started(sb);
}

bool bf_helper_sb_write_not_started(const struct super_block *sb)
{
	return sb_write_not_started(sb);
}

bool bf_helper_file_write_started(const struct file *file)
{
	return file_write_started(file);
}

bool bf_helper_file_write_not_started(const struct file *file)
{
	return file_write_not_started(file);
}

void bf_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

void bf_helper_sb_writers_release(struct file *file)
{
	__sb_writers_release(file_inode(file)->i_sb, SB_FREEZE_WRITE);
}

void bf_helper_fsnotify_access(struct file *file)
{
	fsnotify_access(file);
}

void bf_helper_fsnotify_modify(struct file *file)
{
	fsnotify_modify(file);
}

void bf_helper_kiocb_end_write(struct kiocb *iocb)
{
	kiocb_end_write(iocb);
}

u16 bf_helper_get_current_ioprio(void)
{
	return get_current_ioprio();
}

kuid_t bf_helper_inode_kuid(struct mnt_idmap *idmap, const struct inode *inode)
{
	return vfsuid_into_kuid(i_uid_into_vfsuid(idmap, inode));
}

kgid_t bf_helper_inode_kgid(struct mnt_idmap *idmap, const struct inode *inode)
{
	return vfsgid_into_kgid(i_gid_into_vfsgid(idmap, inode));
}

kuid_t bf_helper_map_kuid(struct mnt_idmap *idmap, const struct inode *inode, kuid_t uid)
{
	return vfsuid_into_kuid(make_vfsuid(idmap, i_user_ns(inode), uid));
}

kgid_t bf_helper_map_kgid(struct mnt_idmap *idmap, const struct inode *inode, kgid_t gid)
{
	return vfsgid_into_kgid(make_vfsgid(idmap, i_user_ns(inode), gid));
}

void bf_helper_rebase_owner(struct mnt_idmap *idmap, const struct inode *inode,
			    struct iattr *attr)
{
	if (attr->ia_valid & ATTR_UID)
		attr->ia_vfsuid = VFSUIDT_INIT(from_vfsuid(idmap, i_user_ns(inode),
							   attr->ia_vfsuid));
	if (attr->ia_valid & ATTR_GID)
		attr->ia_vfsgid = VFSGIDT_INIT(from_vfsgid(idmap, i_user_ns(inode),
							   attr->ia_vfsgid));
}

void bf_helper_file_pos_lock(struct file *file)
{
	if (file->f_mode & FMODE_ATOMIC_POS)
		mutex_lock_nested(&file->f_pos_lock, file_inode(file)->i_sb->s_stack_depth + 1);
}

void bf_helper_file_pos_unlock(struct file *file)
{
	if (file->f_mode & FMODE_ATOMIC_POS)
		mutex_unlock(&file->f_pos_lock);
}

__kernel_fsid_t bf_helper_fsid_of(const struct super_block *sb)
{
	return u64_to_fsid(huge_encode_dev(sb->s_dev));
}

int bf_helper_iocb_flags(struct file *file)
{
	return iocb_flags(file);
}

void bf_helper_warn_no_backing_file(void)
{
	WARN_ONCE(true, "a filesystem gave a file that is no backing file\n");
}

/* BackingFile::has_pre_content_watch() knows this by heart. */
#ifdef CONFIG_FANOTIFY_ACCESS_PERMISSIONS
static_assert(FMODE_FSNOTIFY_MASK == (FMODE_NONOTIFY | FMODE_NONOTIFY_PERM));
static_assert(FMODE_FSNOTIFY_HSM(0) && FMODE_FSNOTIFY_HSM(FMODE_FSNOTIFY_MASK));
static_assert(!FMODE_FSNOTIFY_HSM(FMODE_NONOTIFY) && !FMODE_FSNOTIFY_HSM(FMODE_NONOTIFY_PERM));
#endif

const struct path *bf_helper_file_user_path(const struct file *file)
{
	return file_user_path(file);
}

void bf_helper_follow_nonotify(struct file *file, const struct file *user_file)
{
	if (FMODE_FSNOTIFY_NONE(user_file->f_mode))
		file_set_fsnotify_mode(file, FMODE_NONOTIFY);
}

bool bf_helper_inode_group_is_current(struct mnt_idmap *idmap, const struct inode *inode)
{
	return in_group_or_capable(idmap, inode, i_gid_into_vfsgid(idmap, inode));
}

void bf_helper_set_inode_lock_class(struct inode *inode)
{
	static struct lock_class_key keys[2][FILESYSTEM_MAX_STACK_DEPTH + 1];

	lockdep_set_class(&inode->i_rwsem,
			  &keys[S_ISDIR(inode->i_mode)][inode->i_sb->s_stack_depth]);
}

void bf_helper_down_read_umount(struct super_block *sb)
{
	down_read_nested(&sb->s_umount, sb->s_stack_depth + 1);
}

void bf_helper_set_super_lock_classes(struct super_block *sb)
{
	static struct lock_class_key writers[FILESYSTEM_MAX_STACK_DEPTH + 1][SB_FREEZE_LEVELS];
	static struct lock_class_key rename[FILESYSTEM_MAX_STACK_DEPTH + 1];
	int i;

	for (i = 0; i < SB_FREEZE_LEVELS; i++)
		lockdep_set_class(&sb->s_writers.rw_sem[i], &writers[sb->s_stack_depth][i]);
	lockdep_set_class(&sb->s_vfs_rename_mutex, &rename[sb->s_stack_depth]);
}
