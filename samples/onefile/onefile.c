// SPDX-License-Identifier: GPL-2.0
/*
 * onefile: a stacking filesystem of a single file, in C: what a user of <linux/rust_backing_file.h> looks like.
 *
 *	mount -t onefile /some/file /another/file
 *
 * puts the content and attributes of the first in the place of the second, with the credentials of who mounted it.
 * Every open file has a backing file of its own, and each file operation is that of the backing file. There is no more
 * than that: no extended attributes, no locks below, no mount over another onefile.
 */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_stack.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/rust_backing_file.h>
#include <linux/splice.h>
#include <linux/statfs.h>

#define ONEFILE_MAGIC 0x6f6e6566

/* Of a super block: the file below, and on whose behalf it is used. */
struct onefile {
	struct path path;
	const struct cred *cred;
};

static struct onefile *onefile_of(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}

/* Takes over size, times and mode; the caller holds the inode's lock, or it is new. */
static void onefile_refresh(struct inode *inode)
{
	struct inode *real = d_inode(onefile_of(inode)->path.dentry);

	fsstack_copy_attr_all(inode, real);
	fsstack_copy_inode_size(inode, real);
}

static void onefile_end_write(struct kiocb *iocb, ssize_t ret)
{
	onefile_refresh(file_inode(iocb->ki_filp));
}

static struct backing_file_ctx onefile_ctx(const struct file *file)
{
	return (struct backing_file_ctx) {
		.cred = onefile_of(file_inode(file))->cred,
		.end_write = onefile_end_write,
	};
}

static int onefile_open(struct inode *inode, struct file *file)
{
	struct onefile *one = onefile_of(inode);
	struct file *backing;

	backing = rust_backing_file_open(file, file->f_flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC), &one->path,
					 one->cred);
	if (IS_ERR(backing))
		return PTR_ERR(backing);
	file->f_mode |= backing->f_mode & (FMODE_CAN_ODIRECT | FMODE_NOWAIT);
	file->private_data = backing;
	return 0;
}

static int onefile_release(struct inode *inode, struct file *file)
{
	fput(file->private_data);
	return 0;
}

static loff_t onefile_llseek(struct file *file, loff_t offset, int whence)
{
	return generic_file_llseek_size(file, offset, whence, file_inode(file)->i_sb->s_maxbytes,
					i_size_read(file_inode(file->private_data)));
}

static ssize_t onefile_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct backing_file_ctx ctx = onefile_ctx(iocb->ki_filp);

	return rust_backing_file_read_iter(iocb->ki_filp->private_data, iter, iocb, iocb->ki_flags, &ctx);
}

static ssize_t onefile_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct backing_file_ctx ctx = onefile_ctx(iocb->ki_filp);
	struct inode *inode = file_inode(iocb->ki_filp);
	struct file *backing = iocb->ki_filp->private_data;
	ssize_t ret;

	if (iocb->ki_flags & IOCB_NOWAIT) {
		if (!inode_trylock(inode))
			return -EAGAIN;
	} else {
		inode_lock(inode);
	}
	ret = rust_backing_file_write_iter(backing, iter, iocb, iocb->ki_flags, &ctx);
	/* After -EIOCBQUEUED iocb is not ours any more. */
	inode_unlock(inode);
	return ret;
}

static ssize_t onefile_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
				   unsigned int flags)
{
	struct backing_file_ctx ctx = onefile_ctx(in);
	struct kiocb iocb;
	ssize_t ret;

	init_sync_kiocb(&iocb, in);
	iocb.ki_pos = *ppos;
	ret = rust_backing_file_splice_read(in->private_data, &iocb, pipe, len, flags, &ctx);
	*ppos = iocb.ki_pos;
	return ret;
}

static ssize_t onefile_splice_write(struct pipe_inode_info *pipe, struct file *out, loff_t *ppos, size_t len,
				    unsigned int flags)
{
	struct backing_file_ctx ctx = onefile_ctx(out);
	struct inode *inode = file_inode(out);
	struct kiocb iocb;
	ssize_t ret;

	init_sync_kiocb(&iocb, out);
	iocb.ki_pos = *ppos;
	inode_lock(inode);
	ret = rust_backing_file_splice_write(pipe, out->private_data, &iocb, len, flags, &ctx);
	inode_unlock(inode);
	*ppos = iocb.ki_pos;
	return ret;
}

static int onefile_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct backing_file_ctx ctx = onefile_ctx(file);

	return rust_backing_file_mmap(file->private_data, vma, &ctx);
}

static int onefile_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return vfs_fsync_range(file->private_data, start, end, datasync);
}

static const struct file_operations onefile_file_operations = {
	.owner		= THIS_MODULE,
	.open		= onefile_open,
	.release	= onefile_release,
	.llseek		= onefile_llseek,
	.read_iter	= onefile_read_iter,
	.write_iter	= onefile_write_iter,
	.splice_read	= onefile_splice_read,
	.splice_write	= onefile_splice_write,
	.mmap		= onefile_mmap,
	.fsync		= onefile_fsync,
};

static int onefile_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat, u32 mask,
			   unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct onefile *one = onefile_of(inode);
	int err;

	scoped_with_creds(one->cred)
		err = vfs_getattr(&one->path, stat, mask, flags);
	stat->dev = inode->i_sb->s_dev;
	stat->ino = inode->i_ino;
	return err;
}

/* Called with the lock of the inode held. */
static int onefile_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct onefile *one = onefile_of(inode);
	struct dentry *real = one->path.dentry;
	struct iattr below = *attr;
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	/* The mode without set-id bits is worked out again below. */
	if (below.ia_valid & (ATTR_KILL_SUID | ATTR_KILL_SGID))
		below.ia_valid &= ~ATTR_MODE;
	below.ia_valid &= ~(ATTR_FILE | ATTR_OPEN);

	scoped_with_creds(one->cred) {
		if (below.ia_valid & ATTR_SIZE) {
			err = vfs_truncate(&one->path, below.ia_size);
		} else {
			err = mnt_want_write(one->path.mnt);
			if (!err) {
				inode_lock(d_inode(real));
				err = notify_change(mnt_idmap(one->path.mnt), real, &below, NULL);
				inode_unlock(d_inode(real));
				mnt_drop_write(one->path.mnt);
			}
		}
	}
	onefile_refresh(inode);
	return err;
}

static const struct inode_operations onefile_inode_operations = {
	.getattr	= onefile_getattr,
	.setattr	= onefile_setattr,
};

static void onefile_put_super(struct super_block *sb)
{
	struct onefile *one = sb->s_fs_info;

	path_put(&one->path);
	put_cred(one->cred);
	kfree(one);
}

static const struct super_operations onefile_super_operations = {
	.statfs		= simple_statfs,
	.put_super	= onefile_put_super,
};

static struct file_system_type onefile_type;

static int onefile_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct onefile *one = kzalloc(sizeof(*one), GFP_KERNEL);
	struct super_block *below;
	struct inode *inode;
	int err;

	if (!one)
		return -ENOMEM;
	err = kern_path(fc->source, LOOKUP_FOLLOW, &one->path);
	if (err) {
		kfree(one);
		return err;
	}
	one->cred = get_current_cred();
	sb->s_fs_info = one;

	err = -EINVAL;
	below = one->path.mnt->mnt_sb;
	if (!d_is_reg(one->path.dentry) || below->s_type == &onefile_type ||
	    below->s_stack_depth == FILESYSTEM_MAX_STACK_DEPTH)
		goto fail;
	sb->s_stack_depth = below->s_stack_depth + 1;
	sb->s_magic = ONEFILE_MAGIC;
	sb->s_op = &onefile_super_operations;
	sb->s_maxbytes = below->s_maxbytes;
	sb->s_time_gran = below->s_time_gran;

	err = -ENOMEM;
	inode = new_inode(sb);
	if (!inode)
		goto fail;
	inode->i_ino = 1;
	inode->i_mode = d_inode(one->path.dentry)->i_mode;
	inode->i_op = &onefile_inode_operations;
	inode->i_fop = &onefile_file_operations;
	onefile_refresh(inode);
	sb->s_root = d_make_root(inode);
	if (!sb->s_root)
		goto fail;
	return 0;

fail:
	/* Without a root put_super is not called. */
	onefile_put_super(sb);
	return err;
}

static int onefile_get_tree(struct fs_context *fc)
{
	if (!fc->source)
		return invalf(fc, "onefile: no file given");
	return get_tree_nodev(fc, onefile_fill_super);
}

static const struct fs_context_operations onefile_context_operations = {
	.get_tree	= onefile_get_tree,
};

static int onefile_init_fs_context(struct fs_context *fc)
{
	fc->ops = &onefile_context_operations;
	return 0;
}

static struct file_system_type onefile_type = {
	.owner			= THIS_MODULE,
	.name			= "onefile",
	.init_fs_context	= onefile_init_fs_context,
	.kill_sb		= kill_anon_super,
};
MODULE_ALIAS_FS("onefile");

static int __init onefile_init(void)
{
	return register_filesystem(&onefile_type);
}

static void __exit onefile_exit(void)
{
	unregister_filesystem(&onefile_type);
}

module_init(onefile_init);
module_exit(onefile_exit);
MODULE_DESCRIPTION("Stacking filesystem of one file, in C on the module backing_file");
MODULE_LICENSE("GPL");
