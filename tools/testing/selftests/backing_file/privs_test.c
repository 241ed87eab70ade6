// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: set-id bits and file capabilities go when content changes, and only then: a change that a storage manager
 * denies on the backing filesystem leaves them, as it does on that filesystem itself.
 *
 * The C helpers' users take them away first and ask then.
 */
#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include "kselftest_harness.h"
#include "place.h"

#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif

#define SIZE 65536

PLACES(privs);

/* Denies every access to content below @under until it is killed; what its parent does is allowed. */
static pid_t listener(struct __test_metadata *const _metadata, int under, int *err)
{
	int fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR | O_LARGEFILE);
	pid_t parent = getpid(), pid;
	char buf[4096];

	ASSERT_LE(0, fan);
	*err = errno_of(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_PRE_ACCESS, under, "."));
	pid = *err ? 0 : fork();
	if (!pid && !*err) {
		ssize_t n;

		while ((n = read(fan, buf, sizeof(buf))) > 0) {
			struct fanotify_event_metadata *event = (void *)buf;

			for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
				struct fanotify_response response = {
					.fd = event->fd, .response = event->pid == parent ? FAN_ALLOW : FAN_DENY,
				};

				write(fan, &response, sizeof(response));
				close(event->fd);
			}
		}
		_exit(0);
	}
	close(fan);
	return pid;
}

enum { WRITE, DIRECT_WRITE, AIO_WRITE, SPLICE, FALLOCATE, PUNCH, TRUNCATE, COPY, CLONE, WAYS };

static int change(int how, int fd, int direct, int source)
{
	struct file_clone_range range = { .src_fd = source, .src_length = SIZE };
	off_t from = 0, to = 0;
	struct iocb iocb = {}, *list[] = { &iocb };
	struct io_event event = {};
	aio_context_t ctx = 0;
	char *buf;
	int p[2];

	if (posix_memalign((void **)&buf, 4096, 4096))
		return -1;
	switch (how) {
	case WRITE:
		return pwrite(fd, buf, 100, 0);
	case DIRECT_WRITE:
		return pwrite(direct, buf, 4096, 0);
	case AIO_WRITE:
		iocb.aio_lio_opcode = IOCB_CMD_PWRITE;
		iocb.aio_fildes = direct;
		iocb.aio_buf = (uintptr_t)buf;
		iocb.aio_nbytes = 4096;
		if (syscall(SYS_io_setup, 1, &ctx) || syscall(SYS_io_submit, ctx, 1, list) != 1 ||
		    syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) != 1)
			return -1;
		errno = -event.res;
		return event.res < 0 ? -1 : 0;
	case SPLICE:
		if (pipe(p) || write(p[1], buf, 100) != 100)
			return -1;
		return splice(p[0], NULL, fd, &to, 100, 0);
	case FALLOCATE:
		return fallocate(fd, 0, 0, 2 * SIZE);
	case PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	case TRUNCATE:
		return ftruncate(fd, 10);
	case COPY:
		return copy_file_range(source, &from, fd, &to, SIZE, 0);
	case CLONE:
		return ioctl(fd, FICLONERANGE, &range);
	}
	return -1;
}

TEST_F(privs, kept_when_denied)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2, .data[0].permitted = 1 << CAP_NET_RAW };
	int how, fd, direct, source, err, reflink = fs_is("xfs") || fs_is("btrfs");
	struct stat st;
	pid_t pid = listener(_metadata, self->under, &err);

	if (fs_is("tmpfs")) {
		EXPECT_EQ(-EOPNOTSUPP, err) TH_LOG("tmpfs has no such events");
		return;
	}
	ASSERT_EQ(0, err);
	make_file(_metadata, self->dir, "source", SIZE, 1);
	source = must_open(self->dir, "source", O_RDONLY);
	for (how = 0; how < WAYS; how++) {
		if (how == CLONE && !reflink)
			continue;
		make_file(_metadata, self->dir, "f", SIZE, 2);
		ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
		fd = must_open(self->dir, "f", O_RDWR);
		ASSERT_EQ(0, fsetxattr(fd, "security.capability", &cap, XATTR_CAPS_SZ_2, 0)) TH_LOG("%m");
		direct = must_open(self->dir, "f", O_RDWR | O_DIRECT);
		EXPECT_EQ(EPERM, as_user(NOBODY, change(how, fd, direct, source))) TH_LOG("way %d", how);
		EXPECT_EQ(-1, name_differs(self->dir, "f", SIZE, 2)) TH_LOG("way %d: content", how);
		/* Of two stacks the outer one asks the inner one, where nobody listens. README, limits */
		if (variant->layers == NESTED)
			goto next;
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(06777, (int)st.st_mode & 07777) TH_LOG("way %d", how);
		ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
		EXPECT_EQ(06777, (int)st.st_mode & 07777) TH_LOG("way %d, below", how);
		/* Those the VFS itself takes off the user file, before it calls setattr */
		if (how != TRUNCATE || variant->layers == DIRECT) {
			EXPECT_EQ(XATTR_CAPS_SZ_2, fgetxattr(fd, "security.capability", NULL, 0))
				TH_LOG("way %d", how);
		}
next:
		close(fd);
		close(direct);
		ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	/* Nobody denies any more */
	for (how = 0; how < WAYS; how++) {
		if (how == CLONE && !reflink)
			continue;
		make_file(_metadata, self->dir, "f", SIZE, 2);
		ASSERT_EQ(0, fchmodat(self->dir, "f", 06777, 0));
		fd = must_open(self->dir, "f", O_RDWR);
		ASSERT_EQ(0, fsetxattr(fd, "security.capability", &cap, XATTR_CAPS_SZ_2, 0)) TH_LOG("%m");
		direct = must_open(self->dir, "f", O_RDWR | O_DIRECT);
		EXPECT_EQ(0, as_user(NOBODY, change(how, fd, direct, source))) TH_LOG("way %d", how);
		ASSERT_EQ(0, fstatat(self->under, "f", &st, 0));
		EXPECT_EQ(0777, (int)st.st_mode & 07777) TH_LOG("way %d", how);
		EXPECT_EQ(-ENODATA, errno_of(fgetxattr(fd, "security.capability", NULL, 0))) TH_LOG("way %d", how);
		close(fd);
		close(direct);
		ASSERT_EQ(0, unlinkat(self->dir, "f", 0));
	}
}

TEST_HARNESS_MAIN
