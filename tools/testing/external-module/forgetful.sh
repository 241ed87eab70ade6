#!/bin/bash
# In the guest: a tallyfs that hides from the VFS that a request was queued does no harm, since the VFS is told by the
# library: the request is completed once, when it has ended, with its own result. The filesystem below (holdfs, see there)
# completes it before, while and after the submission returns.
# shellcheck source=../vm/guest/tap
. /run/bf/tap
knobs=/sys/kernel/debug/holdfs

# The file is full of one byte
read_direct() {
	fio --name=read --filename=/tmp/tally/file --readonly --ioengine=libaio --direct=1 --rw=read --bs=4k --size=4k --output=/dev/null \
		--verify=pattern --verify_pattern=0x5a
}

# completes WHEN HOW: the request is read as it is below; and if it fails there, with the errno from there
completes() {
	local before
	before=$(cat "$knobs/$1")
	echo "$2" >$knobs/how && read_direct && echo $((2 ** 32 - 28)) >$knobs/result || return
	read_direct 2>&1 | grep "No space left" && echo 0 >$knobs/result && (($(cat "$knobs/$1") == before + 2))
}

fill_file() { head -c 4096 /dev/zero | tr '\0' Z >/tmp/below/file; }

# Nobody is told of its end before it has ended.
held() {
	local reader i
	echo 5 >$knobs/how
	read_direct &
	reader=$!
	for ((i = 0; i < 300 && $(cat $knobs/held) == 0; i++)); do sleep 0.1; done
	sleep 1
	kill -0 $reader && (($(cat $knobs/held) == 1)) && echo 1 >$knobs/release && wait $reader
}

# The mistake is there: an error is not the one from below (a number without a sign).
hides_errors() { echo 0 >$knobs/how && echo $((2 ** 32 - 28)) >$knobs/result && read_direct 2>&1 | grep "Input/output error"; }

echo "### begin forgetful"
mkdir -p /tmp/below /tmp/tally
test_that "loads" insmod /run/bf/holdfs.ko
test_that "loads with the mistake" insmod /run/bf/tallyfs.ko
test_that "mounts below" mount -t holdfs none /tmp/below
test_that "has a file" fill_file
test_that "mounts" mount -t tallyfs /tmp/below /tmp/tally
test_that "completed before the submission returns" completes before 1
test_that "completed by the submission" completes within 2
test_that "completed while the submission returns" completes during 3
test_that "completed in an interrupt" completes interrupt 4
test_that "completed long after" held
test_that "the mistake is there" hides_errors
test_that "unmounts" umount /tmp/tally
test_that "unmounts below" umount /tmp/below
test_that "unloads" rmmod tallyfs holdfs
plan
echo "### end forgetful 0"
