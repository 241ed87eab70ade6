/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included in front of every source file of overlayfs: its backing files become ours, and what must be unique in a
 * kernel gets a name of its own, for the root of the guest is an overlay of the kernel's.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include <linux/fs.h>
#include <linux/rust_backing_file.h>
#include <linux/slab.h>

#define backing_file_open		rust_backing_file_open
#define backing_tmpfile_open		rust_backing_tmpfile_open
#define backing_file_read_iter		rust_backing_file_read_iter
#define backing_file_write_iter		rust_backing_file_write_iter
#define backing_file_splice_read	rust_backing_file_splice_read
#define backing_file_splice_write	rust_backing_file_splice_write
#define backing_file_mmap		rust_backing_file_mmap

static inline int register_as_rust_overlay(struct file_system_type *type)
{
	type->name = "rust_overlay";
	return register_filesystem(type);
}

#define register_filesystem		register_as_rust_overlay

#undef kmem_cache_create
#define kmem_cache_create(name, ...)	__kmem_cache_create("rust_" name, __VA_ARGS__)

#endif
