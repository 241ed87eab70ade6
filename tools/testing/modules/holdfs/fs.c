// SPDX-License-Identifier: GPL-2.0
/*
 * holdfs: a filesystem with one file, in memory, that completes asynchronous requests exactly when a test wants.
 *
 * Everything it does is allowed to a filesystem; ordinary ones do most of it once in a million requests. It makes the
 * windows of a request's life in which a stacking filesystem can go wrong as wide as they can be, and counts how often
 * each was hit. In /sys/kernel/debug/holdfs:
 *   how		when requests complete, enum when
 *   result		what they complete with; 0: as many bytes as asked for
 *   release		(written) completes those that are held
 *   before, within, during, interrupt, after	how many were
 *   held		how many are in flight
 *   submit		see submit.c
 *   elsewhere		see map.c
 * Only for tests.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include "holdfs.h"

#define HOLDFS_MAGIC	0x484f4c44

enum when {
	SYNC,		/* no asynchronous requests: the result is returned */
	BEFORE,		/* another task completes it before the submission returns, and is done with it */
	WITHIN,		/* the submission itself completes it, before it returns */
	DURING,		/* another CPU completes it while the submission returns */
	INTERRUPT,	/* an interrupt completes it before the submission returns */
	AFTER,		/* when a test says so */
	WHENS
};

static u32 how;
static u32 result;
static atomic_t counts[WHENS];
static atomic_t held;
char *holdfs_content;

struct request {
	struct kiocb *iocb;
	long result;
	struct work_struct work;
	struct irq_work irq_work;
	struct completion *started;
	struct list_head list;
	bool interrupted;
};

static DEFINE_SPINLOCK(lock);
static LIST_HEAD(holding);

/* --- completing -------------------------------------------------------------------- */

static void complete_request(struct request *req)
{
	req->iocb->ki_complete(req->iocb, req->result);
}

static void complete_before(struct work_struct *work)
{
	complete_request(container_of(work, struct request, work));
}

static void complete_during(struct work_struct *work)
{
	struct request *req = container_of(work, struct request, work);

	/* From here on both go on at once. */
	complete(req->started);
	complete_request(req);
	kfree(req);
}

static void complete_in_interrupt(struct irq_work *work)
{
	struct request *req = container_of(work, struct request, irq_work);

	req->interrupted = in_hardirq();
	complete_request(req);
}

static void hold(struct request *req)
{
	spin_lock(&lock);
	list_add_tail(&req->list, &holding);
	spin_unlock(&lock);
	atomic_inc(&held);
}

static struct request *next_held(void)
{
	struct request *req;

	spin_lock(&lock);
	req = list_first_entry_or_null(&holding, struct request, list);
	if (req)
		list_del(&req->list);
	spin_unlock(&lock);
	return req;
}

static ssize_t release(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct request *req;

	while ((req = next_held())) {
		atomic_dec(&held);
		complete_request(req);
		kfree(req);
	}
	return len;
}

static const struct file_operations release_ops = {
	.owner = THIS_MODULE,
	.write = release,
};

/* Completes @req, or sees to it, as the test wants it. The request is not the caller's any more. */
static ssize_t queue(struct request *req, u32 when)
{
	DECLARE_COMPLETION_ONSTACK(started);

	atomic_inc(&counts[when]);
	switch (when) {
	case BEFORE:
		INIT_WORK(&req->work, complete_before);
		queue_work(system_dfl_wq, &req->work);
		flush_work(&req->work);
		kfree(req);
		break;
	case WITHIN:
		complete_request(req);
		kfree(req);
		break;
	case DURING:
		INIT_WORK(&req->work, complete_during);
		req->started = &started;
		queue_work_on(cpumask_any_but(cpu_online_mask, raw_smp_processor_id()), system_percpu_wq, &req->work);
		wait_for_completion(&started);
		break;
	case INTERRUPT:
		init_irq_work(&req->irq_work, complete_in_interrupt);
		irq_work_queue(&req->irq_work);
		irq_work_sync(&req->irq_work);
		WARN_ON(!req->interrupted);
		kfree(req);
		break;
	case AFTER:
		hold(req);
		break;
	}
	return -EIOCBQUEUED;
}

/* --- the file ------------------------------------------------------------------------ */

static ssize_t transfer(struct kiocb *iocb, struct iov_iter *iter, bool write)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t end = write ? HOLDFS_SIZE : i_size_read(inode);
	size_t n;
	char *at;

	if (iocb->ki_pos >= end)
		return write ? -EFBIG : 0;
	n = min_t(size_t, iov_iter_count(iter), end - iocb->ki_pos);
	at = holdfs_content + iocb->ki_pos;
	n = write ? copy_from_iter(at, n, iter) : copy_to_iter(at, n, iter);
	if (!n)
		return -EFAULT;
	iocb->ki_pos += n;
	if (write && iocb->ki_pos > i_size_read(inode))
		i_size_write(inode, iocb->ki_pos);
	return n;
}

static ssize_t rw(struct kiocb *iocb, struct iov_iter *iter, bool write)
{
	u32 when = READ_ONCE(how), instead = READ_ONCE(result);
	struct request *req;
	ssize_t ret;

	if (when == SYNC || when >= WHENS || is_sync_kiocb(iocb)) {
		ret = transfer(iocb, iter, write);
		return instead && !is_sync_kiocb(iocb) ? (int)instead : ret;
	}
	req = kzalloc(sizeof(*req), GFP_KERNEL);
	if (!req)
		return -ENOMEM;
	ret = transfer(iocb, iter, write);
	if (ret <= 0) {
		kfree(req);
		return ret;
	}
	req->iocb = iocb;
	req->result = instead ? (int)instead : ret;
	ret = queue(req, when);
	/* Completed or not, a filesystem may look at its iocb until it returns. */
	WARN_ON(READ_ONCE(iocb->ki_pos) < 0);
	return ret;
}

static ssize_t holdfs_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return rw(iocb, iter, false);
}

static ssize_t holdfs_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return rw(iocb, iter, true);
}

static int holdfs_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT;
	return 0;
}

static const struct file_operations holdfs_file_ops = {
	.owner = THIS_MODULE,
	.open = holdfs_open,
	.read_iter = holdfs_read_iter,
	.write_iter = holdfs_write_iter,
	.mmap = holdfs_mmap,
	.llseek = generic_file_llseek,
	.fsync = noop_fsync,
};

/* --- the filesystem -------------------------------------------------------------------- */

/* Without this method it could not be frozen. */
static int holdfs_freeze(struct super_block *sb)
{
	return 0;
}

static const struct super_operations holdfs_super_ops = {
	.statfs = simple_statfs,
	.freeze_fs = holdfs_freeze,
	.unfreeze_fs = holdfs_freeze,
};

static int holdfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	static const struct tree_descr files[] = { [2] = { "file", &holdfs_file_ops, 0644 }, { "" } };
	int ret = simple_fill_super(sb, HOLDFS_MAGIC, files);

	sb->s_op = &holdfs_super_ops;
	sb->s_iflags |= SB_I_ALLOW_HSM;
	return ret;
}

static int holdfs_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, holdfs_fill_super);
}

static const struct fs_context_operations holdfs_context_ops = {
	.get_tree = holdfs_get_tree,
};

static int holdfs_init_fs_context(struct fs_context *fc)
{
	fc->ops = &holdfs_context_ops;
	return 0;
}

static struct file_system_type holdfs_type = {
	.owner = THIS_MODULE,
	.name = "holdfs",
	.init_fs_context = holdfs_init_fs_context,
	.kill_sb = kill_anon_super,
};

static struct dentry *debug_dir;

static int make_knobs(void)
{
	static const char *const names[WHENS] = { "sync", "before", "within", "during", "interrupt", "after" };
	int i;

	debug_dir = debugfs_create_dir("holdfs", NULL);
	debugfs_create_u32("how", 0600, debug_dir, &how);
	debugfs_create_u32("result", 0600, debug_dir, &result);
	debugfs_create_file("release", 0200, debug_dir, NULL, &release_ops);
	debugfs_create_atomic_t("held", 0400, debug_dir, &held);
	for (i = BEFORE; i < WHENS; i++)
		debugfs_create_atomic_t(names[i], 0400, debug_dir, &counts[i]);
	holdfs_submit_init(debug_dir);
	return holdfs_map_init(debug_dir);
}

static int __init holdfs_init(void)
{
	int ret;

	holdfs_content = vzalloc(HOLDFS_SIZE);
	if (!holdfs_content)
		return -ENOMEM;
	ret = make_knobs();
	if (ret)
		goto no_knobs;
	ret = register_filesystem(&holdfs_type);
	if (ret)
		goto no_type;
	return 0;

no_type:
	holdfs_map_exit();
no_knobs:
	debugfs_remove(debug_dir);
	vfree(holdfs_content);
	return ret;
}

static void __exit holdfs_exit(void)
{
	unregister_filesystem(&holdfs_type);
	debugfs_remove(debug_dir);
	holdfs_map_exit();
	vfree(holdfs_content);
}

module_init(holdfs_init);
module_exit(holdfs_exit);
MODULE_DESCRIPTION("A file system that completes asynchronous requests when a test wants it");
MODULE_LICENSE("GPL");
