// SPDX-License-Identifier: GPL-2.0
/*
 * hsm - a small hierarchical storage manager.
 *
 * It watches a folder of placeholders: sparse files of the right size without content. When a process is about to
 * access one, the kernel asks first (fanotify's FAN_PRE_ACCESS event, with the range of bytes); hsm copies what is
 * missing of that range from a content store, a folder with the same names, and lets the process go on.
 *
 * The folder is on ext4, xfs, btrfs or passfs; processes may use it directly or through a filesystem stacked on it.
 * What was filled stays. Where a file has a hole on purpose is remembered only while hsm runs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Since Linux 6.14; the C library's headers may be older. */
#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#define FAN_ERRNO_SHIFT 24
#define FAN_DENY_ERRNO(err) (FAN_DENY | ((__u32)(err) << FAN_ERRNO_SHIFT))
#define FAN_EVENT_INFO_TYPE_RANGE 6
struct fanotify_event_info_range {
	struct fanotify_event_info_header hdr;
	__u32 pad;
	__u64 offset;
	__u64 count;
};
#endif

/* What is filled at once, and remembered as one: a megabyte costs hardly more to fetch than a page. */
#define CHUNK (1024 * 1024ull)

/* A placeholder that was accessed. */
struct file {
	dev_t dev;
	ino_t ino;
	char name[NAME_MAX + 1];
	bool *filled;			/* one for each chunk */
	size_t chunks;
	off_t size;			/* the smallest it ever had: what was cut off does not come back */
	struct file *next;
};

static const char *folder, *store;
static bool quiet;
static struct file *files;
static struct {
	unsigned long long events, filled, bytes, denied;
} total;

static void die(const char *what, const char *path)
{
	fprintf(stderr, "hsm: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

/* DIR/NAME; a name too long for a path cannot have been looked up. */
static const char *path_in(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Makes a placeholder for each regular file of the store that the folder lacks. */
static void make_placeholders(void)
{
	DIR *dir = opendir(store);
	struct dirent *entry;
	struct stat st;
	int fd;

	if (!dir)
		die("cannot list", store);
	while ((entry = readdir(dir))) {
		if (stat(path_in(store, entry->d_name), &st))
			die("cannot stat", path_in(store, entry->d_name));
		if (!S_ISREG(st.st_mode))
			continue;
		fd = open(path_in(folder, entry->d_name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0 || ftruncate(fd, st.st_size) || close(fd))
			die("cannot make", path_in(folder, entry->d_name));
	}
	closedir(dir);
}

/* Which file an event is about. */
static struct file *file_of(int fd)
{
	char link[64], path[PATH_MAX];
	struct file *f;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return NULL;
	for (f = files; f; f = f->next) {
		if (f->dev == st.st_dev && f->ino == st.st_ino)
			return f;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	f = calloc(1, sizeof(*f));
	if (n < 0 || !f)
		return NULL;
	path[n] = 0;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	snprintf(f->name, sizeof(f->name), "%.*s", NAME_MAX, strrchr(path, '/') + 1);
	f->chunks = (st.st_size + CHUNK - 1) / CHUNK;
	f->filled = calloc(f->chunks + 1, sizeof(*f->filled));
	f->next = files;
	files = f;
	return f;
}

/* Copies a chunk from the store, into the holes only: what is there may have been written since. */
static int fill_chunk(struct file *f, int fd, int from, size_t chunk)
{
	off_t pos = chunk * CHUNK, end = pos + CHUNK, hole, data;
	static char buf[CHUNK];
	ssize_t n;

	if (end > f->size)
		end = f->size;
	while (pos < end) {
		hole = lseek(fd, pos, SEEK_HOLE);
		if (hole < 0)
			return errno;
		if (hole >= end)
			break;
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || data > end)
			data = end;
		n = pread(from, buf, data - hole, hole);
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		errno = 0;
		if (pwrite(fd, buf, n, hole) != n)
			return errno ? errno : EIO;
		total.bytes += n;
		pos = hole + n;
	}
	f->filled[chunk] = true;
	total.filled++;
	return 0;
}

/* Fills a range and counts the chunks; returns 0 or the errno to refuse with. */
static int fill_range(struct file *f, int fd, __u64 offset, __u64 count, unsigned int *chunks)
{
	/* A count of 0 means all that follows: FICLONE, or a new size. */
	size_t chunk = offset / CHUNK, end = count ? (offset + count + CHUNK - 1) / CHUNK : f->chunks;
	int from = -1, err = 0;
	struct stat st;

	if (fstat(fd, &st))
		return errno;
	if (f->size > st.st_size)
		f->size = st.st_size;
	for (; chunk < end && chunk < f->chunks && !err; chunk++) {
		if (f->filled[chunk])
			continue;
		if (from < 0)
			from = open(path_in(store, f->name), O_RDONLY | O_CLOEXEC);
		/* Not one of ours: there is nothing to fill. */
		if (from < 0 && errno == ENOENT)
			break;
		err = from < 0 ? errno : fill_chunk(f, fd, from, chunk);
		if (err)
			fprintf(stderr, "hsm: cannot fill %s/%s: %s\n", folder, f->name, strerror(err));
		else
			++*chunks;
	}
	if (from >= 0)
		close(from);
	return err;
}

/* The kernel passes on only some errors. */
static __u32 response_to(int err)
{
	switch (err) {
	case 0:
		return FAN_ALLOW;
	case ENOSPC:
	case EDQUOT:
	case EAGAIN:
	case EBUSY:
		return FAN_DENY_ERRNO(err);
	default:
		return FAN_DENY_ERRNO(EIO);
	}
}

static void handle(int fan, const struct fanotify_event_metadata *event)
{
	const struct fanotify_event_info_range *range = (const void *)(event + 1);
	struct fanotify_response response = { .fd = event->fd, .response = FAN_ALLOW };
	unsigned int chunks = 0;
	__u64 offset = 0, count = 0;
	struct file *f;
	int err = EIO;

	if (event->event_len >= sizeof(*event) + sizeof(*range) && range->hdr.info_type == FAN_EVENT_INFO_TYPE_RANGE) {
		offset = range->offset;
		count = range->count;
	}
	f = file_of(event->fd);
	if (f && f->filled)
		err = fill_range(f, event->fd, offset, count, &chunks);
	total.events++;
	total.denied += err != 0;
	response.response = response_to(err);
	if (!quiet) {
		printf("%s: pid %d, bytes %llu to %llu: ", f ? f->name : "?", event->pid, (unsigned long long)offset,
		       (unsigned long long)(offset + count));
		if (err)
			printf("refused: %s\n", strerror(err));
		else if (chunks)
			printf("filled %u chunk%s\n", chunks, chunks == 1 ? "" : "s");
		else
			printf("is there\n");
		fflush(stdout);
	}
	if (write(fan, &response, sizeof(response)) != sizeof(response))
		fprintf(stderr, "hsm: cannot answer about %s: %s\n", f ? f->name : "a file", strerror(errno));
	close(event->fd);
}

/* Until one of the signals comes. */
static void serve(int fan, int signals)
{
	union {
		struct fanotify_event_metadata event;
		char bytes[4096];
	} buf;
	struct pollfd p[2] = { { .fd = fan, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	const struct fanotify_event_metadata *event;
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			die("cannot wait for events of", folder);
		if (p[1].revents)
			return;
		n = read(fan, &buf, sizeof(buf));
		/* A file that cannot be opened for us: the kernel has refused the access. */
		if (n < 0 && errno != EAGAIN)
			fprintf(stderr, "hsm: an event in %s: %s\n", folder, strerror(errno));
		for (event = &buf.event; n > 0 && FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
			if (event->fd >= 0)
				handle(fan, event);
		}
	}
}

static void usage(FILE *to)
{
	fputs("Usage: hsm [OPTION]... FOLDER STORE\n"
	      "Fills the files in FOLDER from the files of the same names in STORE, just before they are accessed.\n\n"
	      "  -c, --create    make a placeholder in FOLDER for each file of STORE that it lacks\n"
	      "  -q, --quiet     do not print each access\n"
	      "  -r, --ready FD  close the descriptor FD when FOLDER is being watched\n"
	      "  -h, --help      this text\n\n"
	      "Runs until it gets SIGINT or SIGTERM, then prints a summary. Only root may watch a filesystem.\n", to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "create", no_argument, NULL, 'c' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "ready", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ },
	};
	int opt, fan, ready = -1;
	bool create = false;
	sigset_t ends;

	while ((opt = getopt_long(argc, argv, "cqr:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			create = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'r':
			ready = atoi(optarg);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (argc - optind != 2) {
		usage(stderr);
		return 2;
	}
	folder = argv[optind];
	store = argv[optind + 1];
	if (access(store, R_OK | X_OK))
		die("cannot read", store);
	if (create)
		make_placeholders();

	fan = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDWR | O_LARGEFILE | O_CLOEXEC);
	if (fan < 0)
		die("no pre-content events for", folder);
	if (fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_PRE_ACCESS | FAN_EVENT_ON_CHILD, AT_FDCWD,
			  folder))
		die("cannot watch", folder);
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (ready >= 0)
		close(ready);
	serve(fan, signalfd(-1, &ends, SFD_CLOEXEC));
	/* Who still waits goes on when the group ends. */
	close(fan);
	printf("%llu accesses, %llu chunks filled (%llu bytes), %llu refused\n", total.events, total.filled,
	       total.bytes, total.denied);
	return 0;
}
