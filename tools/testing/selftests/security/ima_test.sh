#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promises to IMA, which reads each program before it is executed, inside of the open of the stacked file: it measures the
# programs of the mount, under their paths there, and many programs at a time run. Guards B21 (a crash in a backing file's
# read from IMA, in an exec storm). The kernel is booted with ima_policy=tcb.
lower=${BF_BACKING:-/backing/lower}
stack=${BF_STACK:-/mnt}
list=/sys/kernel/security/ima/ascii_runtime_measurements
# shellcheck source=../../vm/guest/tap
. /run/bf/tap

measured() { grep -c " $1" $list; }

# Each is another file with another content, so each is measured.
copies() {
	local i
	mkdir -p "$lower/bin"
	for ((i = 0; i < 200; i++)); do
		{ cat /usr/bin/true; echo "$i"; } >"$lower/bin/true.$i" && chmod 755 "$lower/bin/true.$i" || return
	done
}

# Each program four times, by whoever of four has nothing to do; one that fails makes xargs fail
storm() { for ((i = 0; i < 800; i++)); do echo "$stack/bin/true.$((i * 7 % 200))"; done | xargs -P 4 -I{} env {}; }

changed() {
	local before
	before=$(measured "$stack/bin/true.0 *\$")
	{ cat /usr/bin/true; echo changed; } >"$stack/bin/true.0" && "$stack/bin/true.0" && (($(measured "$stack/bin/true.0 *\$") == before + 1))
}

hash_is_right() {
	local want
	want=$(sha256sum <"$lower/bin/true.5")
	grep " $stack/bin/true.5 *\$" $list | grep -q "sha256:${want%% *} "
}

test_that "IMA measures here" grep -q boot_aggregate $list
test_that "200 programs" copies
test_that "800 times a program is executed, 4 at a time" storm
test_that "all were measured, by their path on the stack" [ "$(measured "$stack/bin/true")" = 200 ]
test_that "what was measured is their content" hash_is_right
test_that "a program that was changed is measured again" changed
test_that "unmount and mount" eval 'umount $stack && mount -t passfs $lower $stack'
plan
