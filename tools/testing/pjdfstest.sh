#!/bin/bash
# Run in the guest: pjdfstest, the POSIX filesystem test suite, on the backing filesystem first and then through passfs.
# TAP: one test for each of its cases, passed if the verdicts are the same (what differs from POSIX does so twice).
. /run/bf/env

work=$(mktemp -d)
program=/run/bf/pjdfstest
export NO_COLOR=1

# Two users with groups of their own; Debian's nobody has nogroup
setup() {
	groupadd tests && useradd -g tests -M tests || return
	# naptime: longer than a tick of the kernel's clock, by which files get their times
	cat >"$work/config" <<-'TOML'
		[features]
		posix_fallocate = {}
		rename_ctime = {}
		stat_st_birthtime = {}
		utime_now = {}
		utimensat = {}
		[settings]
		naptime = 0.01
		allow_remount = true
		[dummy_auth]
		entries = [["nobody", "nogroup"], ["tests", "tests"]]
	TOML
}

# verdicts NAME FOLDER: lines of case and verdict (ok, FAILED, skipped) in $work/NAME
verdicts() {
	mkdir -p "$2" /tmp/other
	echo "bf-test: pjdfstest on $1" >/dev/kmsg
	# Files that other cases leave open keep those of EROFS from remounting: in a process of their own, first
	"$program" -c "$work/config" -s /tmp/other -p "$2" erofs >"$work/$1.out" 2>&1
	"$program" -c "$work/config" -s /tmp/other -p "$2" >>"$work/$1.out" 2>&1
	sed -nE 's/^([^ \t]+::[^ ]+) +(ok|FAILED|skipped)$/\1 \2/p' "$work/$1.out" | sort -s -u -k 1,1 >"$work/$1"
	sed "s/^/# $1: /" "$work/$1.out" | grep -E 'Summary|panic'
}

# What a case that failed said
why() { awk -v name="$2" '$1 == name { on = 1; next } on && /^\t/ { print "# '"$1"':" $0; next } on { exit }' "$work/$1.out"; }

echo "### begin pjdfstest"
if setup; then
	verdicts backing /backing/direct
	verdicts stack /mnt
	n=0
	while read -r name below above; do
		n=$((n + 1))
		case $below,$above,$(why stack "$name") in
		ok,skipped,*'LINK_MAX: filesystem limit is unknown')
			echo "ok $n - $name # SKIP of how many links there may be the C library knows by the type of filesystem" ;;
		skipped,skipped,*) why backing "$name"; echo "ok $n - $name # SKIP not for this filesystem" ;;
		ok,ok,*) echo "ok $n - $name" ;;
		FAILED,FAILED,*) why backing "$name"; echo "ok $n - $name (fails on the backing filesystem too)" ;;
		*) why backing "$name"; why stack "$name"; echo "not ok $n - $name: $below on the backing filesystem, $above through passfs" ;;
		esac
	done < <(join -a 1 -a 2 -e missing -o 0,1.2,2.2 "$work/backing" "$work/stack")
	echo "1..$n"
else
	echo "Bail out! no users for it"
fi
echo "### end pjdfstest 0"
