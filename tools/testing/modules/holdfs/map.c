// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of the file, made by the older of the two methods, which no filesystem of the other tests has. In
 * /sys/kernel/debug/holdfs:
 *   elsewhere	whether what is mapped is another file, as Coda does it: one of tmpfs, which is empty
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/vmalloc.h>
#include "holdfs.h"

static bool elsewhere;
static struct file *other;

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff >= HOLDFS_SIZE / PAGE_SIZE)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(holdfs_content + vmf->pgoff * PAGE_SIZE);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct map_ops = {
	.fault = map_fault,
};

int holdfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (READ_ONCE(elsewhere)) {
		vma_set_file(vma, other);
		return vfs_mmap(other, vma);
	}
	vma->vm_ops = &map_ops;
	return 0;
}

int holdfs_map_init(struct dentry *debug_dir)
{
	other = shmem_file_setup("holdfs", HOLDFS_SIZE, EMPTY_VMA_FLAGS);
	if (IS_ERR(other))
		return PTR_ERR(other);
	debugfs_create_bool("elsewhere", 0600, debug_dir, &elsewhere);
	return 0;
}

void holdfs_map_exit(void)
{
	fput(other);
}
