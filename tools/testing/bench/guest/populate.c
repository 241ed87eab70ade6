// SPDX-License-Identifier: GPL-2.0
/* populate FOLDER: what ops_scale.c and memory.c look at: folders with 10 to 100 000 names, and 10 000 files. */
#include <sys/stat.h>
#include "bench.h"

static void make_folder(const char *name)
{
	if (mkdir(name, 0755) || chdir(name))
		err(1, "%s", name);
}

static void make_file(const char *name)
{
	int f = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (f < 0)
		err(1, "%s", name);
	close(f);
}

/* Names for one file: it is their number that matters. */
static void make_names(int count)
{
	char name[32];
	int i;

	snprintf(name, sizeof(name), "scale-%d", count);
	make_folder(name);
	make_file("1");
	for (i = 2; i <= count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (link("1", name))
			err(1, "%s", name);
	}
	want(chdir(".."), 0);
}

static void make_inodes(int count)
{
	char name[32];
	int i;

	make_folder("inodes");
	for (i = 1; i <= count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make_file(name);
	}
	want(chdir(".."), 0);
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]))
		err(1, "usage: populate FOLDER");
	make_names(10);
	make_names(1000);
	make_names(100000);
	make_inodes(10000);
	return 0;
}
