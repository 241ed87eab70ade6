/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included in front of every source file of overlayfs: what must be unique in a kernel gets a name of its own, for the
 * root of the guest is an overlay of the kernel's.
 */
#ifndef NAMES_H
#define NAMES_H

#include <linux/fs.h>
#include <linux/slab.h>

static inline int register_as_rust_overlay(struct file_system_type *type)
{
	type->name = "rust_overlay";
	return register_filesystem(type);
}

#define register_filesystem		register_as_rust_overlay

#undef kmem_cache_create
#define kmem_cache_create(name, ...)	__kmem_cache_create("rust_" name, __VA_ARGS__)

#endif
