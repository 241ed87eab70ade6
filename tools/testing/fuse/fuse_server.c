// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server of one file whose content the kernel takes from another one: fuse_server FILE MOUNTPOINT shows FILE as
 * MOUNTPOINT/f, with FUSE passthrough. It serves names and attributes; reads and writes never come here.
 */
#define FUSE_USE_VERSION 317

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_INO 2

static int real;
static int backing_id;

static void server_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->max_backing_stack_depth = 1;
	if (!fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH)) {
		fprintf(stderr, "this kernel has no FUSE passthrough\n");
		exit(1);
	}
}

static int attributes(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else if (fstat(real, st)) {
		return errno;
	}
	st->st_ino = ino;
	return 0;
}

static void server_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = FILE_INO };
	int err;

	err = parent != FUSE_ROOT_ID || strcmp(name, "f") ? ENOENT : attributes(FILE_INO, &e.attr);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, &e);
}

static void server_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int err = attributes(ino, &st);

	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_attr(req, &st, 0);
}

static void server_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	int err = 0;

	if (ino != FILE_INO)
		err = EPERM;
	if (!err && (to_set & FUSE_SET_ATTR_SIZE) && ftruncate(real, attr->st_size))
		err = errno;
	if (!err && (to_set & FUSE_SET_ATTR_MODE) && fchmod(real, attr->st_mode & 07777))
		err = errno;
	if (err)
		fuse_reply_err(req, err);
	else
		server_getattr(req, ino, fi);
}

static void server_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != FILE_INO) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if (!backing_id)
		backing_id = fuse_passthrough_open(req, real);
	if (backing_id <= 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	fi->backing_id = backing_id;
	fuse_reply_open(req, fi);
}

static const struct fuse_lowlevel_ops ops = {
	.init = server_init,
	.lookup = server_lookup,
	.getattr = server_getattr,
	.setattr = server_setattr,
	.open = server_open,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session;

	if (argc != 3) {
		fprintf(stderr, "Usage: fuse_server FILE MOUNTPOINT\n");
		return 2;
	}
	real = open(argv[1], O_RDWR);
	if (real < 0) {
		perror(argv[1]);
		return 1;
	}
	if (fuse_opt_add_arg(&args, argv[0]) || fuse_opt_add_arg(&args, "-odefault_permissions,allow_other"))
		return 1;
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_session_mount(session, argv[2]))
		return 1;
	fuse_daemonize(0);
	fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return 0;
}
