// SPDX-License-Identifier: GPL-2.0
/*
 * A submitter inside the kernel that lives as dangerously as is allowed: the completion of its request frees the
 * iocb, drops the last reference to the file, and may run before the submission has returned. A SCSI target on a file
 * does so.
 *
 * "read PATH" or "write PATH" written to /sys/kernel/debug/holdfs/submit opens PATH for direct I/O, submits a request
 * for its first 4096 bytes and waits until it has completed; "nowait read PATH" does not wait. The write to debugfs
 * returns its own length, or the errno of opening, of the submission or of the request.
 */
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uio.h>
#include "holdfs.h"

#define LENGTH 4096

/* Who waits for a request. Not in the request, which is gone when it has completed. */
struct waiter {
	struct completion done;
	long result;
	refcount_t users;
};

struct submission {
	struct kiocb iocb;
	struct page *page;
	struct waiter *waiter;
	bool write;
};

static void waiter_put(struct waiter *w)
{
	if (refcount_dec_and_test(&w->users))
		kfree(w);
}

/* The end of a request, whoever reports it. */
static void finish(struct submission *s, long result)
{
	struct waiter *w = s->waiter;

	fput(s->iocb.ki_filp);
	__free_page(s->page);
	kfree(s);
	w->result = result;
	complete(&w->done);
	waiter_put(w);
}

static void completed(struct kiocb *iocb, long result)
{
	struct submission *s = container_of(iocb, struct submission, iocb);

	if (s->write)
		kiocb_end_write(iocb);
	finish(s, result);
}

static struct submission *new_submission(struct file *file, bool write)
{
	struct submission *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct waiter *w = kzalloc(sizeof(*w), GFP_KERNEL);
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!s || !w || !page) {
		kfree(s);
		kfree(w);
		if (page)
			__free_page(page);
		return NULL;
	}
	init_sync_kiocb(&s->iocb, file);
	s->iocb.ki_flags |= IOCB_DIRECT;
	s->iocb.ki_complete = completed;
	s->page = page;
	s->waiter = w;
	s->write = write;
	init_completion(&w->done);
	refcount_set(&w->users, 2);
	return s;
}

/* Nothing of @s is looked at after the submission: it may be gone. */
static long submit_one(const char *path, bool write, bool wait)
{
	struct file *file = filp_open(path, O_RDWR | O_DIRECT, 0);
	struct submission *s;
	struct iov_iter iter;
	struct bio_vec bvec;
	struct waiter *w;
	ssize_t ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	s = new_submission(file, write);
	if (!s) {
		fput(file);
		return -ENOMEM;
	}
	w = s->waiter;
	bvec_set_page(&bvec, s->page, LENGTH, 0);
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, &bvec, 1, LENGTH);
	ret = write ? vfs_iocb_iter_write(file, &s->iocb, &iter) : vfs_iocb_iter_read(file, &s->iocb, &iter);
	if (ret != -EIOCBQUEUED)
		finish(s, ret);
	if (wait) {
		wait_for_completion(&w->done);
		ret = w->result;
	} else {
		ret = 0;
	}
	waiter_put(w);
	return ret;
}

static ssize_t submit(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	char *text = memdup_user_nul(ubuf, len), *path;
	bool wait = true, write;
	ssize_t ret;

	if (IS_ERR(text))
		return PTR_ERR(text);
	path = strim(text);
	if (str_has_prefix(path, "nowait ")) {
		wait = false;
		path += strlen("nowait ");
	}
	write = str_has_prefix(path, "write ");
	path = strchr(path, ' ');
	ret = path ? submit_one(path + 1, write, wait) : -EINVAL;
	kfree(text);
	return ret < 0 ? ret : len;
}

static const struct file_operations submit_ops = {
	.owner = THIS_MODULE,
	.write = submit,
};

void holdfs_submit_init(struct dentry *dir)
{
	debugfs_create_file("submit", 0200, dir, NULL, &submit_ops);
}
