// SPDX-License-Identifier: GPL-2.0
/*
 * misbehave: a module that does wrong on request.
 *
 * It proves that the debug kernel sees a kind of mistake and that the log
 * checker calls it one: suites/70-debug.sh writes each kind below to
 * /sys/kernel/debug/misbehave and expects a red log. Never load it elsewhere.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

/* The control: what precedes and follows each mistake makes no report. */
static void nothing(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
}

static void use_after_free(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	WRITE_ONCE(p[8], 1);
}

static void vmalloc_overrun(void)
{
	char *p = vmalloc(100);

	if (!p)
		return;
	(void)READ_ONCE(p[100]);
	vfree(p);
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

/* No deadlock happens: the two orders follow each other in one task. */
static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

/* Several, since a stale register or stack word may still point to one. */
static void leak(void)
{
	void *p;
	int i;

	for (i = 0; i < 32; i++) {
		p = kzalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

/* Freeze protection of the file system at /backing that nobody gives back. */
static void freeze_protection(void)
{
	struct path path;

	if (kern_path("/backing", LOOKUP_FOLLOW, &path))
		return;
	sb_start_write(path.mnt->mnt_sb);
	path_put(&path);
}

/* The wrong order: a permission hook, in which a listener may write, inside of freeze protection. */
static void hook_under_freeze_protection(void)
{
	struct file *file = filp_open("/backing/misbehave", O_RDWR | O_CREAT, 0600);
	loff_t pos = 0;

	if (IS_ERR(file))
		return;
	file_start_write(file);
	rw_verify_area(READ, file, &pos, 1);
	file_end_write(file);
	filp_close(file, NULL);
}

static DEFINE_SPINLOCK(spin);

static void sleep_in_atomic(void)
{
	void *p;

	spin_lock(&spin);
	p = kmalloc(64, GFP_KERNEL);
	spin_unlock(&spin);
	kfree(p);
}

static void list_corruption(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static void no_timer(struct timer_list *timer)
{
}

static void free_active_timer(void)
{
	struct timer_list *timer = kmalloc_obj(*timer);

	if (!timer)
		return;
	timer_setup(timer, no_timer, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static void shift_too_far(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	bits = 1 << bits;
	OPTIMIZER_HIDE_VAR(bits);
}

static void refcount_underflow(void)
{
	refcount_t count = REFCOUNT_INIT(1);

	refcount_dec(&count);
	refcount_dec(&count);
}

static const struct {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "nothing", nothing },
	{ "use-after-free", use_after_free },
	{ "vmalloc-overrun", vmalloc_overrun },
	{ "lock-inversion", lock_inversion },
	{ "leak", leak },
	{ "freeze-protection", freeze_protection },
	{ "hook-under-freeze-protection", hook_under_freeze_protection },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "list-corruption", list_corruption },
	{ "free-active-timer", free_active_timer },
	{ "shift-too-far", shift_too_far },
	{ "refcount-underflow", refcount_underflow },
};

static ssize_t misbehave_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char name[40] = "";
	int i;

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, buf, len))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (sysfs_streq(name, kinds[i].name)) {
			kinds[i].run();
			return len;
		}
	}
	return -EINVAL;
}

static const struct file_operations misbehave_fops = {
	.owner = THIS_MODULE,
	.write = misbehave_write,
};

static struct dentry *control;

static int __init misbehave_init(void)
{
	control = debugfs_create_file("misbehave", 0200, NULL, NULL, &misbehave_fops);
	return PTR_ERR_OR_ZERO(control);
}

static void __exit misbehave_exit(void)
{
	debugfs_remove(control);
}

module_init(misbehave_init);
module_exit(misbehave_exit);
MODULE_DESCRIPTION("Does wrong on request, to test the kernel's own checks");
MODULE_LICENSE("GPL");
