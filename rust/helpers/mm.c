// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/mm.h>

bool bf_helper_can_mmap_file(struct file *file)
{
	return can_mmap_file(file);
}

int bf_helper_vfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vfs_mmap(file, vma);
}
