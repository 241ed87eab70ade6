#!/bin/bash
# Run in the guest: the kernel's own selftests (list: programs) on the backing filesystem first and then through passfs.
# TAP: one test for each of theirs, passed if the verdicts are the same. One that is expected to differ is a SKIP, so that
# it must be in expected-skips, with the reason.
. /run/bf/env

work=$(mktemp -d)
tests=/run/bf/tests
instead=/backing/instead
for m in loop ext4 overlay; do modprobe -q $m; done

# on NAME FOLDER KIND TARGET PROGRAM ARGS...: runs it with FOLDER as its world; lines of test and verdict in $work/NAME
on() {
	local name=$1 folder=$2 kind=$3 target=$4 rc
	local settings=
	shift 4
	[[ $kind != mounts ]] || settings="LD_PRELOAD=/run/bf/instead.so BF_LONGEST=${BF_LONGEST:-20}"
	[[ $name,$kind != stack,mounts ]] || settings+=" BF_INSTEAD=$instead"
	rm -rf "$folder"
	mkdir -p "$folder/tmp" "$folder/run" /here
	chmod 1777 "$folder/tmp"
	cp -a "$tests/$target/." "$folder/run"
	echo "some words in a file" >"$folder/tmp/file"
	# The libraries and data of tests are found as in their own folder. Nothing outlives them: they are their own world
	folder=$folder settings=$settings timeout -k 5 "${BF_LIMIT:-200}" unshare -mpf --kill-child --mount-proc bash -c '
		mount --bind "$folder" /here && mount --bind /here/tmp /tmp && cd /here/run || exit 99
		exec env $settings "./$@"' - "$@" >"$work/$name.out" 2>&1 </dev/null
	rc=$?
	# Some leave mount points of theirs
	rmdir /set_layers_via_fds* /slab_typesafe_by_rcu /mnt_dir /chroot_dir 2>/dev/null
	rm -rf "$folder"
	# As kselftest prints results: `ok 1 name # SKIP why`
	tr -d '\r' <"$work/$name.out" | sed -nE 's/^(not ok|ok) [0-9]+ -? ?(.*)$/\1\t\2/p' |
		sed -E 's/^ok\t# *SKIP *(.*)$/skip\t\1/I; s/^ok\t(.*) *# *SKIP.*$/skip\t\1/I; s/^(not ok|ok|skip)\t(.*[^ ]) *$/\2\t\1/; s/ # .*\t/\t/' | sort -u >"$work/$name"
	# One that prints none has its exit status only
	[[ -s $work/$name ]] || printf 'exit status\t%s\n' "$([[ $rc == 0 ]] && echo ok || { [[ $rc == 4 ]] && echo skip; } || echo "not ok")" >"$work/$name"
	((rc != 99 && rc != 124 && rc != 137)) || printf 'ends in time\tnot ok\n' >>"$work/$name"
}

compare() {
	local test below above n=0
	while IFS=$'\t' read -r test below above; do
		case $below,$above in
		ok,ok) echo "ok $((++n)) - $test" ;;
		skip,skip) echo "# not here: $test" ;;
		'not ok,not ok') echo "ok $((++n)) - $test (fails on the backing filesystem too)" ;;
		*) echo "ok $((++n)) - $test # SKIP $below on the backing filesystem, $above through passfs" ;;
		esac
	done < <(join -t $'\t' -a 1 -a 2 -e missing -o 0,1.2,2.2 <(sort -k 1,1 -t $'\t' "$work/backing") <(sort -k 1,1 -t $'\t' "$work/stack"))
	((n)) || echo "ok $((++n)) - all # SKIP it ran nowhere"
	echo "1..$n"
}

chosen() { # PROGRAM
	local w
	local -a patterns
	read -ra patterns <<<"$BF_ONLY"
	# shellcheck disable=SC2053 # patterns
	for w in "${patterns[@]}"; do [[ $1 == $w ]] && return 0; done
	return 1
}

# filesystems_used: that it was passfs
filesystems_used() {
	local passfs tmpfs
	passfs=$(stat -c %s $instead/.passfs 2>/dev/null || echo 0) tmpfs=$(stat -c %s $instead/.tmpfs 2>/dev/null || echo 0)
	echo "# a passfs was mounted $passfs times in place of a tmpfs, $tmpfs times it stayed one"
	((passfs)) || printf 'passfs is mounted\tnot ok\n' >>"$work/stack"
}

while read -r kind target program args; do
	[[ $kind == program || $kind == mounts ]] || continue
	[[ -z ${BF_ONLY-} ]] || chosen "$program" || continue
	echo "### begin $target/$program"
	echo "bf-test: $target/$program" >/dev/kmsg
	# On either: a user namespace may not set trusted attributes
	[[ $target/$program != filesystems/overlayfs/idmapped_mounts ]] || echo "bf-test: expect overlayfs: failed to set xattr on upper" >/dev/kmsg
	start=$SECONDS
	mkdir -m 1777 $instead
	# shellcheck disable=SC2086 # arguments are words
	{
		on backing /backing/direct "$kind" "$target" "$program" $args
		on stack /mnt/stack "$kind" "$target" "$program" $args
	}
	[[ $kind == program ]] || filesystems_used
	echo "bf-test: expect" >/dev/kmsg
	rm -rf $instead
	compare
	cmp -s "$work/backing" "$work/stack" || sed 's/^/# through passfs: /' "$work/stack.out" | tail -n 60
	echo "# took $((SECONDS - start)) s"
	echo "### end $target/$program 0"
done < <(grep -v '^#' /run/bf/programs)
exec /run/bf/end
