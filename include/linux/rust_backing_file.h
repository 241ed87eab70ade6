/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backing files of stacking filesystems, for filesystems in C: what
 * <linux/backing-file.h> declares, from the module backing_file instead of
 * fs/backing-file.c.
 *
 * A filesystem switches by putting "rust_" in front of the names; arguments and
 * &struct backing_file_ctx are the same. Exported GPL-only.
 *
 * Words: the *user file* is what a process opened on the stacking filesystem,
 * the *backing file* is what is opened here in its place. The *hook* is what
 * rw_verify_area() runs for the backing file: the security module, and the
 * pre-content event (FAN_PRE_ACCESS) on which a storage manager fills the range.
 *
 * Context, of all functions: a task that may sleep, for as long as a listener
 * takes to answer, unless said otherwise. The caller must not protect the
 * backing filesystem against freezing (mnt_want_write(), file_start_write(),
 * sb_start_write() on it): each function does that by itself, after the hook.
 * Freeze protection of the stacking filesystem's own super block, which the VFS
 * takes before a write, is fine as long as that one has no freeze_fs. Functions
 * that change a file are called with the lock of the *user* inode held.
 *
 * Credentials: operations run with @ctx->cred, which must stay valid until the
 * function returns. An asynchronous request does not need it afterwards.
 *
 * What differs from fs/backing-file.c:
 *
 * - The hook runs for every access to content, exactly once, for exactly the
 *   bytes asked for, before freeze protection and before the pipe is locked:
 *   splice writes and mappings included, for which the C functions run none.
 * - The hook of an append is told the end of the file at that time, behind which
 *   the bytes will go, and not the caller's position.
 * - A mapping of a watched file asks for its bytes; see rust_backing_file_mmap().
 * - rust_backing_file_open() asks for all of a watched file that is opened to be
 *   executed.
 * - Synchronous and asynchronous requests pass the same flags of the iocb to the
 *   backing filesystem: NOWAIT, HIPRI, DSYNC, SYNC, APPEND, ATOMIC and DIRECT.
 *   The argument @flags decides alone; O_APPEND, O_DSYNC and O_DIRECT of the
 *   backing file do not add to it.
 * - After -EIOCBQUEUED nothing of the iocb is touched: @accessed gets a reference
 *   to the user file that was taken before.
 * - A temporary file has the user path of the outermost user file, and makes no
 *   fsnotify events if the user file makes none.
 */

#ifndef _LINUX_RUST_BACKING_FILE_H
#define _LINUX_RUST_BACKING_FILE_H

#include <linux/backing-file.h>

/**
 * rust_backing_file_open - open the backing file of a user file
 * @user_file: the user file, which is being opened, or to which another backing
 *	file is added later
 * @flags: flags of open, usually those of @user_file
 * @real_path: where the backing file is; the dentry must be positive
 * @cred: credentials to open it with
 *
 * The file is to be released with fput(). It must never be put into a table of
 * file descriptors. The caller checks permissions of the backing inode, which are
 * not asked here.
 *
 * One backing file for each user file: the marks of listeners that a file obeys
 * are those there are when it is opened.
 *
 * C counterpart: backing_file_open().
 *
 * Return: the file, or an error pointer: -EPERM if the inode is immutable, or
 * append-only and @flags do not append, or a listener or a security module
 * denies; -EINVAL for O_DIRECT where the filesystem has no direct I/O; -ENFILE,
 * -ENOMEM, or what the filesystem returns.
 */
struct file *rust_backing_file_open(const struct file *user_file, int flags,
				    const struct path *real_path,
				    const struct cred *cred);

/**
 * rust_backing_tmpfile_open - make a backing file without a name
 * @user_file: the user file, which is in its own O_TMPFILE open
 * @flags: flags of open, usually those of @user_file
 * @real_parentpath: a directory of the backing filesystem; must be positive
 * @mode: permissions
 * @cred: credentials of the file; those of the task decide what it may
 *
 * As rust_backing_file_open(). No hook runs, there is no content. The caller has
 * write access to the mount (mnt_want_write()).
 *
 * C counterpart: backing_tmpfile_open().
 *
 * Return: the file, or an error pointer: -EOPNOTSUPP if the filesystem has no
 * such files, -EACCES, -EROFS, -ENOSPC, -EDQUOT, -ENFILE, -ENOMEM, or what the
 * filesystem returns.
 */
struct file *rust_backing_tmpfile_open(const struct file *user_file, int flags,
				       const struct path *real_parentpath,
				       umode_t mode, const struct cred *cred);

/**
 * rust_backing_file_read_iter - read from a backing file
 * @file: the backing file
 * @iter: where the bytes go
 * @iocb: request for the user file; reads at its position and moves that
 * @flags: flags of @iocb as the backing filesystem is to see them
 * @ctx: credentials; @accessed is told when the read has ended or, if it is
 *	asynchronous, been started
 *
 * C counterpart: backing_file_read_iter().
 *
 * Return: the number of bytes, or an error: -EIOCBQUEUED if @iocb completes
 * later, or has already, and is not the caller's any more; -EIO if @file is no
 * backing file; -EINVAL for IOCB_DIRECT where @file has no direct I/O;
 * -EOPNOTSUPP for IOCB_NOWAIT where @file cannot do that; -EPERM or another
 * error if a listener denies; -ENOMEM; or what the filesystem returns.
 */
ssize_t rust_backing_file_read_iter(struct file *file, struct iov_iter *iter,
				    struct kiocb *iocb, int flags,
				    struct backing_file_ctx *ctx);

/**
 * rust_backing_file_write_iter - write to a backing file
 * @file: the backing file
 * @iter: the bytes
 * @iocb: request for the user file; writes at its position and moves that
 * @flags: flags of @iocb as the backing filesystem is to see them
 * @ctx: credentials; @end_write is told when the write has ended, successful or
 *	not, with the final position in @iocb: under the caller's lock or, if the
 *	request is asynchronous, in a work queue without it, where it may sleep
 *
 * Set-id bits and file capabilities that a write takes away are taken off the
 * user file first (file_remove_privs()).
 *
 * Context: the lock of the user inode is held.
 *
 * C counterpart: backing_file_write_iter().
 *
 * Return: as rust_backing_file_read_iter(), and -EPERM if the backing inode is
 * append-only and the request does not append; -EOPNOTSUPP for IOCB_ATOMIC where
 * @file cannot do that.
 */
ssize_t rust_backing_file_write_iter(struct file *file, struct iov_iter *iter,
				     struct kiocb *iocb, int flags,
				     struct backing_file_ctx *ctx);

/**
 * rust_backing_file_splice_read - move bytes of a backing file into a pipe
 * @in: the backing file
 * @iocb: the user file and the position, which is moved; synchronous
 * @pipe: the pipe, locked
 * @len: how many bytes
 * @flags: SPLICE_F_*
 * @ctx: credentials; @accessed is told afterwards
 *
 * C counterpart: backing_file_splice_read().
 *
 * Return: the number of bytes, or an error: -EIO if @in is no backing file,
 * -EINVAL if it cannot be spliced from, -EPERM or another error if a listener
 * denies, or what the filesystem returns.
 */
ssize_t rust_backing_file_splice_read(struct file *in, struct kiocb *iocb,
				      struct pipe_inode_info *pipe, size_t len,
				      unsigned int flags,
				      struct backing_file_ctx *ctx);

/**
 * rust_backing_file_splice_write - move bytes out of a pipe to a backing file
 * @pipe: the pipe, not locked
 * @out: the backing file
 * @iocb: the user file and the position, which is moved; synchronous
 * @len: how many bytes
 * @flags: SPLICE_F_*
 * @ctx: credentials; @end_write is told afterwards, with the final position
 *
 * The hook runs for @len bytes at the position, before anything is locked or
 * protected here. Set-id bits and file capabilities are taken off the user file.
 *
 * Context: the lock of the user inode is held.
 *
 * C counterpart: backing_file_splice_write(), which runs no hook.
 *
 * Return: the number of bytes, or an error: -EIO if @out is no backing file,
 * -EINVAL if it cannot be spliced to, -EPERM if it is append-only and append mode
 * was taken away, or if a listener denies, or what the filesystem returns.
 */
ssize_t rust_backing_file_splice_write(struct pipe_inode_info *pipe,
				       struct file *out, struct kiocb *iocb,
				       size_t len, unsigned int flags,
				       struct backing_file_ctx *ctx);

/**
 * rust_backing_file_mmap - map a backing file in place of the user file
 * @file: the backing file
 * @vma: a mapping of the user file that is being set up
 * @ctx: credentials; @accessed is told if the mapping was made
 *
 * If the backing file was watched when it was opened, the hook runs for exactly
 * the mapped bytes when the mmap system call returns, and until it has allowed
 * them the mapping is closed: another thread that touches it waits, the kernel
 * gets EFAULT, MAP_POPULATE populates nothing. If the hook refuses, touching the
 * mapping raises SIGBUS. Such a mapping can be moved and shrunk, but not grown.
 * remap_file_pages(2), of which no hook would be told, fails on it with EINVAL.
 * Other files are mapped as by the C function.
 *
 * Such a mapping keeps the mount of the user file, and with it the stacking
 * filesystem's module, which uses symbols of this one.
 *
 * Context: in the mmap method of the user file, with the lock of the address
 * space held for writing. Waits for nobody.
 *
 * C counterpart: backing_file_mmap(), which runs no hook.
 *
 * Return: 0, or an error: -EIO if @file is no backing file, -ENODEV if it cannot
 * be mapped (or is watched, and its filesystem maps a file instead that is no
 * backing file), -EACCES for a shared mapping of an append-only file or if a
 * security module denies, -ENOMEM, or what the filesystem returns.
 */
int rust_backing_file_mmap(struct file *file, struct vm_area_struct *vma,
			   struct backing_file_ctx *ctx);

#endif /* _LINUX_RUST_BACKING_FILE_H */
