#!/bin/bash
# In the guest: the selftests of passfs that any stacking filesystem can run, and the kernel's own of overlayfs, first on the
# kernel's helpers and then on ours. What passes there must pass here; what fails on both is overlayfs, not its helpers.
. /run/bf/guest.sh
limit=${BF_LIMIT:-300}

# results KIND PROGRAM ARGS...: "ok NAME" or "not ok NAME" in lines
results() {
	local kind=$1 program=$2
	shift 2
	echo "bf-test: $program $kind" >/dev/kmsg
	fresh "$kind" || return
	# What one of the kernel's leaves behind when a test of it fails
	rm -rf --one-file-system /set_layers_via_fds*
	# A user namespace may not set trusted attributes, whoever helps
	[[ ${program##*/} != idmapped_mounts ]] || echo "bf-test: expect overlayfs: failed to set xattr on upper" >/dev/kmsg
	BF_STACK=/mnt BF_BACKING=/backing/lower timeout -k 5 "$limit" "$program" "$@" >"/tmp/${program##*/}.$kind" 2>&1
	echo "bf-test: expect" >/dev/kmsg
	sed -nE 's/^(ok|not ok) [0-9]+ (- )?/\1 /p' "/tmp/${program##*/}.$kind"
}

# compare PROGRAM-FOR-OVERLAY PROGRAM-FOR-RUST_OVERLAY ARGS...
compare() {
	local theirs=$1 ours=$2 name=${2##*/} line what n=0
	shift 2
	results overlay "$theirs" "$@" >/tmp/theirs
	results rust_overlay "$ours" "$@" >/tmp/ours
	echo "### begin $name"
	# A test that did not report on ours is missing there: taken from what the kernel's helpers had to report.
	while read -r line; do
		what=${line#not }
		what=${what#ok }
		n=$((n + 1))
		if grep -qxF "ok $what" /tmp/ours; then
			echo "ok $n $what"
		elif [[ $line == not* ]] && grep -qxF "not ok $what" /tmp/ours; then
			echo "ok $n $what: fails as with the kernel's helpers"
		else
			grep -F "${what%% #*}" -B12 "/tmp/$name.rust_overlay" | sed 's/^/# /'
			echo "not ok $n $what"
		fi
	done </tmp/theirs
	echo "1..$n"
	echo "### end $name 0"
}

cp -r /run/bf/selftests /tmp/
for program in /tmp/selftests/*_test; do
	compare "$program" "$program" -v stack
done
for program in /run/bf/kernel/*; do
	compare "$program" "/run/bf/kernel-rust/${program##*/}"
done
fresh rust_overlay
part unload unload
