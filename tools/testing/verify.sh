#!/bin/bash
# Tools that know what a file must contain, on passfs, run in the guest by the suite 65-tools. Output: TAP in parts.
#
# fsx changes one file at random, in all ways it knows, and compares all it reads with a copy in memory: BF_OPS operations
# for each of BF_SEEDS, with mappings and without. fio writes BF_SIZE bytes with checksums and reads them back, with each
# engine, buffered and direct. What fails is done again on the backing file system alone, to tell whose fault it is.
. /run/bf/env
dir=/mnt

fsx_config() { # mapped|unmapped
	local map=10
	[[ $1 == mapped ]] || map=0
	cat <<-EOF
		[weights]
		read = 10
		write = 10
		mapread = $map
		mapwrite = $map
		truncate = 5
		close_open = 2
		invalidate = $((map / 10))
		fsync = 1
		fdatasync = 1
		posix_fallocate = 3
		punch_hole = 5
		sendfile = 5
		posix_fadvise = 2
		copy_file_range = 5
	EOF
}

fsx_run() { # mapped|unmapped SEED
	local file=$dir/fsx.$1
	fsx_config "$1" >"/tmp/$1.toml"
	rm -f "$file"
	/run/bf/fsx -q -f "/tmp/$1.toml" -P /tmp -N "$BF_OPS" -S "$2" "$file" && rm "$file"
}

# With and without mappings at the same time: fsx is one thread.
declare -A fsx_pids
fsx_start() { # SEED
	local how
	for how in mapped unmapped; do
		fsx_run "$how" "$1" >"/tmp/$how.out" 2>&1 </dev/null &
		fsx_pids[$how]=$!
	done
}

fsx_result() { # mapped|unmapped SEED
	if [[ $dir == /mnt ]]; then
		wait "${fsx_pids[$1]}" || { cat "/tmp/$1.out"; return 1; }
	else
		fsx_run "$1" "$2"
	fi
}

fio_run() { # ENGINE OPTIONS...
	local engine=$1
	shift
	rm -f "$dir"/fio.*
	fio --name=fio --directory="$dir" --ioengine="$engine" --size="$BF_SIZE" --bsrange=4k-64k --blockalign=4k --rw=randwrite \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --verify_state_save=0 --group_reporting --output-format=terse "$@" && rm "$dir"/fio.*
}

# A SCSI disk that the kernel's own target makes of a file: its asynchronous requests come from a kernel thread, and each is
# freed by its completion (B22: nothing of it may be touched after it was queued).
lio_run() {
	local target=/sys/kernel/config/target disk= i d rc=0
	local file=$target/core/fileio_1/bf port=$target/loopback/naa.6001405000000001
	# It looks for one more that we have no use for, and that cannot be loaded here
	echo "bf-test: expect target_core_user" >/dev/kmsg
	for d in target_core_mod target_core_file tcm_loop sd_mod; do modprobe "$d" || return; done
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config || return
	truncate -s "$BF_SIZE" "$dir/disk" && mkdir -p "$file" "$port/tpgt_1" || return
	echo "fd_dev_name=$dir/disk,fd_dev_size=$(stat -c %s "$dir/disk"),fd_async_io=1" >"$file/control" && echo 1 >"$file/enable" || return
	echo naa.6001405000000002 >"$port/tpgt_1/nexus" && mkdir "$port/tpgt_1/lun/lun_0" && ln -s "$file" "$port/tpgt_1/lun/lun_0/virt" || return
	echo "bf-test: expect" >/dev/kmsg
	for ((i = 0; i < 100; i++)); do
		for d in /sys/block/sd*; do [[ $(cat "$d/device/vendor" 2>/dev/null) != LIO-ORG* ]] || disk=/dev/${d##*/}; done
		[[ -z $disk ]] || break
		sleep 0.2
	done
	fio --name=lio --filename="$disk" --ioengine=libaio --iodepth=32 --direct=1 --size="$BF_SIZE" --bs=4k --rw=randwrite --verify=crc32c \
		--verify_fatal=1 --do_verify=1 --verify_state_save=0 --output-format=terse || rc=$?
	rm "$port/tpgt_1/lun/lun_0/virt" && rmdir "$port/tpgt_1/lun/lun_0" "$port/tpgt_1" "$port" "$file" "$target/core/fileio_1" && rm "$dir/disk" || rc=1
	[[ $BF_FS == tmpfs ]] || { timeout 60 fsfreeze -f /backing && fsfreeze -u /backing; } || rc=1
	return $rc
}

# check NAME COUNT UNIT COMMAND...; NAME up to a comma is a line of soak's table
check() {
	local name=$1 count=$2 unit=$3 start=$SECONDS rc=0
	shift 3
	echo "### begin $name"
	echo "bf-test: $name" >/dev/kmsg
	"$@" >/tmp/out 2>&1 </dev/null || rc=$?
	if ((rc == 0)); then
		echo "ok 1 $name"
	else
		sed 's/^/# /' /tmp/out | tail -n 40
		if dir=/backing "$@" >/dev/null 2>&1 </dev/null; then echo "# the same passes on $BF_FS itself"; else echo "# the same fails on $BF_FS itself"; fi
		echo "not ok 1 $name"
	fi
	echo "1..1"
	echo "### end $name $rc"
	echo "soak_row $BF_FS ${name%%,*} $((SECONDS - start)) $rc $count $unit"
}

mib=${BF_SIZE%M}
for seed in $BF_SEEDS; do
	fsx_start "$seed"
	for how in mapped unmapped; do
		check "fsx-$how, seed $seed" "$BF_OPS" operations fsx_result "$how" "$seed"
	done
done
for engine in psync pvsync2 libaio io_uring; do
	check "fio-$engine" "$mib" MiB fio_run "$engine" --iodepth=16
	check "fio-$engine-direct" "$mib" MiB fio_run "$engine" --iodepth=16 --direct=1
done
check fio-mmap "$mib" MiB fio_run mmap
check fio-splice "$mib" MiB fio_run splice
check lio "$mib" MiB lio_run
exec /run/bf/end
