// SPDX-License-Identifier: GPL-2.0
/*
 * storm SECONDS SEED KILLS FOLDER...: tasks that make, change, move and remove the same few names at once.
 *
 * The folders are the same one: a filesystem's, and the stack's on top of it. Each task chooses folder, names and
 * operation by chance. An error is allowed if losing a race explains it; any other ends the storm. KILLS is how many
 * tasks a second are killed, in the middle of whatever they do, and replaced. At the end all folders must show the same
 * names, kinds, sizes and contents. Prints what was done: `N operations, N killed`. On a slow machine it goes on until
 * there were MIN_OPERATIONS: a storm in which nothing happened has shown nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define TASKS 8
#define MAX_FOLDERS 4
#define LENGTH 20000
#define MIN_OPERATIONS 1000

static int folder[MAX_FOLDERS], folders;
/* Shared by all tasks */
static struct totals {
	unsigned long operations;
	int claimed; /* by the task that says what failed */
	int failed;  /* and what failed can be read */
	char what[128];
} *total;

/* What somebody else may have done to the name in the meantime, or to the folder it is in. */
static bool lost_race(int error)
{
	switch (error) {
	case ENOENT:
	case EEXIST:
	case ENOTDIR:
	case EISDIR:
	case ENOTEMPTY:
	case ESTALE:	/* the VFS tries again, but only once */
	case EINVAL:	/* a folder into itself; not a symbolic link */
	case ELOOP:	/* opened, and a symbolic link */
	case EXDEV:	/* not in the same folder any more */
	case EBUSY:
	case EPERM:	/* a link to a folder */
	case ENXIO:	/* a fifo that nobody reads */
	case ENODATA:
	case EMLINK:
		return true;
	}
	return false;
}

static int file_io(int fd, char *buf)
{
	size_t len = 1 + rand() % LENGTH;
	off_t pos = rand() % LENGTH, from = 0;
	void *map;

	switch (rand() % 10) {
	case 0:
	case 1:
		return pwrite(fd, buf, len, pos);
	case 2:
		return pread(fd, buf + LENGTH, len, pos);
	case 3:
		return ftruncate(fd, pos);
	case 4:
		return fallocate(fd, rand() % 2 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0, pos, len);
	case 5:
		return fsync(fd);
	case 6:
		return sendfile(fd, fd, &from, len);
	case 7:
		return copy_file_range(fd, &from, fd, &(off_t){ LENGTH }, len, 0);
	case 8:
		return fsetxattr(fd, "user.storm", buf, 10, 0);
	default:
		/* Not touched: somebody may make the file shorter */
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return -1;
		madvise(map, len, MADV_WILLNEED);
		return munmap(map, len);
	}
}

static int list(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* One operation: -1 and errno if it failed; its name in @what. */
static int operate(const char **what, char *buf)
{
	int at = folder[rand() % folders], to = rand() % 4 ? at : folder[rand() % folders], fd, ret, saved;
	char a[16], b[16], c[32];
	struct stat st;

	snprintf(a, sizeof(a), rand() % 2 ? "%c" : "%c/%c", 'a' + rand() % 6, 'a' + rand() % 4);
	snprintf(b, sizeof(b), rand() % 2 ? "%c" : "%c/%c", 'a' + rand() % 6, 'a' + rand() % 4);
	switch (rand() % 16) {
	case 0:
		*what = "mkdir";
		return mkdirat(at, a, 0755);
	case 1:
		*what = "rmdir";
		return unlinkat(at, a, AT_REMOVEDIR);
	case 2:
		*what = "unlink";
		return unlinkat(at, a, 0);
	case 3:
		*what = "rename";
		return renameat(at, a, at, b);
	case 4:
		*what = "exchange";
		return renameat2(at, a, at, b, RENAME_EXCHANGE);
	case 5:
		*what = "rename, not over another";
		return renameat2(at, a, at, b, RENAME_NOREPLACE);
	case 6:
		*what = "link";
		return linkat(at, a, to, b, 0);
	case 7:
		*what = "symlink";
		return symlinkat(a, at, b);
	case 8:
		*what = "readlink";
		return readlinkat(at, a, c, sizeof(c));
	case 9:
		*what = "mknod";
		return mknodat(at, a, S_IFIFO | 0644, 0);
	case 10:
		*what = "stat";
		return fstatat(at, a, &st, AT_SYMLINK_NOFOLLOW);
	case 11:
		*what = "chmod";
		return fchmodat(at, a, 0700 | rand() % 0100, 0);
	case 12:
		*what = "list";
		return list(at, a);
	case 13:
		*what = "tmpfile";
		fd = openat(at, ".", O_RDWR | O_TMPFILE, 0644);
		if (fd < 0)
			return -1;
		snprintf(c, sizeof(c), "/proc/self/fd/%d", fd);
		ret = file_io(fd, buf) < 0 ? -1 : linkat(AT_FDCWD, c, at, b, AT_SYMLINK_FOLLOW);
		break;
	default:
		*what = "open and use";
		fd = openat(at, a, (rand() % 2 ? O_CREAT : rand() % 4 ? 0 : O_TRUNC) | O_RDWR | O_NONBLOCK, 0644);
		if (fd < 0)
			return -1;
		ret = !fstat(fd, &st) && S_ISREG(st.st_mode) && file_io(fd, buf) < 0 ? -1 : 0;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

static void task(unsigned int seed)
{
	char *buf = calloc(2, LENGTH);
	const char *what = "";

	memset(buf, 'x', LENGTH);
	/* One sequence for a seed, whatever else the program does */
	srand(seed);
	while (!total->failed) {
		if (operate(&what, buf) < 0 && !lost_race(errno)) {
			if (__sync_bool_compare_and_swap(&total->claimed, 0, 1)) {
				snprintf(total->what, sizeof(total->what), "%s: %s", what, strerror(errno));
				__atomic_store_n(&total->failed, 1, __ATOMIC_RELEASE);
			}
			_exit(1);
		}
		__sync_fetch_and_add(&total->operations, 1);
	}
	_exit(0);
}

static pid_t start(unsigned int seed)
{
	pid_t pid = fork();

	if (!pid)
		task(seed);
	return pid;
}

/* Everything below @at in words, into @out */
static void describe(int at, const char *path, FILE *out)
{
	struct dirent **names;
	int n = scandirat(at, ".", &names, NULL, alphasort), i, fd;
	char name[512], buf[4096];
	struct stat st;
	ssize_t got;

	for (i = 0; i < n; i++) {
		const char *e = names[i]->d_name;

		if (!strcmp(e, ".") || !strcmp(e, "..") || fstatat(at, e, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e);
		fprintf(out, "%s %lu %o %ld ", name, (unsigned long)st.st_ino, st.st_mode,
			S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
		if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
			unsigned long sum = 0;

			fd = openat(at, e, O_RDONLY | O_NOFOLLOW);
			if (S_ISDIR(st.st_mode))
				describe(fd, name, out);
			else
				while ((got = read(fd, buf, sizeof(buf))) > 0)
					while (got)
						sum = sum * 31 + buf[--got];
			close(fd);
			fprintf(out, "%lx", sum);
		}
		fprintf(out, "\n");
	}
}

static bool same_everywhere(void)
{
	char *text[MAX_FOLDERS];
	size_t len;
	int i;

	for (i = 0; i < folders; i++) {
		FILE *out = open_memstream(&text[i], &len);

		describe(folder[i], "", out);
		fclose(out);
		if (!strcmp(text[i], text[0]))
			continue;
		printf("the folders differ; the first:\n%sand number %d:\n%s", text[0], i + 1, text[i]);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	int seconds, kills, killed = 0, i, status;
	pid_t pid[TASKS], ended;
	unsigned int seed;
	time_t end;

	if (argc < 5) {
		fprintf(stderr, "usage: storm SECONDS SEED KILLS FOLDER...\n");
		return 2;
	}
	seconds = atoi(argv[1]);
	seed = atoi(argv[2]);
	kills = atoi(argv[3]);
	for (i = 4; i < argc && folders < MAX_FOLDERS; i++) {
		folder[folders] = open(argv[i], O_RDONLY | O_DIRECTORY);
		if (folder[folders++] < 0) {
			perror(argv[i]);
			return 2;
		}
	}
	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < TASKS; i++)
		pid[i] = start(seed++);
	end = time(NULL) + seconds;
	while (!total->failed && (time(NULL) < end || total->operations < MIN_OPERATIONS)) {
		if (!kills) {
			usleep(100000);
			continue;
		}
		usleep(1000000 / kills);
		i = rand() % TASKS;
		kill(pid[i], SIGKILL);
		killed++;
		waitpid(pid[i], &status, 0);
		pid[i] = start(seed++);
	}
	/* By a signal: they may be in the middle of anything, here as well. */
	for (i = 0; i < TASKS; i++)
		kill(pid[i], SIGKILL);
	do {
		ended = wait(&status);
	} while (ended > 0);
	if (total->claimed) {
		printf("failed: %s\n", total->failed ? total->what : "killed before it could say what");
		return 1;
	}
	printf("%lu operations, %d killed\n", total->operations, killed);
	return !same_everywhere();
}
