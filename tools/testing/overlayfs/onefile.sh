#!/bin/bash
# In the guest: samples/onefile, a filesystem in C on our header, over a file of the backing filesystem.
. /run/bf/env
n=0
check() { # NAME COMMAND...
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >/tmp/out 2>&1; then echo "ok $n $name"; else sed 's/^/# /' /tmp/out; echo "not ok $n $name"; fi
}
refused() { ! "$@"; }
same() { cmp /tmp/f /backing/f; }

py() { python3 -c "import mmap, os, fcntl
$1"; }
reads() { [[ $(head -n 3 /tmp/f) == $'1\n2\n3' ]] && same; }
writes() { echo text | dd of=/tmp/f bs=1 seek=2 conv=notrunc status=none && [[ $(head -c 6 /tmp/f) == $'1\ntext' ]] && same; }
appends() {
	local size
	size=$(stat -c %s /backing/f)
	echo more >>/tmp/f && [[ $(stat -c %s /tmp/f) == $((size + 5)) && $(tail -n 1 /backing/f) == more ]] && same
}
truncates() { truncate -s 100 /tmp/f && [[ $(stat -c %s /backing/f) == 100 ]] && seq 10000 >/tmp/f && same; }
splices() {
	py '
f = os.open("/tmp/f", os.O_RDWR)
r, w = os.pipe()
assert os.splice(f, w, 5000, offset_src=100) == 5000
got = os.read(r, 5000)
assert got == os.pread(f, 5000, 100)
size = os.fstat(f).st_size
os.write(w, b"spliced")
assert os.splice(r, f, 7, offset_dst=size) == 7
assert os.fstat(f).st_size == size + 7
assert os.pread(f, 7, size) == b"spliced"
' && same
}
maps() {
	py '
f = os.open("/tmp/f", os.O_RDWR)
m = mmap.mmap(f, 8192)
m[0:6] = b"MAPPED"
assert os.pread(f, 6, 0) == b"MAPPED"
assert [l.split()[-1] for l in open("/proc/self/maps") if l.endswith("/f\n")] == ["/tmp/f"]
' && same
}
executes() { cat "$(type -P echo)" >/tmp/f && chmod 755 /tmp/f && [[ $(/tmp/f runs) == runs ]] && same; }
suid() {
	chmod 4755 /tmp/f && [[ $(stat -c %a /backing/f) == 4755 ]] &&
		py '
f = os.open("/tmp/f", os.O_WRONLY)
os.setgid(1000); os.setuid(1000)
os.write(f, b"x")' && [[ $(stat -c %a /backing/f) == 755 && $(stat -c %a /tmp/f) == 755 ]]
}
fio_verify() {
	truncate -s 4M /tmp/f # or fio would remove it first
	fio --name=f --filename=/tmp/f --size=4M --bs=4k --rw=randwrite --verify=crc32c --verify_fatal=1 --do_verify=1 --verify_state_save=0 "$@" && same
}
held() { exec 5</tmp/f; refused umount /tmp/f && refused rmmod onefile; local rc=$?; exec 5<&-; return $rc; }

echo "### begin onefile"
seq 10000 >/backing/f
echo hidden >/tmp/f
check "loads" insmod /run/bf/onefile.ko
check "a folder is refused" refused mount -t onefile /backing /tmp/f
check "mounts" mount -t onefile /backing/f /tmp/f
check "itself is refused" refused mount -t onefile /tmp/f /tmp/f
check "reads" reads
check "writes" writes
check "appends" appends
check "truncates" truncates
check "splices" splices
check "maps" maps
check "executes" executes
check "a write takes the set-user-id bit away" suid
check "fio psync" fio_verify --ioengine=psync
check "fio psync, direct" fio_verify --ioengine=psync --direct=1
check "fio libaio, direct" fio_verify --ioengine=libaio --iodepth=16 --direct=1
check "fio io_uring" fio_verify --ioengine=io_uring --iodepth=16
check "fio io_uring, direct" fio_verify --ioengine=io_uring --iodepth=16 --direct=1
check "fio mmap" fio_verify --ioengine=mmap
check "an open file holds mount and module" held
check "unmounts" umount /tmp/f
check "unloads" rmmod onefile
echo "1..$n"
echo "### end onefile 0"
