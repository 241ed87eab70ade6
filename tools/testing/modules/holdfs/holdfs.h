/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HOLDFS_H
#define HOLDFS_H

#define HOLDFS_SIZE	(64 * 1024)

struct dentry;
struct file;
struct vm_area_struct;

/* HOLDFS_SIZE bytes: what is in the file. */
extern char *holdfs_content;

/* Makes the file "submit" in @dir of debugfs. */
void holdfs_submit_init(struct dentry *dir);

/* The file's method, and what it needs: see map.c. */
int holdfs_mmap(struct file *file, struct vm_area_struct *vma);
int holdfs_map_init(struct dentry *debug_dir);
void holdfs_map_exit(void);

#endif
