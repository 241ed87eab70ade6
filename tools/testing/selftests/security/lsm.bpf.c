// SPDX-License-Identifier: GPL-2.0
/*
 * A security module for lsm_test.c: counts what it is asked of one file, and denies it if told to.
 *
 * Of the kernel's structures it declares the members it reads; where they are is resolved when it is loaded.
 */
#include "lsm.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EACCES 13
#define MAY_WRITE 2
#define MAY_READ 4

#define KERNEL __attribute__((preserve_access_index))

struct super_block {
	__u32 s_dev;
} KERNEL;

struct inode {
	__u64 i_ino;
	struct super_block *i_sb;
} KERNEL;

struct file {
	struct inode *f_inode;
} KERNEL;

struct vm_area_struct {
	struct file *vm_file;
} KERNEL;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lsm_state);
} state SEC(".maps");

static struct lsm_state *asked_of(struct file *file)
{
	__u32 zero = 0;
	struct lsm_state *s = bpf_map_lookup_elem(&state, &zero);
	struct inode *inode = file->f_inode;

	if (!s || inode->i_ino != s->ino || inode->i_sb->s_dev != s->dev)
		return NULL;
	s->uid = bpf_get_current_uid_gid();
	return s;
}

SEC("lsm/file_permission")
int BPF_PROG(file_permission, struct file *file, int mask, int ret)
{
	struct lsm_state *s = asked_of(file);

	if (ret || !s)
		return ret;
	if (mask & MAY_READ)
		s->reads++;
	if (mask & MAY_WRITE)
		s->writes++;
	return s->deny ? -EACCES : 0;
}

SEC("lsm/mmap_backing_file")
int BPF_PROG(mmap_backing_file, struct vm_area_struct *vma, struct file *backing_file, struct file *user_file, int ret)
{
	struct lsm_state *s = asked_of(backing_file);

	if (ret || !s)
		return ret;
	s->maps++;
	s->map_is_backing = vma->vm_file == backing_file;
	return s->deny ? -EACCES : 0;
}

char _license[] SEC("license") = "GPL";
