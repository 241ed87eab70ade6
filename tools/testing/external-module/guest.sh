#!/bin/bash
# In the guest: the module built outside of the tree loads, keeps the library in use, mounts and reads.
# shellcheck source=../vm/guest/tap
. /run/bf/tap
uses_library() { awk '$1 == "backing_file" { print $4 }' /proc/modules | grep -qw tallyfs; }
counted() { dmesg | grep -q 'tallyfs: read 1'; }
written() { echo x 2>/dev/null >/tmp/tally/file; }

echo "### begin tallyfs"
mkdir -p /tmp/tally
echo "what is below" >/backing/lower/file
test_that "loads" insmod /run/bf/tallyfs.ko
test_that "is a user of backing_file" uses_library
test_that "backing_file cannot be unloaded under it" refused rmmod backing_file
test_that "mounts" mount -t tallyfs /backing/lower /tmp/tally
test_that "lists the directory" test "$(ls /tmp/tally)" = file
test_that "reads what is below" cmp /tmp/tally/file /backing/lower/file
test_that "counts the reads" counted
test_that "is read-only" refused written
test_that "unmounts" umount /tmp/tally
test_that "unloads" rmmod tallyfs
plan
echo "### end tallyfs 0"
