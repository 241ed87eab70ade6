/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included in front of every source file of a filesystem of the kernel: its backing files become ours.
 */
#ifndef HELPERS_H
#define HELPERS_H

#include <linux/rust_backing_file.h>

#define backing_file_open		rust_backing_file_open
#define backing_tmpfile_open		rust_backing_tmpfile_open
#define backing_file_read_iter		rust_backing_file_read_iter
#define backing_file_write_iter		rust_backing_file_write_iter
#define backing_file_splice_read	rust_backing_file_splice_read
#define backing_file_splice_write	rust_backing_file_splice_write
#define backing_file_mmap		rust_backing_file_mmap

#endif
