// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into the kernel's selftests, which mount a tmpfs wherever they need a filesystem: they get a passfs
 * over a new folder of BF_INSTEAD instead, one that overlayfs takes for its upper layer. What would be refused to
 * them, in a user namespace, stays a tmpfs. Each mount is a byte in BF_INSTEAD/.passfs or BF_INSTEAD/.tmpfs, so
 * that it is known what was tested. Without BF_INSTEAD nothing is exchanged. Either way none sleeps for longer than
 * BF_LONGEST seconds: one would go on for a quarter of an hour.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* MS_REMOUNT, MS_BIND, MS_MOVE and changes of propagation have no filesystem type to exchange. */
#define NO_NEW_MOUNT (0x20 | 0x1000 | 0x2000 | 0x20000 | 0x40000 | 0x80000 | 0x100000)

static int base = -1, context = -1;
static mode_t context_mode;
static long (*real)(long number, ...);

__attribute__((constructor)) static void prepare(void)
{
	real = dlsym(RTLD_NEXT, "syscall");
	if (getenv("BF_INSTEAD"))
		base = open(getenv("BF_INSTEAD"), O_PATH | O_CLOEXEC);
	/* Programs count their descriptors from 3 */
	if (base >= 0) {
		int high = fcntl(base, F_DUPFD_CLOEXEC, 900);

		close(base);
		base = high;
	}
}

static void count(const char *what)
{
	int fd = openat(base, what, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), ignored;

	ignored = write(fd, "x", 1);
	(void)ignored;
	close(fd);
}

/*
 * Who mounts a passfs lends it the privileges that he has then. A tmpfs needs none: so that it makes no difference that
 * some programs put theirs down, all that may be taken up again are, until saved ones are given back.
 */
static void all_privileges(struct __user_cap_data_struct *saved)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[2];
	int i;

	real(SYS_capget, &header, saved);
	for (i = 0; i < 2; i++) {
		all[i] = saved[i];
		all[i].effective = all[i].permitted;
	}
	real(SYS_capset, &header, all);
}

static void give_back(struct __user_cap_data_struct *saved)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	int err = errno;

	real(SYS_capset, &header, saved);
	errno = err;
}

/* A new folder becomes the current one, which is the source: its name need not be known where the program is. */
static int enter_folder(mode_t mode)
{
	int here = open(".", O_PATH | O_CLOEXEC);
	static int number;
	char name[32];

	snprintf(name, sizeof(name), "%d.%d", getpid(), number++);
	if (here < 0 || base < 0 || mkdirat(base, name, 0700) || fchmodat(base, name, mode, 0) || fchdir(base) ||
	    chdir(name)) {
		if (here >= 0) {
			real(SYS_fchdir, here);
			close(here);
		}
		return -1;
	}
	return here;
}

static void leave_folder(int here)
{
	int saved = errno;

	fchdir(here) ? abort() : close(here);
	errno = saved;
}

static mode_t mode_in(const char *options)
{
	const char *mode = options ? strstr(options, "mode=") : NULL;

	return mode ? strtol(mode + 5, NULL, 8) : 01777;
}

/* Where passfs cannot be mounted. */
static bool in_user_namespace(void)
{
	unsigned int inside = 0, outside = 0, length = -1;
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f) {
		if (fscanf(f, "%u %u %u", &inside, &outside, &length) != 3)
			length = 0;
		fclose(f);
	}
	return inside || outside || length != -1U;
}

static bool to_exchange(const char *type)
{
	if (base < 0 || !type || strcmp(type, "tmpfs"))
		return false;
	if (!in_user_namespace())
		return true;
	count(".tmpfs");
	return false;
}

static long make_mount(const char *source, const char *target, const char *type, unsigned long flags,
		       const char *options)
{
	char path[4096];
	int here;

	if (flags & NO_NEW_MOUNT || !to_exchange(type))
		return real(SYS_mount, source, target, type, flags, options);
	/* Relative to where the program is */
	if (realpath(target, path)) {
		here = enter_folder(mode_in(options));
		if (here >= 0) {
			struct __user_cap_data_struct saved[2];
			long ret;

			all_privileges(saved);
			ret = real(SYS_mount, ".", path, "passfs", flags, "overlay_upper");
			give_back(saved);
			leave_folder(here);
			if (!ret) {
				count(".passfs");
				return 0;
			}
		}
	}
	count(".tmpfs");
	return real(SYS_mount, source, target, type, flags, options);
}

static long open_context(const char *type, unsigned int flags)
{
	int fd;

	if (to_exchange(type)) {
		fd = real(SYS_fsopen, "passfs", flags);
		if (fd >= 0) {
			context = fd;
			context_mode = 01777;
			return fd;
		}
	}
	return real(SYS_fsopen, type, flags);
}

static long configure(int fd, unsigned int cmd, const char *key, const char *value, int aux)
{
	static const char * const known = " source size mode nr_inodes uid gid huge ";
	struct __user_cap_data_struct saved[2];
	char word[64];
	long ret;
	int here;

	if (fd != context)
		return real(SYS_fsconfig, fd, cmd, key, value, aux);
	if (cmd == FSCONFIG_SET_STRING && key && value) {
		snprintf(word, sizeof(word), " %.32s ", key);
		if (strstr(known, word)) {
			if (!strcmp(key, "mode"))
				context_mode = strtol(value, NULL, 8);
			return 0;
		}
	}
	if (cmd != FSCONFIG_CMD_CREATE && cmd != FSCONFIG_CMD_CREATE_EXCL)
		return real(SYS_fsconfig, fd, cmd, key, value, aux);
	here = enter_folder(context_mode);
	if (here >= 0) {
		real(SYS_fsconfig, fd, FSCONFIG_SET_STRING, "source", ".", 0);
		real(SYS_fsconfig, fd, FSCONFIG_SET_FLAG, "overlay_upper", NULL, 0);
		all_privileges(saved);
		ret = real(SYS_fsconfig, fd, cmd, key, value, aux);
		give_back(saved);
		leave_folder(here);
		context = -1;
		if (!ret)
			count(".passfs");
		return ret;
	}
	return real(SYS_fsconfig, fd, cmd, key, value, aux);
}

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *options)
{
	return make_mount(source, target, type, flags, options);
}

int fsopen(const char *type, unsigned int flags)
{
	return open_context(type, flags);
}

int fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return configure(fd, cmd, key, value, aux);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
	struct timespec most = { .tv_sec = atoi(getenv("BF_LONGEST") ?: "60") };

	if (!flags && wanted->tv_sec > most.tv_sec)
		wanted = &most;
	return real(SYS_clock_nanosleep, clock, flags, wanted, left) ? errno : 0;
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_mount:
		return make_mount((char *)a[0], (char *)a[1], (char *)a[2], a[3], (char *)a[4]);
	case SYS_fsopen:
		return open_context((char *)a[0], a[1]);
	case SYS_fsconfig:
		return configure(a[0], a[1], (char *)a[2], (char *)a[3], a[4]);
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
