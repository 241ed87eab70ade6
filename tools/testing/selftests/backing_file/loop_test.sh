#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promises to other users in the kernel: a loop device on a file of the stack does direct I/O where one on the backing file
# does, keeps what is written to it, and when it is gone nothing of it is left: the backing filesystem can be frozen.
#
# Bugs of the C code guarded here: B11 (direct I/O set by loop where there is none: an oops), B12 (freeze protection of an
# asynchronous write leaked when the submitter does not set IOCB_WRITE, as loop does not: the next fsfreeze hangs).
#
# BF_ROUNDS is how often.
lower=${BF_BACKING:-/backing/lower} stack=${BF_STACK:-/mnt} root=$(realpath "${BF_BACKING:-/backing/lower}/..")
fs=${BF_FS:-xfs} rounds=${BF_ROUNDS:-2}
work=$(mktemp -d)
modprobe -q loop
# shellcheck source=../../vm/guest/tap
. /run/bf/tap

# attach FILE: a loop device with direct I/O on it; prints device and whether it does direct I/O
attach() {
	local dev
	dev=$(losetup --direct-io=on --show -f "$1" 2>&1) || { echo "# ${dev##*: }" >&2; return 1; }
	printf '%s %s\n' "$dev" "$(losetup -n -O DIO "$dev" | tr -d ' ')"
}

detach() {
	local i
	losetup -d "$1" || return
	for ((i = 0; i < 100; i++)); do
		losetup "$1" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "# $1 stays"
	return 1
}

# freeze: freezes and thaws the backing file system; a freeze that waits for ever cannot be ended, but it can be reported
freeze() {
	local pid i
	if [[ $fs == tmpfs ]]; then
		! fsfreeze -f "$root" 2>/dev/null
		return
	fi
	fsfreeze -f "$root" &
	pid=$!
	for ((i = 0; i < 3000; i++)); do
		if ! kill -0 $pid 2>/dev/null; then
			wait $pid && fsfreeze -u "$root"
			return
		fi
		sleep 0.1
	done
	echo "not ok $BF_TESTED fsfreeze hangs: freeze protection was leaked"
	plan
	exit 1
}

same_dio() { # FILE FILE
	local a b
	a=$(attach "$1") && b=$(attach "$2") || return
	echo "# direct I/O: ${a#* } below, ${b#* } through the stack"
	detach "${a% *}" && detach "${b% *}" && [[ ${a#* } == "${b#* }" ]]
}

image() {
	truncate -s 32M "$1" && mkfs.ext4 -q -F "$1"
}

# round IMAGE NUMBER: attached, mounted, written, read back, detached, frozen
round() {
	local dev
	dev=$(attach "$1") || return
	dev=${dev% *}
	mount "$dev" "$work/mnt" || return
	dd if=/dev/urandom of="$work/data" bs=64k count=16 status=none
	cp "$work/data" "$work/mnt/f$(($2 % 4))" && dd if="$work/data" of="$work/mnt/direct" bs=64k oflag=direct status=none && sync "$work/mnt"/* || return
	umount "$work/mnt" && mount "$dev" "$work/mnt" || return
	cmp "$work/data" "$work/mnt/f$(($2 % 4))" && cmp "$work/data" "$work/mnt/direct" || return
	umount "$work/mnt" && detach "$dev" && freeze
}

rounds() {
	local i
	for ((i = 0; i < rounds; i++)); do round "$1" "$i" || { echo "# round $i"; return 1; }; done
	e2fsck -fn "$2" >/dev/null 2>&1
}

without_direct() {
	local rc=0 dev
	mkdir -p "$work/ram" "$work/pass" && mount -t ramfs ram "$work/ram" && mount -t passfs "$work/ram" "$work/pass" || return
	truncate -s 16M "$work/ram/f" || rc=1
	! attach "$work/ram/f" || rc=1
	! attach "$work/pass/f" || rc=1
	# It must work the other way
	dev=$(losetup --show -f "$work/pass/f") && dd if=/dev/zero of="$dev" bs=64k count=16 oflag=direct status=none && detach "$dev" || rc=1
	umount "$work/pass" && umount "$work/ram" && return $rc
}

mkdir "$work/mnt" "$work/nested"
test_that "make images" image "$lower/image"
test_that "direct I/O is possible through the stack where it is below" same_dio "$lower/image" "$stack/image"
test_that "used, detached, frozen: $rounds rounds" rounds "$stack/image" "$lower/image"
test_that "mount a second stack" mount -t passfs "$stack" "$work/nested"
test_that "the same through two stacks" rounds "$work/nested/image" "$lower/image"
test_that "unmount the second stack" umount "$work/nested"
test_that "without direct I/O below it is refused, and without it works" without_direct
rm -rf "$work" "$lower/image"
plan
