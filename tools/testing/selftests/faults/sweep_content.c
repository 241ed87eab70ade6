// SPDX-License-Identifier: GPL-2.0
/* Operations on the content of a file, for the fault sweep. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "pre_content.h"
#include "sweep.h"

/* --- what operations need ------------------------------------------------ */

static void opens(struct attempt *a, int flags)
{
	a->fd = must(openat(a->dir, "f", flags));
}

static void opens_read(struct attempt *a) { opens(a, O_RDONLY); }
static void opens_write(struct attempt *a) { opens(a, O_RDWR); }
static void opens_append(struct attempt *a) { opens(a, O_WRONLY | O_APPEND); }

/* Nothing of f is in the page cache. */
static void drop_pages(struct attempt *a)
{
	int fd = must(openat(a->under, "f", O_RDONLY));

	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
}

static void opens_cold(struct attempt *a)
{
	drop_pages(a);
	opens_write(a);
}

static void opens_direct(struct attempt *a)
{
	drop_pages(a);
	opens(a, O_RDWR | O_DIRECT);
}

static void opens_both(struct attempt *a)
{
	opens_write(a);
	a->fd2 = must(openat(a->dir, "g", O_RDONLY));
}

static void pipes(struct attempt *a)
{
	must(pipe(a->pipe));
}

/* A pipe that holds what is to be written */
static void filled_pipe(struct attempt *a)
{
	opens_write(a);
	pipes(a);
	fill_with(a->buf, LEN, AT, NEW);
	must(write(a->pipe[1], a->buf, LEN) == LEN ? 0 : -1);
}

/* What a read got is what the file has there. */
static const char *got_old(struct attempt *a, long ret)
{
	long i;

	for (i = 0; i < ret; i++)
		if ((unsigned char)a->buf[i] != byte(AT + i, OLD))
			return "wrong bytes were read";
	return NULL;
}

/* --- read and write -------------------------------------------------------- */

static long read_cached(struct attempt *a) { return errno_of(pread(a->fd, a->buf, LEN, AT)); }
DEFINE_OPERATION(read_cached, .prepare = opens_read, .check = got_old, .ret = LEN);

static long read_cold(struct attempt *a) { return errno_of(pread(a->fd, a->buf, LEN, AT)); }
DEFINE_OPERATION(read_cold, .prepare = opens_cold, .check = got_old, .ret = LEN);

static long read_direct(struct attempt *a) { return errno_of(pread(a->fd, a->buf, LEN, AT)); }
DEFINE_OPERATION(read_direct, .prepare = opens_direct, .check = got_old, .ret = LEN);

static long write_new(struct attempt *a)
{
	return errno_of(pwrite(a->fd, a->buf, LEN, AT));
}

static void writes(struct attempt *a)
{
	opens_write(a);
	fill_with(a->buf, LEN, AT, NEW);
}

static void writes_direct(struct attempt *a)
{
	opens_direct(a);
	fill_with(a->buf, LEN, AT, NEW);
}

static long write_buffered(struct attempt *a) { return write_new(a); }
DEFINE_OPERATION(write_buffered, .prepare = writes, .pos = AT, .len = LEN, .counts = true, .ret = LEN);

static long write_direct(struct attempt *a) { return write_new(a); }
DEFINE_OPERATION(write_direct, .prepare = writes_direct, .pos = AT, .len = LEN,
		 .counts = true, .ret = LEN);

static void appends(struct attempt *a)
{
	opens_append(a);
	fill_with(a->buf, LEN, SIZE, NEW);
}

static long write_append(struct attempt *a) { return errno_of(write(a->fd, a->buf, LEN)); }
DEFINE_OPERATION(write_append, .prepare = appends, .pos = SIZE, .len = LEN,
		 .resizes = true, .size = SIZE + LEN, .counts = true, .ret = LEN);

/* Whoever has the capability keeps set-user-id bits of what he writes to. */
static void keeps_suid(bool keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	must(syscall(SYS_capget, &header, caps));
	if (keep)
		caps[0].effective |= 1 << CAP_FSETID;
	else
		caps[0].effective &= ~(1 << CAP_FSETID);
	must(syscall(SYS_capset, &header, caps));
}

/* A write that takes the set-user-id bit away */
static void writes_suid(struct attempt *a)
{
	must(fchmodat(a->under, "f", 04755, 0));
	writes(a);
	keeps_suid(false);
}

static void suid_settle(struct attempt *a)
{
	keeps_suid(true);
}

static const char *suid_gone(struct attempt *a, long ret)
{
	struct stat st;

	must(fstatat(a->under, "f", &st, 0));
	if (ret > 0 && st.st_mode & S_ISUID)
		return "set-user-id survived a write";
	return NULL;
}

static long write_suid(struct attempt *a) { return write_new(a); }
DEFINE_OPERATION(write_suid, .prepare = writes_suid, .settle = suid_settle, .check = suid_gone, .pos = AT, .len = LEN,
		 .counts = true, .ret = LEN);

/* F_SETFL changes the user file; the next request takes it over to the backing file. */
static long setfl_and_read(struct attempt *a)
{
	long ret = errno_of(fcntl(a->fd, F_SETFL, O_DIRECT));

	return ret ?: errno_of(pread(a->fd, a->buf, LEN, AT));
}

DEFINE_OPERATION(setfl_and_read, .prepare = opens_cold, .check = got_old, .ret = LEN);

/* --- asynchronous ------------------------------------------------------------ */

static void aio_context(struct attempt *a)
{
	opens_direct(a);
	must(syscall(SYS_io_setup, 8, &a->aio));
	fill_with(a->buf, LEN, AT, NEW);
}

static void aio_buffered_context(struct attempt *a)
{
	opens_cold(a);
	must(syscall(SYS_io_setup, 8, &a->aio));
}

/* Submits one request and waits for it. */
static long aio_one(struct attempt *a, int op)
{
	struct iocb iocb = { .aio_lio_opcode = op, .aio_fildes = a->fd, .aio_buf = (uintptr_t)a->buf,
			     .aio_nbytes = LEN, .aio_offset = AT };
	struct iocb *list = &iocb;
	struct io_event event = {};
	long ret = errno_of(syscall(SYS_io_submit, a->aio, 1, &list));

	if (ret != 1)
		return ret;
	ret = errno_of(syscall(SYS_io_getevents, a->aio, 1, 1, &event, NULL));
	return ret == 1 ? (long)event.res : ret;
}

/* Waits for requests that the attempt did not. */
static void aio_settle(struct attempt *a)
{
	must(syscall(SYS_io_destroy, a->aio));
}

static long aio_read(struct attempt *a) { return aio_one(a, IOCB_CMD_PREAD); }
DEFINE_OPERATION(aio_read, .prepare = aio_buffered_context, .settle = aio_settle, .check = got_old, .ret = LEN,
		 .errnos = { EAGAIN });

static long aio_read_direct(struct attempt *a)
{
	memset(a->buf, 0, LEN);
	return aio_one(a, IOCB_CMD_PREAD);
}

DEFINE_OPERATION(aio_read_direct, .prepare = aio_context, .settle = aio_settle, .check = got_old, .ret = LEN,
		 .errnos = { EAGAIN });

static long aio_write_direct(struct attempt *a) { return aio_one(a, IOCB_CMD_PWRITE); }
DEFINE_OPERATION(aio_write_direct, .prepare = aio_context, .settle = aio_settle, .pos = AT, .len = LEN,
		 .counts = true,
		 .ret = LEN, .errnos = { EAGAIN });

/* The first asynchronous write to a mount makes the queue in which all of them complete. */
static void first_on_mount(struct attempt *a)
{
	char f[PATH_MAX + 2];

	must(mount(a->under_path, a->mnt, "passfs", 0, NULL));
	snprintf(f, sizeof(f), "%s/f", a->mnt);
	a->fd = must(open(f, O_RDWR | O_DIRECT));
	must(syscall(SYS_io_setup, 8, &a->aio));
	fill_with(a->buf, LEN, AT, NEW);
}

static void unmount_settle(struct attempt *a)
{
	aio_settle(a);
	close(a->fd);
	a->fd = -1;
	must(umount2(a->mnt, 0));
}

static long aio_first_write(struct attempt *a) { return aio_one(a, IOCB_CMD_PWRITE); }
DEFINE_OPERATION(aio_first_write, .prepare = first_on_mount, .settle = unmount_settle, .pos = AT, .len = LEN,
		 .counts = true, .ret = LEN, .errnos = { EAGAIN });

static void uring(struct attempt *a)
{
	must(io_uring_queue_init(8, &a->ring, 0) ? -1 : 0);
	a->has_ring = true;
	a->is_submitted = false;
	fill_with(a->buf, LEN, AT, NEW);
}

static void uring_buffered(struct attempt *a)
{
	opens_cold(a);
	uring(a);
}

static void uring_direct(struct attempt *a)
{
	opens_direct(a);
	uring(a);
}

static long uring_one(struct attempt *a, void (*prep)(struct io_uring_sqe *sqe, struct attempt *a))
{
	struct io_uring_cqe *cqe;
	long ret;

	prep(io_uring_get_sqe(&a->ring), a);
	ret = io_uring_submit(&a->ring);
	if (ret != 1)
		return ret;
	a->is_submitted = true;
	do
		ret = io_uring_wait_cqe(&a->ring, &cqe);
	while (ret == -EINTR);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&a->ring, cqe);
	a->is_submitted = false;
	return ret;
}

static void uring_settle(struct attempt *a)
{
	struct io_uring_cqe *cqe;

	if (a->is_submitted)
		must(io_uring_wait_cqe(&a->ring, &cqe) ? -1 : 0);
}

static void prep_read(struct io_uring_sqe *sqe, struct attempt *a)
{
	io_uring_prep_read(sqe, a->fd, a->buf, LEN, AT);
}

static void prep_write(struct io_uring_sqe *sqe, struct attempt *a)
{
	io_uring_prep_write(sqe, a->fd, a->buf, LEN, AT);
}

static long uring_read(struct attempt *a) { return uring_one(a, prep_read); }
DEFINE_OPERATION(uring_read, .prepare = uring_buffered, .settle = uring_settle, .check = got_old, .ret = LEN,
		 .errnos = { EAGAIN });

static long uring_read_direct(struct attempt *a) { return uring_one(a, prep_read); }
DEFINE_OPERATION(uring_read_direct, .prepare = uring_direct, .settle = uring_settle, .check = got_old, .ret = LEN,
		 .errnos = { EAGAIN });

static long uring_write(struct attempt *a) { return uring_one(a, prep_write); }
DEFINE_OPERATION(uring_write, .prepare = uring_buffered, .settle = uring_settle, .pos = AT, .len = LEN,
		 .counts = true,
		 .ret = LEN, .errnos = { EAGAIN });

static long uring_write_direct(struct attempt *a) { return uring_one(a, prep_write); }
DEFINE_OPERATION(uring_write_direct, .prepare = uring_direct, .settle = uring_settle, .pos = AT, .len = LEN,
		 .counts = true,
		 .ret = LEN, .errnos = { EAGAIN });

/* --- splice ------------------------------------------------------------------ */

static void splices_read(struct attempt *a)
{
	opens_cold(a);
	pipes(a);
}

static long splice_to_pipe(struct attempt *a)
{
	loff_t pos = AT;

	return errno_of(splice(a->fd, &pos, a->pipe[1], NULL, LEN, 0));
}

static const char *pipe_has_old(struct attempt *a, long ret)
{
	if (ret > 0 && read(a->pipe[0], a->buf, ret) != ret)
		return "the pipe has less than was spliced";
	return got_old(a, ret);
}

DEFINE_OPERATION(splice_to_pipe, .prepare = splices_read, .check = pipe_has_old, .ret = LEN);

static long splice_from_pipe(struct attempt *a)
{
	loff_t pos = AT;

	return errno_of(splice(a->pipe[0], NULL, a->fd, &pos, LEN, 0));
}

DEFINE_OPERATION(splice_from_pipe, .prepare = filled_pipe, .pos = AT, .len = LEN, .counts = true, .ret = LEN);

static long sendfile_to_pipe(struct attempt *a)
{
	off_t pos = AT;

	return errno_of(sendfile(a->pipe[1], a->fd, &pos, LEN));
}

DEFINE_OPERATION(sendfile_to_pipe, .prepare = splices_read, .check = pipe_has_old, .ret = LEN);

static void sends(struct attempt *a)
{
	opens_both(a);
	must(lseek(a->fd, AT, SEEK_SET));
}

static long sendfile_to_file(struct attempt *a)
{
	off_t pos = AT;

	return errno_of(sendfile(a->fd, a->fd2, &pos, LEN));
}

DEFINE_OPERATION(sendfile_to_file, .prepare = sends, .needs_g = true, .pos = AT, .len = LEN, .counts = true,
		 .ret = LEN);

/* --- mapping ------------------------------------------------------------------- */

static long map(struct attempt *a, int prot, int flags)
{
	void *p = mmap(NULL, LEN, prot, flags, a->fd, AT);

	if (p == MAP_FAILED)
		return -errno;
	a->map = p;
	return 0;
}

/* A mapping shows the file. */
static const char *map_shows_old(struct attempt *a, long ret)
{
	if (ret)
		return NULL;
	memcpy(a->buf, a->map, LEN);
	return got_old(a, LEN);
}

static long mmap_shared(struct attempt *a) { return map(a, PROT_READ | PROT_WRITE, MAP_SHARED); }
DEFINE_OPERATION(mmap_shared, .prepare = opens_cold, .check = map_shows_old);

static long mmap_private(struct attempt *a) { return map(a, PROT_READ | PROT_WRITE, MAP_PRIVATE); }
DEFINE_OPERATION(mmap_private, .prepare = opens_cold, .check = map_shows_old);

/* Page faults: as a system call, for a fault of ours that failed would be tried for ever. */
static void maps(struct attempt *a)
{
	opens_cold(a);
	must(map(a, PROT_READ | PROT_WRITE, MAP_SHARED) ? -1 : 0);
}

static long fault_read(struct attempt *a) { return errno_of(madvise(a->map, LEN, MADV_POPULATE_READ)); }
DEFINE_OPERATION(fault_read, .prepare = maps, .check = map_shows_old);

static long fault_write(struct attempt *a) { return errno_of(madvise(a->map, LEN, MADV_POPULATE_WRITE)); }
DEFINE_OPERATION(fault_write, .prepare = maps, .check = map_shows_old);

static long unmap(struct attempt *a)
{
	long ret = errno_of(munmap(a->map, LEN));

	if (!ret)
		a->map = NULL;
	return ret;
}

DEFINE_OPERATION(unmap, .prepare = maps);

/* --- watched by a storage manager --------------------------------------------- */

/* Allows everything, until its group is closed. */
static void *allows(void *arg)
{
	struct attempt *a = arg;
	struct fanotify_event_metadata events[64];
	ssize_t n;

	while ((n = read(a->group, events, sizeof(events))) > 0) {
		struct fanotify_event_metadata *event = events;

		for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
			struct fanotify_response answer = { .fd = event->fd, .response = FAN_ALLOW };

			/* Not there any more: the attempt ended without waiting for it. */
			if (write(a->group, &answer, sizeof(answer)) < 0 && errno != ENOENT)
				must(-1);
			close(event->fd);
		}
	}
	return NULL;
}

static void watched(struct attempt *a)
{
	a->group = must(fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDWR));
	must(fanotify_mark(a->group, FAN_MARK_ADD, FAN_PRE_ACCESS, a->under, "f"));
	drop_pages(a);
	must(pthread_create(&a->manager, NULL, allows, a) ? -1 : 0);
	opens_write(a);
}

static void unwatched(struct attempt *a)
{
	must(pthread_cancel(a->manager) ? -1 : 0);
	must(pthread_join(a->manager, NULL) ? -1 : 0);
	close(a->group);
	a->group = -1;
}

static long watched_read(struct attempt *a) { return errno_of(pread(a->fd, a->buf, LEN, AT)); }
DEFINE_OPERATION(watched_read, .watched = true, .prepare = watched, .settle = unwatched,
		 .check = got_old, .ret = LEN, .errnos = { EPERM });

static void watched_writes(struct attempt *a)
{
	watched(a);
	fill_with(a->buf, LEN, AT, NEW);
}

static long watched_write(struct attempt *a) { return write_new(a); }
DEFINE_OPERATION(watched_write, .watched = true, .prepare = watched_writes, .settle = unwatched, .pos = AT, .len = LEN,
		 .counts = true, .ret = LEN, .errnos = { EPERM });

static void watched_splices(struct attempt *a)
{
	filled_pipe(a);
	close(a->fd);
	watched(a);
}

static long watched_splice(struct attempt *a) { return splice_from_pipe(a); }
DEFINE_OPERATION(watched_splice, .watched = true, .prepare = watched_splices, .settle = unwatched, .pos = AT,
		 .len = LEN, .counts = true, .ret = LEN, .errnos = { EPERM });

/* Maps, which closes the mapping, and has it opened by the work on the way back and by faults. */
static long watched_mmap(struct attempt *a)
{
	long ret = map(a, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (ret)
		return ret;
	/* Into the mapping, from the process: as any other access */
	return errno_of(madvise(a->map, LEN, MADV_POPULATE_READ));
}

DEFINE_OPERATION(watched_mmap, .watched = true, .prepare = watched, .settle = unwatched, .errnos = { EPERM });

static long watched_truncate(struct attempt *a) { return errno_of(ftruncate(a->fd, AT)); }
DEFINE_OPERATION(watched_truncate, .watched = true, .prepare = watched, .settle = unwatched, .resizes = true,
		 .size = AT, .errnos = { EPERM });

/* --- the rest ------------------------------------------------------------------- */

static long seek_hole(struct attempt *a) { return errno_of(lseek(a->fd, AT, SEEK_HOLE)); }
DEFINE_OPERATION(seek_hole, .prepare = opens_read, .ret = SIZE);

static long seek_data(struct attempt *a) { return errno_of(lseek(a->fd, AT, SEEK_DATA)); }
DEFINE_OPERATION(seek_data, .prepare = opens_read, .ret = AT);

/* There is something to write back. */
static void dirty(struct attempt *a)
{
	writes(a);
	must(write_new(a) == LEN ? 0 : -1);
}

static long sync_file(struct attempt *a) { return errno_of(fsync(a->fd)); }
DEFINE_OPERATION(sync_file, .prepare = dirty, .pos = AT, .len = LEN);

static long sync_data(struct attempt *a) { return errno_of(fdatasync(a->fd)); }
DEFINE_OPERATION(sync_data, .prepare = dirty, .pos = AT, .len = LEN);

static long sync_fs(struct attempt *a) { return errno_of(syncfs(a->fd)); }
DEFINE_OPERATION(sync_fs, .prepare = dirty, .pos = AT, .len = LEN);

static long close_dirty(struct attempt *a)
{
	long ret = errno_of(close(a->fd));

	a->fd = -1;
	return ret;
}

DEFINE_OPERATION(close_dirty, .prepare = dirty, .pos = AT, .len = LEN);

static long allocate(struct attempt *a) { return errno_of(fallocate(a->fd, 0, SIZE, LEN)); }
DEFINE_OPERATION(allocate, .prepare = opens_write, .pos = SIZE, .len = LEN,
		 .resizes = true, .size = SIZE + LEN, .zeroes = true);

static long punch_hole(struct attempt *a)
{
	return errno_of(fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT, LEN));
}

DEFINE_OPERATION(punch_hole, .prepare = opens_write, .pos = AT, .len = LEN, .zeroes = true);

static long truncate_fd(struct attempt *a) { return errno_of(ftruncate(a->fd, AT)); }
DEFINE_OPERATION(truncate_fd, .prepare = opens_write, .resizes = true, .size = AT);

static long truncate_path(struct attempt *a) { return errno_of(truncate(a->path, AT)); }
static void names_f(struct attempt *a) { strcat(a->path, "/f"); }
DEFINE_OPERATION(truncate_path, .prepare = names_f, .resizes = true, .size = AT);

static long extend(struct attempt *a) { return errno_of(ftruncate(a->fd, SIZE + LEN)); }
DEFINE_OPERATION(extend, .prepare = opens_write, .resizes = true, .size = SIZE + LEN);

static long advise(struct attempt *a) { return -posix_fadvise(a->fd, AT, LEN, POSIX_FADV_WILLNEED); }
DEFINE_OPERATION(advise, .prepare = opens_cold);

static long read_ahead(struct attempt *a) { return errno_of(readahead(a->fd, AT, LEN)); }
DEFINE_OPERATION(read_ahead, .prepare = opens_cold);

static long copy_range(struct attempt *a)
{
	loff_t from = AT, to = AT;

	return errno_of(copy_file_range(a->fd2, &from, a->fd, &to, LEN, 0));
}

DEFINE_OPERATION(copy_range, .prepare = opens_both, .needs_g = true, .pos = AT, .len = LEN, .counts = true,
		 .ret = LEN);

static long clone_range(struct attempt *a)
{
	struct file_clone_range range = { .src_fd = a->fd2, .src_offset = AT, .src_length = LEN, .dest_offset = AT };

	return errno_of(ioctl(a->fd, FICLONERANGE, &range));
}

DEFINE_OPERATION(clone_range, .prepare = opens_both, .needs_g = true, .pos = AT, .len = LEN);

/* f's bytes are in the pages that are to be shared already. */
static void same_content(struct attempt *a)
{
	char *bytes = a->buf;
	int fd = must(openat(a->under, "g", O_WRONLY));

	fill_with(bytes, LEN, AT, OLD);
	must(pwrite(fd, bytes, LEN, AT) == LEN ? 0 : -1);
	close(fd);
	opens_both(a);
}

static long dedupe_range(struct attempt *a)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = {
		.range = { .src_offset = AT, .src_length = LEN, .dest_count = 1 },
		.info = { .dest_fd = a->fd, .dest_offset = AT },
	};
	long ret = errno_of(ioctl(a->fd2, FIDEDUPERANGE, &arg));

	return ret ?: arg.info.status < 0 ? arg.info.status : (long)arg.info.bytes_deduped;
}

DEFINE_OPERATION(dedupe_range, .prepare = same_content, .needs_g = true, .ret = LEN);
