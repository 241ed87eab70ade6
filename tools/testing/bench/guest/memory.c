// SPDX-License-Identifier: GPL-2.0
/*
 * memory LABEL FOLDER: what the kernel keeps for an open file, and for a file it has merely looked at. Prints bytes of
 * slab memory for each, from many: `memory LABEL WHAT BYTES`. FOLDER has files inodes/1 to inodes/10000.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include "bench.h"

#define FEW_FILES 10000
#define MANY_FILES 100000
#define INODES 10000

static long slab_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[100];
	long kib = -1;

	if (!f)
		err(1, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld kB", &kib) == 1)
			break;
	fclose(f);
	if (kib < 0)
		errx(1, "/proc/meminfo has no line 'Slab:'");
	return kib * 1024;
}

/* Forget dentries and inodes that nobody uses. */
static void forget_unused(void)
{
	int f = open("/proc/sys/vm/drop_caches", O_WRONLY);

	sync();
	if (f < 0 || write(f, "2", 1) != 1)
		err(1, "/proc/sys/vm/drop_caches");
	close(f);
}

static void stat_all(void)
{
	struct stat st;
	char name[32];
	int i;

	for (i = 1; i <= INODES; i++) {
		snprintf(name, sizeof(name), "inodes/%d", i);
		if (stat(name, &st))
			err(1, "%s", name);
	}
}

static void prepare_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = MANY_FILES + 100, .rlim_max = MANY_FILES + 100 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
	/* The table of descriptors is not part of it. */
	if (dup2(0, MANY_FILES + 50) < 0)
		err(1, "dup2");
}

static void open_files(int count)
{
	for (; count; count--)
		if (open("inodes/1", O_RDONLY) < 0)
			err(1, "open file");
}

int main(int argc, char **argv)
{
	long before;

	if (argc != 3)
		errx(1, "usage: memory LABEL FOLDER");
	if (chdir(argv[2]))
		err(1, "%s", argv[2]);
	forget_unused();
	before = slab_bytes();
	stat_all();
	printf("memory\t%s\tcached inode\t%ld\n", argv[1], (slab_bytes() - before) / INODES);
	prepare_descriptors();
	before = slab_bytes();
	open_files(FEW_FILES);
	printf("memory\t%s\topen file of %d\t%ld\n", argv[1], FEW_FILES, (slab_bytes() - before) / FEW_FILES);
	open_files(MANY_FILES - FEW_FILES);
	printf("memory\t%s\topen file of %d\t%ld\n", argv[1], MANY_FILES, (slab_bytes() - before) / MANY_FILES);
	return 0;
}
