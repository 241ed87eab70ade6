#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promises to IMA, which reads each program before it is executed, inside of the open of the stacked file: it measures the
# programs of the mount, under their paths there, again when they were changed on either layer, and many programs at a time
# run. Guards B21 (a crash in a backing file's read from IMA, in an exec storm). And to uprobes, which find a program by the
# inode that is mapped. The kernel is booted with ima_policy=tcb.
lower=${BF_BACKING:-/backing/lower}
stack=${BF_STACK:-/mnt}
list=/sys/kernel/security/ima/ascii_runtime_measurements
programs=50
# shellcheck source=../../vm/guest/tap
. /run/bf/tap

measured() { grep -c " $1" $list; }

# Each is another file with another content, so each is measured.
copies() {
	local i
	mkdir -p "$lower/bin"
	for ((i = 0; i < programs; i++)); do
		{ cat /usr/bin/true; echo "$i"; } >"$lower/bin/true.$i" && chmod 755 "$lower/bin/true.$i" || return
	done
}

# Each program four times, by whoever of four has nothing to do; one that fails makes xargs fail
storm() { for ((i = 0; i < programs * 4; i++)); do echo "$stack/bin/true.$((i * 7 % programs))"; done | xargs -P 4 -I{} env {}; }

# changed FOLDER NAME: changed there
changed() {
	local before file="$stack/bin/$2"
	before=$(measured "$file *\$")
	{ cat /usr/bin/true; echo changed "$1"; } >"$1/bin/$2" && "$file" && (($(measured "$file *\$") == before + 1))
}

# A probe on a function of a program is hit when the program of the mount runs
probed() {
	local events=/sys/kernel/tracing/uprobe_events hits=/sys/kernel/tracing/uprobe_profile entry
	entry=$(readelf -h "$stack/bin/true.2" | awk '/Entry point/ { print $NF }')
	echo "p:bf/entry $stack/bin/true.2:$entry" >$events && echo 1 >/sys/kernel/tracing/events/bf/enable && "$stack/bin/true.2"
	[[ $(awk '$2 == "entry" { print $3 }' $hits) == 1 ]]
	local rc=$?
	echo 0 >/sys/kernel/tracing/events/bf/enable
	echo >$events
	return $rc
}

hash_is_right() {
	local want
	want=$(sha256sum <"$lower/bin/true.5")
	grep " $stack/bin/true.5 *\$" $list | grep -q "sha256:${want%% *} "
}

test_that "IMA measures here" grep -q boot_aggregate $list
test_that "$programs programs" copies
test_that "each is executed four times, four at a time" storm
test_that "all were measured, by their path on the stack" [ "$(measured "$stack/bin/true")" = "$programs" ]
test_that "what was measured is their content" hash_is_right
test_that "a program that was changed is measured again" changed "$stack" true.0
test_that "so is one that was changed below" changed "$lower" true.1
test_that "a probe in a program is hit" probed
test_that "unmount and mount" eval 'umount $stack && mount -t passfs $lower $stack'
plan
