// SPDX-License-Identifier: GPL-2.0
/* What holds after any operation of the fault sweep, whichever place failed. */
#include "kselftest.h"
#include "sweep.h"

bool there(int at, const char *name)
{
	struct stat st;

	return !fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW);
}

/* Every name is the same file, with the same attributes, through the stack and below. */
const char *names_agree(struct attempt *a, const struct operation *op)
{
	const char *const names[] = {
		"f", "dir", "sym", "cold", ".", op->makes ?: "nothing", op->removes ?: "nothing",
	};
	static char why[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat here = {}, below = {};
		int x = fstatat(a->dir, names[i], &here, AT_SYMLINK_NOFOLLOW) ? errno : 0;
		int y = fstatat(a->under, names[i], &below, AT_SYMLINK_NOFOLLOW) ? errno : 0;

		if (x == y && (x || (here.st_ino == below.st_ino && here.st_mode == below.st_mode &&
				     here.st_nlink == below.st_nlink && here.st_uid == below.st_uid &&
				     here.st_gid == below.st_gid && here.st_size == below.st_size &&
				     here.st_mtim.tv_sec == below.st_mtim.tv_sec &&
				     here.st_mtim.tv_nsec == below.st_mtim.tv_nsec)))
			continue;
		snprintf(why, sizeof(why), "%s is another file below (errno %d, %d)", names[i], x, y);
		return why;
	}
	return NULL;
}

/* Byte @at of f, as it was or as the operation makes it; @sure: it was counted as new. */
static bool byte_is_right(const struct operation *op, off_t at, unsigned char found, bool sure)
{
	bool within = at >= op->pos && at < op->pos + op->len;
	unsigned char new = op->zeroes ? 0 : byte(at, NEW);

	if (!within)
		return found == (at < (off_t)SIZE ? byte(at, OLD) : 0);
	return found == new || (!sure && found == (at < (off_t)SIZE ? byte(at, OLD) : 0));
}

/* f is the same through the stack and below: its size, with its content twice in the buffer, or -1. */
ssize_t read_both(struct attempt *a)
{
	char *here = a->buf, *below = a->buf + BUF_SIZE / 2;
	int fd = openat(a->dir, "f", O_RDONLY), under = must(openat(a->under, "f", O_RDONLY));
	ssize_t size = fd < 0 ? -1 : read(fd, here, BUF_SIZE / 2);
	bool same = size == must(read(under, below, BUF_SIZE / 2)) && !memcmp(here, below, size);

	if (fd >= 0)
		close(fd);
	close(under);
	return same ? size : -1;
}

static const char *content_is_right(struct attempt *a, const struct operation *op, long ret)
{
	ssize_t size = read_both(a);
	off_t i, done;
	bool grows = op->resizes && op->size > (off_t)SIZE;

	if (size < 0)
		return "f has another content below";
	if (ret >= 0 && op->resizes && size != (op->counts ? op->pos + ret : op->size))
		return "f has not the size that the operation said";
	if (size != (off_t)SIZE && !(op->resizes && size == op->size) &&
	    !(grows && size > (off_t)SIZE && size < op->size))
		return "f has a wrong size";
	done = op->counts ? (ret > 0 ? ret : 0) : ret >= 0 ? op->len : 0;
	for (i = 0; i < size; i++)
		if (!byte_is_right(op, i, a->buf[i], i >= op->pos && i < op->pos + done))
			return "f has wrong bytes";
	return NULL;
}

/* The mount does its work. */
const char *works_on(struct attempt *a)
{
	char text[8] = "";
	int fd = openat(a->dir, "probe", O_RDWR | O_CREAT | O_EXCL, 0644), under;

	if (fd < 0 || write(fd, "probe", 5) != 5 || close(fd))
		return "nothing can be made and written any more";
	under = must(openat(a->under, "probe", O_RDONLY));
	if (read(under, text, 8) != 5 || strcmp(text, "probe"))
		return "what is written does not get below any more";
	close(under);
	return unlinkat(a->dir, "probe", 0) ? "nothing can be removed any more" : NULL;
}

bool errno_is_right(const struct operation *op, long ret)
{
	int i;

	for (i = 0; i < MAX_ERRNOS; i++)
		if (op->errnos[i] && ret == -op->errnos[i])
			return true;
	return ret == -ENOMEM || ret == -EFAULT;
}

static const char *result_is_right(const struct operation *op, long ret, bool injected)
{
	if (injected || ret == op->ret || (op->ret >= 0 && ret > op->ret))
		return NULL;
	return "it failed without a fault";
}

static const char *names_are_right(struct attempt *a, const struct operation *op, long ret, unsigned int *half_done)
{
	bool made = op->makes && there(a->under, op->makes), left = op->removes && there(a->under, op->removes);

	if (ret >= 0 && op->makes && !made)
		return "it made nothing and said it did";
	if (ret >= 0 && op->removes && left)
		return "it removed nothing and said it did";
	if (op->makes && op->removes && made == left)
		return "it renamed to both or none";
	if (ret >= 0 || (!made && (!op->removes || left)))
		return NULL;
	++*half_done;
	return op->in_two_steps ? NULL : "it failed, and had been done all the same";
}

const char *all_is_right(struct attempt *a, const struct operation *op, long ret, bool injected,
			 unsigned int *half_done)
{
	const char *wrong = result_is_right(op, ret, injected);

	wrong = wrong ?: op->check ? op->check(a, ret) : NULL;
	wrong = wrong ?: names_are_right(a, op, ret, half_done);
	wrong = wrong ?: names_agree(a, op);
	wrong = wrong ?: content_is_right(a, op, ret);
	return wrong ?: works_on(a);
}
