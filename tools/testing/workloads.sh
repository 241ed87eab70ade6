#!/bin/bash
# Other people's loads, run in the guest by the suite 60-workloads, BF_SECONDS each: every stressor of stress-ng's class
# for filesystems, with --verify, and fs_mark and dbench. On the backing filesystem and through passfs at the same time;
# the verdicts must be the same. Output: TAP in parts; the kernel's log is checked by whoever booted us.
. /run/bf/env
seconds=${BF_SECONDS:-20}
work=$(mktemp -d)

# verdict of stress-ng, from what it printed and its status
stress_verdict() { # STATUS FILE
	if (($1 >= 124)); then
		echo "ended by its time limit"
	elif grep -qE 'failed: [1-9]' "$2"; then
		echo failed
	elif grep -qE 'skipped: [1-9]' "$2"; then
		echo skipped
	elif (($1 == 0)); then
		echo ok
	else
		echo "status $1"
	fi
}

stress() { # STRESSOR FOLDER
	local rc=0
	timeout -k 5 $((seconds * 10 + 120)) stress-ng --"$1" 1 --timeout "${seconds}s" --verify --temp-path "$2" >"$2.out" 2>&1 </dev/null || rc=$?
	stress_verdict "$rc" "$2.out"
}

dbench_run() { dbench -D "$1" -t "$seconds" 2 >"$1.out" 2>&1 && echo ok || echo failed; }
fsmark_run() { fs_mark -d "$1/marks" -s 4096 -n $((seconds * 100)) -t 2 -L 1 >"$1.out" 2>&1 && echo ok || echo failed; }

# both NAME COMMAND...: runs it in a folder of each; the test is that the verdicts are equal
both() {
	local name=$1 direct stack at=$work
	shift
	echo "bf-test: $name" >/dev/kmsg
	mkdir /backing/direct /mnt/stack
	"$@" /backing/direct >"$at/direct" &
	"$@" /mnt/stack >"$at/stack"
	wait $!
	direct=$(<"$at/direct") stack=$(<"$at/stack")
	n=$((n + 1))
	case $direct,$stack,$name in
	ok,ok,*) echo "ok $n - $name" ;;
	ok,skipped,verity) echo "ok $n - $name # SKIP passfs does not pass on the ioctls of fs-verity" ;;
	skipped,skipped,*)
		echo "# $name: $(grep -m1 -iE 'disabled|skip' /backing/direct.out)"
		echo "ok $n - $name # SKIP not here"
		;;
	*)
		sed 's/^/# on the backing filesystem: /' /backing/direct.out | tail -n 20
		sed 's/^/# through passfs: /' /mnt/stack.out | tail -n 20
		if [[ $direct == "$stack" ]]; then
			echo "ok $n - $name ($direct on the backing filesystem too)"
		else
			failed=$((failed + 1))
			echo "not ok $n - $name: $direct on the backing filesystem, $stack through passfs"
		fi
		;;
	esac
	chattr -R -i -a /backing/direct /backing/lower/stack 2>/dev/null
	rm -rf /backing/direct /mnt/stack /backing/direct.out /mnt/stack.out
}

part() { # NAME UNIT COMMAND...
	local name=$1 unit=$2 start=$SECONDS n=0 failed=0
	shift 2
	echo "### begin $name"
	"$@"
	echo "1..$n"
	echo "### end $name 0"
	echo "soak_row $BF_FS $name $((SECONDS - start)) $failed $n $unit"
}

class() {
	local s
	for s in $(stress-ng --class filesystem? 2>&1 | sed -n "s/.*class 'filesystem' stressors: //p"); do both "$s" stress "$s"; done
}

chmod 1777 /mnt
for p in ${BF_PARTS:-class dbench fsmark}; do
	case $p in
	class) part stress-ng stressors class ;;
	*) part "$p" runs both "$p" "${p}_run" ;;
	esac
done
exec /run/bf/end
