#!/bin/bash
# In the guest: FUSE passthrough on the kernel's helpers (fuse.ko) and then on ours (rust_fuse.ko): both must do the same.
. /run/bf/env
n=0
result() { # STATUS NAME
	n=$((n + 1))
	if (($1 == 0)); then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

py() { python3 -c "import mmap, os, fcntl
$1"; }
same() { cmp /tmp/fuse/f /backing/f && echo same; }

reads() { head -n 2 /tmp/fuse/f; tail -c 10 /tmp/fuse/f; md5sum </tmp/fuse/f; }
writes() { echo text | dd of=/tmp/fuse/f bs=1 seek=2 conv=notrunc status=none; head -c 8 /tmp/fuse/f; same; }
appends() { echo more >>/tmp/fuse/f; stat -c %s /tmp/fuse/f; tail -n 1 /backing/f; same; }
splices() {
	py '
f = os.open("/tmp/fuse/f", os.O_RDWR)
r, w = os.pipe()
print(os.splice(f, w, 5000, offset_src=100), os.read(r, 5000)[:9])
size = os.fstat(f).st_size
os.write(w, b"spliced")
print(os.splice(r, f, 7, offset_dst=size), os.fstat(f).st_size - size, os.pread(f, 7, size))
'
	same
}
maps() {
	py '
f = os.open("/tmp/fuse/f", os.O_RDWR)
m = mmap.mmap(f, 8192)
m[0:6] = b"MAPPED"
print(os.pread(f, 6, 0), [l.split()[-1] for l in open("/proc/self/maps") if l.endswith("/f\n")])
'
	same
}
direct() {
	dd if=/dev/zero of=/tmp/fuse/f bs=4k seek=4 count=4 oflag=direct conv=notrunc status=none
	dd if=/tmp/fuse/f bs=4k count=8 iflag=direct status=none | md5sum
	same
}
executes() { cat "$(type -P echo)" >/tmp/fuse/f; chmod 755 /tmp/fuse/f; /tmp/fuse/f runs; same; }
asynchronous() {
	local engine
	truncate -s 2M /tmp/fuse/f # or fio would remove it first
	for engine in libaio io_uring psync; do
		fio --name=f --filename=/tmp/fuse/f --size=2M --bs=4k --rw=randwrite --verify=crc32c --verify_fatal=1 --do_verify=1 \
			--verify_state_save=0 --direct=1 --ioengine="$engine" --iodepth=8 --output=/tmp/fio || { cat /tmp/fio; return 1; }
		same
	done
}
tests="reads writes appends splices maps direct executes asynchronous"

run() { # KIND
	local t
	seq 10000 >/backing/f
	/run/bf/fuse_server /backing/f /tmp/fuse || return
	for t in $tests; do
		echo "bf-test: $t $1" >/dev/kmsg
		"$t" >"/tmp/$t.$1" 2>&1
		echo "status $?" >>"/tmp/$t.$1"
	done
	umount /tmp/fuse
}

mkdir -p /tmp/fuse
echo "### begin passthrough"
modprobe fuse && run theirs
result $? "with the kernel's helpers"
for ((i = 0; i < 50; i++)); do rmmod fuse 2>/dev/null && break; sleep 0.2; done
insmod /run/bf/rust_fuse.ko && run ours
result $? "with ours"
for t in $tests; do
	diff "/tmp/$t.theirs" "/tmp/$t.ours" && grep -qx "status 0" "/tmp/$t.ours"
	rc=$?
	sed 's/^/# /' "/tmp/$t.ours"
	result $rc "$t"
done
for ((i = 0; i < 50; i++)); do rmmod rust_fuse 2>/dev/null && break; sleep 0.2; done
[[ ! -d /sys/module/rust_fuse ]]
result $? "unloads"
echo "1..$n"
echo "### end passthrough 0"
