#!/bin/bash
# Other people's programs on passfs, run in the guest by the suite 60-workloads; BF_SECONDS each. Output: TAP in parts.
# Each verifies what it wrote, or only has to end with success; the kernel's log is checked by whoever booted us.
. /run/bf/env
seconds=${BF_SECONDS:-20}
cd /mnt || exit

fio_verify() { # NAME OPTIONS...
	local name=$1
	shift
	fio --name="$name" --directory=/mnt --size=64M --bs=4k --rw=randwrite --verify=crc32c --verify_fatal=1 --do_verify=1 --verify_state_save=0 \
		--time_based --runtime="$seconds" --group_reporting --output-format=terse "$@"
}

fio_sync() { fio_verify sync --ioengine=psync --numjobs=2 && fio_verify direct --ioengine=psync --direct=1; }
fio_aio() { fio_verify aio --ioengine=libaio --iodepth=16 --direct=1 --numjobs=2; }
fio_uring() { fio_verify uring --ioengine=io_uring --iodepth=16 --numjobs=2; }
fio_mmap() { fio_verify mmap --ioengine=mmap --numjobs=2; }
fio_splice() { fio --name=splice --directory=/mnt --size=64M --bs=64k --rw=readwrite --ioengine=splice --time_based --runtime="$seconds" --output-format=terse; }
dbench_run() { dbench -D /mnt -t "$seconds" 2; }
fsmark_run() { fs_mark -d /mnt/fsmark -s 4096 -n 2000 -t 2 -L 2; }
stress_files() { stress-ng --temp-path /mnt --timeout "${seconds}s" --dentry 1 --dir 1 --rename 1 --link 1 --symlink 1 --access 1 --chmod 1 --utime 1 --metrics-brief; }
stress_data() { stress-ng --temp-path /mnt --timeout "${seconds}s" --hdd 1 --hdd-bytes 64M --iomix 1 --iomix-bytes 64M --seek 1 --fallocate 1 --fallocate-bytes 64M --sendfile 1 --copy-file 1 --copy-file-bytes 128M --verify; }
sqlite_run() {
	sqlite3 /mnt/db 'pragma journal_mode=wal; create table t(a, b);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i, hex(randomblob(50)) from n;
		create index x on t(b);' && [[ $(sqlite3 /mnt/db 'pragma integrity_check') == ok && $(sqlite3 /backing/lower/db 'select count(*) from t') == 20000 ]]
}
tar_run() {
	tar -C /usr -cf /mnt/usr.tar include share/zoneinfo && mkdir /mnt/usr && tar -C /mnt/usr -xf /mnt/usr.tar &&
		diff -r --no-dereference /usr/include /mnt/usr/include && diff -r --no-dereference /usr/include /backing/lower/usr/include
}

for w in fio_sync fio_aio fio_uring fio_mmap fio_splice dbench_run fsmark_run stress_files stress_data sqlite_run tar_run; do
	name=${w%_run}
	echo "### begin $name"
	echo "bf-test: $name" >/dev/kmsg
	start=$SECONDS
	"$w" >/tmp/out 2>&1 </dev/null && rc=0 || rc=$?
	sed 's/^/# /' /tmp/out | tail -n 25
	if ((rc == 0)); then echo "ok 1 $name"; else echo "not ok 1 $name"; fi
	echo "1..1"
	echo "### end $name $rc"
	echo "soak_row $BF_FS $name $((SECONDS - start)) $rc"
	find /mnt -mindepth 1 -delete
done
echo "### begin unload"
cd /
# shellcheck disable=SC2086 # a list
if umount /mnt && rmmod ${BF_UNLOAD:-passfs backing_file}; then echo "ok 1 unmount and unload"; else echo "not ok 1 unmount and unload"; fi
echo "1..1"
echo "### end unload 0"
