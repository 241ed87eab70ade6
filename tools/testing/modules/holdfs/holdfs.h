/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HOLDFS_H
#define HOLDFS_H

struct dentry;

/* Makes the file "submit" in @dir of debugfs. */
void holdfs_submit_init(struct dentry *dir);

#endif
