#!/bin/bash
# passfs while what is below it fails, run in the guest by the suite 73-stress, BF_SECONDS each: a disk that now and then does
# not read or not write (dm-flakey), a disk that is gone (dm-error), a filesystem that is shut down; and freezing, programs
# killed in the middle of their I/O, modules that come and go while others mount.
#
# The load is fsx, fio with verify, stress-ng, a storm at the same names on both layers, and a ledger. Programs may get an
# error when something fails, but no wrong byte; what fsync confirmed is there when the disk works again; the stack shows
# what is below; nothing keeps the mounts or the modules. What the kernel is expected to say is announced in its log.
# Output: TAP in parts, rows for the table.
. /run/bf/env
seconds=${BF_SECONDS:-20}
lower=/backing/lower
group=/sys/fs/cgroup/load
export DM_DISABLE_UDEV=1 # there is none here

# --- the disk ----------------------------------------------------------------------

# disk linear | flakey SETTINGS | error: what it is from now on
disk() {
	local target=$1
	[[ $target == error ]] || target+=" $scratch 0"
	dmsetup suspend --nolockfs bf && dmsetup load bf --table "0 $sectors $target ${*:2}" && dmsetup resume bf
}

disk_up() {
	modprobe -qa dm-mod dm-flakey
	scratch=$(findmnt -no SOURCE /backing) sectors=$(blockdev --getsz "$scratch") &&
		umount /mnt && umount /backing && dmsetup create bf --table "0 $sectors linear $scratch 0" && mounts_up
}

# What ext4 and btrfs had to say of the disk is on it, and said again, until it was checked, or the count reset.
counted() { [[ $BF_FS != btrfs ]] || btrfs device stats -z /backing >/tmp/stats; }
checked() { [[ $BF_FS != ext4 ]] || e2fsck -fy "$scratch" >/tmp/e2fsck || (($? == 1)); }

disk_down() {
	counted && mounts_down && dmsetup remove bf && checked && mount -t "$BF_FS" "$scratch" /backing && mount -t passfs $lower /mnt
}

mounts_up() { mount -t "$BF_FS" /dev/mapper/bf /backing && mount -t passfs $lower /mnt; }
mounts_down() { umount /mnt && umount /backing; }

# What these filesystems and the block layer say when a disk fails
announce() {
	local text
	for text in "I/O error" "XFS (dm-" "EXT4-fs" "JBD2" "BTRFS"; do echo "bf-test: expect $text" >/dev/kmsg; done
}

# --- the load ----------------------------------------------------------------------

declare -A load

# load NAME COMMAND...: goes on until it is killed or fails; what it says is in /tmp/load.NAME
load() {
	{
		echo "$BASHPID" >$group/cgroup.procs
		"${@:2}"
	} >"/tmp/load.$1" 2>&1 </dev/null &
	load[$1]=$!
}

fio_run() { # ENGINE OPTION...
	fio --name="$1" --directory=/mnt --ioengine="$1" --size=4M --bs=4k --rw=randrw --verify=crc32c --verify_fatal=1 --verify_backlog=32 \
		--verify_state_save=0 --iodepth=8 --time_based --runtime=36000 --output-format=terse "${@:2}"
}

fsx_run() {
	local seed=0
	while /run/bf/fsx -q -P /tmp -N 2000 -S "$((seed += 1))" /mnt/fsx; do :; done
}

# One record after the other, each confirmed by fsync
ledger() {
	local i
	for ((i = 0;; i++)); do
		echo "$i" | dd of=/mnt/ledger oflag=append conv=notrunc,fsync status=none || return
		echo "$i" >>/tmp/confirmed
	done
}

start_load() {
	find $lower -mindepth 1 -delete
	mkdir $lower/storm
	: >/tmp/confirmed
	load fsx fsx_run
	load fio fio_run psync
	load fio-direct fio_run io_uring --direct=1
	load stress-ng stress-ng --quiet --temp-path /mnt --hdd 1 --hdd-bytes 8M --iomix 1 --iomix-bytes 8M --rename 1
	load storm /run/bf/storm 36000 "$RANDOM" 0 /mnt/storm $lower/storm
	load ledger ledger
	until [[ -e $lower/psync.0.0 && -e $lower/io_uring.0.0 && -e $lower/fsx && -s /tmp/confirmed ]]; do sleep 0.2; done
}

# Killed in the middle of whatever they do, all at once
stop_load() {
	echo 1 >$group/cgroup.kill
	wait "${load[@]}" 2>/dev/null
	while grep -q 'populated 1' $group/cgroup.events; do sleep 0.1; done
}

# failed NAME: it has ended by itself
failed() { ! kill -0 "${load[$1]}" 2>/dev/null; }

# No byte was wrong, and each error is one that a failing disk explains: EIO, or EROFS from then on.
errors_explained() {
	! grep -HiE 'miscompare|verify failed|bad (magic|header)|folders differ' /tmp/load.* || return
	! grep -H '^failed:' /tmp/load.storm | grep -vE 'Input/output error|Read-only file system'
}

# Everything confirmed is there.
ledger_kept() { cmp <(head -n "$(wc -l </tmp/confirmed)" $lower/ledger) /tmp/confirmed; }

# Names, attributes and contents
everything() { cd "$1" && find . -printf '%p %y %m %n %u %g %i %s %l %T@\n' | sort && find . -type f -exec cksum {} + | sort -k 3; }
same_on_both() { diff <(everything /mnt) <(everything $lower); }

# The disk works again, the filesystem is mounted anew.
recovered() {
	mounts_down || { echo "a mount stays busy"; return 1; }
	disk linear && mounts_up && errors_explained && ledger_kept && same_on_both
}

# --- what is done to it --------------------------------------------------------------

any_failed() {
	local name
	for name in "${!load[@]}"; do ! failed "$name" || return 0; done
	return 1
}

# under_load FAULT: rounds of load, the function FAULT, more load until it hurts, recovery, until the time is over
under_load() {
	local end=$((SECONDS + seconds)) rounds=0
	announce
	while ((rounds == 0 || SECONDS < end)); do
		start_load
		sleep "$((RANDOM % 4))"
		"$1" || return
		until any_failed; do sleep 0.5; done
		sleep "$((RANDOM % 4))"
		stop_load
		recovered || return
		rounds=$((rounds + 1))
	done
	echo "$rounds rounds"
}

bad_reads() { disk flakey 1 1 1 error_reads && echo 3 >/proc/sys/vm/drop_caches; }
bad_writes() { disk flakey 1 1 1 error_writes; }
gone() { disk error; }
shut_down() { xfs_io -x -c shutdown /backing; }

flakey_reads() { under_load bad_reads; }
flakey_writes() { under_load bad_writes; }
disk_gone() { under_load gone; }
shutdown() { under_load shut_down; }

# Nothing may fail.
unharmed() {
	local name rc=0
	for name in "${!load[@]}"; do ! failed "$name" || { echo "$name failed:"; tail -n 5 "/tmp/load.$name"; rc=1; }; done
	stop_load
	((rc == 0)) && errors_explained && ledger_kept && same_on_both
}

freezing() {
	local n=0 end
	start_load
	end=$((SECONDS + seconds))
	while ((n == 0 || SECONDS < end)); do
		fsfreeze -f /backing && sleep 0.1 && fsfreeze -u /backing || return
		n=$((n + 1))
		sleep 0.2
	done
	unharmed && echo "$n freezes"
}

killing() {
	local end=$((SECONDS + seconds)) n=0
	while ((n == 0 || SECONDS < end)); do
		start_load
		sleep "$((RANDOM % 3)).$((RANDOM % 10))"
		n=$((n + $(wc -l <$group/cgroup.procs)))
		unharmed || return
	done
	echo "$n killed"
}

# mounter NAME: mounts whenever the module is there, uses the mount, takes it away
mounter() {
	local dir=/tmp/race.$1 i
	mkdir -p "$dir" && for ((i = 0; ; i++)); do
		if mount -t passfs $lower "$dir" 2>/dev/null; then
			echo "$i" >"$dir/$1" && [[ $(<"$lower/$1") == "$i" ]] && umount "$dir" || return
			echo "mounted"
		fi
		sleep "0.$((RANDOM % 10))"
	done
}

modules_come_and_go() {
	local end=$((SECONDS + seconds)) cycles=0
	umount /mnt
	for name in a b c; do load "mount-$name" mounter $name; done
	while ((cycles == 0 || SECONDS < end)); do
		rmmod passfs 2>/dev/null || continue # mounted
		rmmod backing_file && insmod /run/bf/backing_file.ko && insmod /run/bf/passfs.ko || return
		cycles=$((cycles + 1))
	done
	for name in a b c; do ! failed "mount-$name" || { cat "/tmp/load.mount-$name"; return 1; }; done
	stop_load
	umount /tmp/race.* 2>/dev/null
	rmmod passfs && insmod /run/bf/passfs.ko && mount -t passfs $lower /mnt &&
		echo "$(cat /tmp/load.mount-* | wc -l) mounts" && echo "$cycles cycles"
}

parts=(killing modules_come_and_go)
[[ $BF_FS == tmpfs ]] || parts=(flakey_reads flakey_writes disk_gone shutdown freezing "${parts[@]}")
mkdir -p $group
[[ $BF_FS == tmpfs ]] || disk_up || exit
for part in ${BF_ONLY:-"${parts[@]}"}; do
	echo "### begin $part"
	echo "bf-test: $part" >/dev/kmsg
	start=$SECONDS rc=0
	load=()
	rm -f /tmp/load.*
	"$part" >/tmp/out 2>&1 || rc=$?
	echo "bf-test: expect" >/dev/kmsg
	((rc == 0)) || stop_load
	sed 's/^/# /' /tmp/out | tail -n 40
	((rc == 0)) || tail -n 5 /tmp/load.* | sed 's/^/# /'
	if ((rc == 0)); then echo "ok 1 $part"; else echo "not ok 1 $part"; fi
	echo "1..1"
	echo "### end $part $rc"
	echo "soak_row $BF_FS $part $((SECONDS - start)) $rc $(tail -n 1 /tmp/out | sed -nE 's/^([0-9]+ [a-z]+)$/\1/p')"
done
find $lower -mindepth 1 -delete
[[ $BF_FS == tmpfs ]] || disk_down || exit
exec /run/bf/end
