#!/bin/bash
# In the guest: the module built outside of the tree loads, keeps the library in use, mounts and reads.
# shellcheck source=../vm/guest/tap
. /run/bf/tap
uses_library() { awk '$1 == "backing_file" { print $4 }' /proc/modules | grep -qw tallyfs; }
# Each file's reads are counted by themselves.
reads() { head -c 4 "/tmp/tally/$1" >/dev/null; }
three_reads() { reads file && reads second && reads file; }
said() { dmesg | grep -q "tallyfs: $1\$"; }
counted() { said "inode $file: read 2" && said "inode $second: read 1" && ! said "inode $second: read 2" && said "3 reads in all"; }
walk_and_forget() {
	local i
	for ((i = 0; i < 300; i++)); do stat /tmp/tally/file /tmp/tally/second >/dev/null || return; done &
	for ((i = 0; i < 30; i++)); do echo 2 >/proc/sys/vm/drop_caches; done
	wait $!
}
written() { echo x 2>/dev/null >/tmp/tally/file; }

echo "### begin tallyfs"
mkdir -p /tmp/tally
echo "what is below" >/backing/lower/file
echo "and another" >/backing/lower/second
file=$(stat -c %i /backing/lower/file) second=$(stat -c %i /backing/lower/second)
test_that "loads" insmod /run/bf/tallyfs.ko
test_that "is a user of backing_file" uses_library
test_that "backing_file cannot be unloaded under it" refused rmmod backing_file
test_that "mounts" mount -t tallyfs /backing/lower /tmp/tally
test_that "lists the directory" test "$(ls /tmp/tally)" = $'file\nsecond'
test_that "reads" three_reads
test_that "counts the reads" counted
test_that "reads what is below" cmp /tmp/tally/file /backing/lower/file
test_that "names walked while inodes are forgotten" walk_and_forget
test_that "is read-only" refused written
test_that "unmounts" umount /tmp/tally
test_that "unloads" rmmod tallyfs
plan
echo "### end tallyfs 0"
