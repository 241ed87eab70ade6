#!/bin/bash
# In the guest: the module built outside of the tree loads, keeps the library in use, mounts and reads.
n=0
check() { # NAME COMMAND...
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n $name"; else echo "not ok $n $name"; fi
}
refused() { ! "$@" 2>/dev/null; }
uses_library() { awk '$1 == "backing_file" { print $4 }' /proc/modules | grep -qw tallyfs; }
counted() { dmesg | grep -q 'tallyfs: read 1'; }
written() { echo x 2>/dev/null >/tmp/tally/file; }

echo "### begin tallyfs"
mkdir -p /tmp/tally
echo "what is below" >/backing/lower/file
check "loads" insmod /run/bf/tallyfs.ko
check "is a user of backing_file" uses_library
check "backing_file cannot be unloaded under it" refused rmmod backing_file
check "mounts" mount -t tallyfs /backing/lower /tmp/tally
check "lists the directory" test "$(ls /tmp/tally)" = file
check "reads what is below" cmp /tmp/tally/file /backing/lower/file
check "counts the reads" counted
check "is read-only" refused written
check "unmounts" umount /tmp/tally
check "unloads" rmmod tallyfs
echo "1..$n"
echo "### end tallyfs 0"
