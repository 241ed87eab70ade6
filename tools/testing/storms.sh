#!/bin/bash
# What must not break passfs, run in the guest by the suite 65-storms, BF_SECONDS each: many tasks at the same names on both
# layers, tasks killed in the middle of anything, freezing, little memory.
# Output: TAP in parts, rows for the table.
. /run/bf/env
seconds=${BF_SECONDS:-20}
lower=/backing/lower

# storm [OPTION]: through passfs, a second passfs and the file system below at once
storm() { /run/bf/storm "$seconds" "${BF_SEED:-1}" "${1:-0}" /mnt /mnt2 $lower; }

both_layers() { storm; }
kills() { storm 20; }

# The file system below is frozen and thawed while the storm goes on.
freezing() {
	local storm n=0 rc=0
	storm & storm=$!
	while kill -0 "$storm" 2>/dev/null; do
		fsfreeze -f /backing && fsfreeze -u /backing || rc=1
		n=$((n + 1))
		sleep 0.1
	done
	wait "$storm" && ((rc == 0)) && echo "$n freezes"
}

# Caches are emptied all the time, and somebody else wants the memory.
little_memory() {
	local storm n=0 free
	storm & storm=$!
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) - 80 }' /proc/meminfo)
	((free < 50)) || stress-ng --quiet --vm 1 --vm-bytes "${free}M" --vm-keep --timeout "${seconds}s" &
	while kill -0 "$storm" 2>/dev/null; do
		echo 2 >/proc/sys/vm/drop_caches
		n=$((n + 1))
		sleep 0.2
	done
	wait "$storm"
}

parts=(both_layers kills little_memory)
[[ $BF_FS == tmpfs ]] || parts+=(freezing)
mkdir -p /mnt2
mount -t passfs $lower /mnt2
for part in ${BF_ONLY-"${parts[@]}"}; do
	echo "### begin $part"
	echo "bf-test: $part" >/dev/kmsg
	start=$SECONDS rc=0
	"$part" >/tmp/out 2>&1 || rc=$?
	sed 's/^/# /' /tmp/out | tail -n 40
	find $lower -mindepth 1 -delete
	# Nothing may keep it busy
	umount /mnt2 /mnt && mount -t passfs $lower /mnt && mount -t passfs $lower /mnt2 || rc=1
	if ((rc == 0)); then echo "ok 1 $part"; else echo "not ok 1 $part"; fi
	echo "1..1"
	echo "### end $part $rc"
	echo "soak_row $BF_FS $part $((SECONDS - start)) $rc $(sed -nE 's/.*\b([0-9]+ operations).*/\1/p' /tmp/out | tail -n 1)"
done
umount /mnt2
exec /run/bf/end
