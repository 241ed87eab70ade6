#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promises of the modules: passfs does not load without backing_file and says so; both unload when nothing is mounted,
# again and again; a mount keeps them. Leaves things as it found them: both loaded, passfs mounted.
lower=${BF_BACKING:-/backing/lower}
stack=${BF_STACK:-/mnt}
ko=/run/bf
# shellcheck source=../../vm/guest/tap
. /run/bf/tap

loaded() { [[ -d /sys/module/$1 ]]; }
users() { [[ $(cat "/sys/module/$1/refcnt") == "$2" ]]; }
load_both() { insmod $ko/backing_file.ko && insmod $ko/passfs.ko; }
unload_both() { rmmod passfs && rmmod backing_file; }

alone() {
	local err rc=0
	echo "bf-test: expect passfs: Unknown symbol" >/dev/kmsg
	err=$(insmod $ko/passfs.ko 2>&1) || rc=$?
	echo "bf-test: expect" >/dev/kmsg
	((rc)) && [[ $err == *"Unknown symbol"* ]] && ! loaded passfs
}

cycles() {
	local i
	for ((i = 0; i < 10; i++)); do
		load_both && mount -t passfs "$lower" "$stack" && echo "$i" >"$stack/cycle" && [[ $(<"$lower/cycle") == "$i" ]] &&
			umount "$stack" && unload_both || return 1
	done
}

test_that "lsmod shows passfs using backing_file" grep -q '^backing_file .* passfs,' /proc/modules
test_that "a mount is a user of passfs" users passfs 1
test_that "rmmod passfs is refused while it is mounted" refused rmmod passfs
test_that "rmmod backing_file is refused while passfs is loaded" refused rmmod backing_file
test_that "unmount" umount "$stack"
test_that "nothing uses passfs then" users passfs 0
test_that "unload" unload_both
test_that "the filesystem type is gone" refused grep -qw passfs /proc/filesystems
test_that "mount without the module is refused" refused mount -t passfs "$lower" "$stack"
test_that "passfs without backing_file does not load, and says why" alone
test_that "load" load_both
test_that "the filesystem type is there" grep -qw passfs /proc/filesystems
test_that "load again is refused" refused insmod $ko/backing_file.ko
test_that "unload again" unload_both
test_that "load, mount, write, unmount, unload ten times" cycles
test_that "load for the tests to come" load_both
test_that "mount for the tests to come" mount -t passfs "$lower" "$stack"
plan
