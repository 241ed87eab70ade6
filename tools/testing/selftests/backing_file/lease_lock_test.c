// SPDX-License-Identifier: GPL-2.0
/*
 * Promises of leases and locks: they work between users of the stack as between users of any filesystem; closing lets
 * go of them; users of the path below are not concerned.
 */
#include <signal.h>
#include <sys/file.h>
#include "kselftest_harness.h"
#include "place.h"

PLACES(lease_lock);

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock lk = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return errno_of(fcntl(fd, cmd, &lk));
}

/* The same by another process, which ends: 0 or the errno. */
#define by_other(call) \
({ \
	pid_t __pid = fork(); \
	int __status; \
	\
	if (!__pid) \
		_exit(-(call)); \
	waitpid(__pid, &__status, 0); \
	WIFEXITED(__status) ? -WEXITSTATUS(__status) : 1; \
})

TEST_F(lease_lock, posix)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 5 };
	pid_t pid = getpid(), child;
	int fd, other, status;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	other = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, lock(fd, F_SETLK, F_WRLCK, 10, 20));
	EXPECT_EQ(-EAGAIN, by_other(lock(other, F_SETLK, F_RDLCK, 0, 11)));
	EXPECT_EQ(0, by_other(lock(other, F_SETLK, F_WRLCK, 30, 10)));
	EXPECT_EQ(0, by_other(lock(other, F_SETLK, F_WRLCK, 0, 10)));
	child = fork();
	if (!child) {
		if (fcntl(other, F_GETLK, &lk))
			_exit(1);
		_exit(lk.l_type != F_WRLCK || lk.l_pid != pid || lk.l_start != 10 || lk.l_len != 20);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("F_GETLK tells who has it");
	/* Part of it let go */
	ASSERT_EQ(0, lock(fd, F_SETLK, F_UNLCK, 15, 5));
	EXPECT_EQ(0, by_other(lock(other, F_SETLK, F_WRLCK, 15, 5)));
	EXPECT_EQ(-EAGAIN, by_other(lock(other, F_SETLK, F_WRLCK, 20, 1)));
	EXPECT_EQ(-EBADF, lock(must_open(self->dir, "f", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
}

/* Closing any descriptor of the file lets go of the process' locks. */
TEST_F(lease_lock, posix_close)
{
	int fd, other;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	other = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	EXPECT_EQ(-EAGAIN, by_other(lock(other, F_SETLK, F_WRLCK, 0, 0)));
	ASSERT_EQ(0, close(must_open(self->dir, "f", O_RDONLY)));
	EXPECT_EQ(0, by_other(lock(other, F_SETLK, F_WRLCK, 0, 0)));
}

TEST_F(lease_lock, posix_wait)
{
	int fd, ready[2];
	char c = 0;
	pid_t pid;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		lock(fd, F_SETLK, F_WRLCK, 0, 0);
		write(ready[1], "x", 1);
		usleep(200000);
		pwrite(fd, "done", 4, 0);
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, lock(fd, F_SETLKW, F_WRLCK, 0, 0));
	ASSERT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ('d', c) TH_LOG("it waited for the other to end");
	waitpid(pid, NULL, 0);
}

TEST_F(lease_lock, ofd)
{
	int fd, other, again;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	other = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, lock(fd, F_OFD_SETLK, F_WRLCK, 0, 100));
	EXPECT_EQ(-EAGAIN, lock(other, F_OFD_SETLK, F_WRLCK, 50, 100));
	EXPECT_EQ(-EAGAIN, lock(other, F_SETLK, F_WRLCK, 50, 100)) TH_LOG("the two kinds see each other");
	again = dup(fd);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EAGAIN, lock(other, F_OFD_SETLK, F_WRLCK, 50, 100)) TH_LOG("it is the open file's");
	ASSERT_EQ(0, close(again));
	EXPECT_EQ(0, lock(other, F_OFD_SETLK, F_WRLCK, 50, 100));
}

TEST_F(lease_lock, whole_file)
{
	int fd, other;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	other = must_open(self->dir, "f", O_RDWR);
	ASSERT_EQ(0, flock(fd, LOCK_SH));
	EXPECT_EQ(0, flock(other, LOCK_SH | LOCK_NB));
	EXPECT_EQ(-EWOULDBLOCK, errno_of(flock(other, LOCK_EX | LOCK_NB)));
	ASSERT_EQ(0, flock(fd, LOCK_UN));
	EXPECT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
	EXPECT_EQ(-EWOULDBLOCK, errno_of(flock(fd, LOCK_SH | LOCK_NB)));
	ASSERT_EQ(0, close(other));
	EXPECT_EQ(0, flock(fd, LOCK_EX | LOCK_NB));
	EXPECT_EQ(0, flock(self->dir, LOCK_EX | LOCK_NB)) TH_LOG("folders too");
}

/* README: locks are those of the stack. */
TEST_F(lease_lock, not_seen_below)
{
	int fd, below;

	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	below = must_open(self->under, "f", O_RDWR);
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	EXPECT_EQ(variant->layers ? 0 : -EWOULDBLOCK, errno_of(flock(below, LOCK_EX | LOCK_NB)));
	ASSERT_EQ(0, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	EXPECT_EQ(variant->layers ? 0 : -EAGAIN, by_other(lock(below, F_SETLK, F_WRLCK, 0, 0)));
}

static sig_atomic_t broken;

static void on_break(int sig)
{
	broken = 1;
}

/* A reader's lease is broken by who opens to write; the opener waits until it is given up. */
TEST_F(lease_lock, read_lease)
{
	int fd, status, i;
	pid_t pid;

	broken = 0;
	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDONLY);
	signal(SIGIO, on_break);
	EXPECT_EQ(F_UNLCK, fcntl(fd, F_GETLEASE));
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_RDLCK)) TH_LOG("%m");
	EXPECT_EQ(F_RDLCK, fcntl(fd, F_GETLEASE));
	EXPECT_EQ(0, by_other(errno_of(close(openat(self->dir, "f", O_RDONLY)))));
	EXPECT_EQ(0, broken);
	EXPECT_EQ(-EWOULDBLOCK, by_other(errno_of(openat(self->dir, "f", O_WRONLY | O_NONBLOCK))));
	EXPECT_EQ(1, broken);

	pid = fork();
	if (!pid)
		_exit(openat(self->dir, "f", O_WRONLY) < 0);
	for (i = 0; i < 5; i++) {
		usleep(50000);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG)) TH_LOG("it waits");
	}
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(F_UNLCK, fcntl(fd, F_GETLEASE));
}

TEST_F(lease_lock, write_lease)
{
	int fd, other;

	broken = 0;
	signal(SIGIO, on_break);
	make_file(_metadata, self->dir, "f", 1000, 1);
	fd = must_open(self->dir, "f", O_RDWR);
	EXPECT_EQ(-EAGAIN, errno_of(fcntl(fd, F_SETLEASE, F_RDLCK))) TH_LOG("it is open for writing");
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_WRLCK)) TH_LOG("%m");
	EXPECT_EQ(-EWOULDBLOCK, by_other(errno_of(openat(self->dir, "f", O_RDONLY | O_NONBLOCK))));
	EXPECT_EQ(1, broken);
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	other = must_open(self->dir, "f", O_RDONLY);
	EXPECT_EQ(-EAGAIN, errno_of(fcntl(fd, F_SETLEASE, F_WRLCK))) TH_LOG("somebody else has it open");
	ASSERT_EQ(0, close(other));
	EXPECT_EQ(0, fcntl(fd, F_SETLEASE, F_WRLCK));
	ASSERT_EQ(0, close(fd));
	must_open(self->dir, "f", O_RDWR | O_NONBLOCK);
}

/* Truncating by name breaks a lease as opening does. */
TEST_F(lease_lock, truncate_breaks)
{
	char path[PATH_MAX];
	int fd;

	broken = 0;
	signal(SIGIO, on_break);
	make_file(_metadata, self->dir, "f", 1000, 1);
	snprintf(path, sizeof(path), "%.4000s/f", self->place.path);
	fd = must_open(self->dir, "f", O_RDONLY);
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(-EWOULDBLOCK, by_other(errno_of(openat(self->dir, "f", O_RDWR | O_TRUNC | O_NONBLOCK))));
	EXPECT_EQ(1, broken);
	EXPECT_EQ(1000, size_of(self->under, "f"));
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	EXPECT_EQ(0, truncate(path, 10));
	EXPECT_EQ(-EINVAL, errno_of(fcntl(self->dir, F_SETLEASE, F_RDLCK))) TH_LOG("folders have none");
}

TEST_HARNESS_MAIN
