#!/bin/bash
# In the guest: scenarios on overlayfs, on the kernel's helpers (the type overlay) and on ours (rust_overlay). Each prints
# what a program sees, without inode numbers and times; both must print the same, and end with success.
. /run/bf/guest.sh
set -o pipefail

py() { python3 -c "import mmap, os, stat, sys, fcntl
$1"; }

# What is below before the mount
lay() {
	seq 20000 >/backing/low/seq
	echo low >/backing/low/small
	cp "$(type -P busybox)" /backing/low/busybox
	printf '#!/bin/sh\necho script "$@"\n' >/backing/low/script
	chmod 755 /backing/low/script
	mkdir /backing/low/dir
	echo in >/backing/low/dir/in
}

# An open file is followed to the upper layer; what was mapped before stays what it was.
copy_up() {
	py '
f = os.open("seq", os.O_RDONLY)
old = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
print(os.pread(f, 6, 0), old[:6])
g = os.open("seq", os.O_WRONLY)
os.pwrite(g, b"CHANGE", 0)
print(os.pread(f, 6, 0), old[:6], os.fstat(f).st_size, os.lseek(f, 0, os.SEEK_END))
new = mmap.mmap(f, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
print(new[:6])
h = os.open("small", os.O_RDWR | os.O_APPEND)
for i in range(3):
	os.write(h, b"more\n")
print(os.pread(h, 100, 0))
os.ftruncate(h, 2); os.write(h, b"x")
print(os.pread(h, 100, 0))
'
	md5sum seq /backing/lower/seq /backing/low/seq
	chmod 600 dir/in
	stat -c '%n %a %s' dir/in /backing/lower/dir/in
	rm dir/in
	ls dir
}

maps() {
	py '
f = os.open("map", os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 1 << 20)
m = mmap.mmap(f, 1 << 20)
m[0:5] = b"hello"; m[-5:] = b"there"
print(os.pread(f, 5, 0), os.pread(f, 9, (1 << 20) - 5))
os.pwrite(f, b"J", 0); print(m[:5])
print([l.split()[-1] for l in open("/proc/self/maps") if "/map" in l])
m.flush(); m.close()
try: mmap.mmap(os.open("map", os.O_RDONLY), 4096)
except OSError as e: print(e.errno)
'
	cmp map /backing/lower/map
}

executes() {
	./busybox echo a program from below
	./script from below
	cp "$(type -P echo)" copy && ./copy a copy
	cp "$(type -P sleep)" running
	echo >>script && ./script copied up
	./running 1000 &
	for ((i = 0; i < 300; i++)); do [[ $(readlink "/proc/$!/exe") == */running ]] && break; sleep 0.1; done
	(echo x >>running) 2>&1 | sed 's/.*line [0-9]*: //'
	kill $!
}

moves() {
	py '
r, w = os.pipe()
f = os.open("seq", os.O_RDWR)
print(os.splice(f, w, 5000, offset_src=100), os.read(r, 5000)[:8])
os.write(w, b"s" * 3000)
print(os.splice(r, f, 3000, offset_dst=50), os.pread(f, 8, 48))
g = os.open("sent", os.O_RDWR | os.O_CREAT)
print(os.sendfile(g, f, 0, 60000), os.fstat(g).st_size, os.lseek(g, 0, os.SEEK_CUR))
print(os.copy_file_range(f, g, 1000, 0, 100), os.pread(g, 8, 98))
a = os.open("sent", os.O_WRONLY | os.O_APPEND)
os.write(w, b"s")
try: os.splice(r, a, 1)
except OSError as e: print(e.errno)
fcntl.fcntl(a, fcntl.F_SETFL, 0)
print(os.splice(r, a, 1, offset_dst=7), os.pread(g, 3, 6))
'
	cp --reflink=always seq clone && cmp seq clone && echo cloned
}

direct() {
	dd if=/dev/zero of=zeros bs=4k count=64 oflag=direct status=none
	dd if=seq bs=4k iflag=direct status=none | md5sum
	py '
f = os.open("zeros", os.O_RDWR | os.O_DIRECT)
b = mmap.mmap(-1, 8192); b[:] = b"d" * 8192
print(os.pwritev(f, [b], 4096), os.preadv(f, [b], 0), b[:2], b[4096:4098])
try: os.pwrite(f, b"odd", 1)
except OSError as e: print(e.errno)
fcntl.fcntl(f, fcntl.F_SETFL, 0)
print(os.pwrite(f, b"odd", 1), os.pread(f, 5, 0))
'
	stat -c %s zeros
}

appends() {
	for i in 1 2 3 4; do
		for ((j = 0; j < 200; j++)); do echo "$i $j"; done >>log &
	done
	wait
	sort log | md5sum
	wc -l <log
}

privileges() {
	cp busybox suid
	py '
for how in "write", "splice", "fallocate", "copy":
	os.chmod("suid", 0o6755)
	pid = os.fork()
	if not pid:
		f = os.open("suid", os.O_WRONLY)
		g = os.open("seq", os.O_RDONLY)
		os.setgid(1000); os.setuid(1000)
		if how == "write": os.write(f, b"x")
		if how == "splice":
			r, w = os.pipe(); os.write(w, b"x"); os.splice(r, f, 1)
		if how == "fallocate": os.posix_fallocate(f, 0, 100)
		if how == "copy": os.copy_file_range(g, f, 10)
		os._exit(0)
	print(os.waitpid(pid, 0)[1], how, oct(os.stat("suid").st_mode), oct(os.stat("/backing/lower/suid").st_mode))
'
	setcap cap_net_raw+ep suid && getcap suid
	echo x >>suid
	getcap suid
}

tmpfiles() {
	py '
f = os.open(".", os.O_RDWR | os.O_TMPFILE, 0o640)
os.write(f, b"nameless")
m = mmap.mmap(f, 0); print(m[:8]); m[0:1] = b"N"
os.link("/proc/self/fd/%d" % f, "named", src_dir_fd=0, follow_symlinks=True)
print(open("named").read(), oct(os.stat("named").st_mode), os.fstat(f).st_nlink)
'
	wc -c </backing/lower/named
}

loops() {
	local dev
	modprobe -q loop
	truncate -s 64M disk
	dev=$(losetup -f --show --direct-io=on disk)
	losetup -n -O DIO "$dev"
	mkfs.ext4 -q -F "$dev" && mkdir -p /tmp/loop && mount "$dev" /tmp/loop || return
	cp seq /tmp/loop/ && sync -f /tmp/loop && umount /tmp/loop && mount "$dev" /tmp/loop
	cmp seq /tmp/loop/seq && echo same
	umount /tmp/loop && losetup -d "$dev"
}

asynchronous() {
	local engine
	for engine in libaio io_uring; do
		fio --name="$engine" --directory=. --size=4M --bs=4k --rw=randwrite --verify=crc32c --verify_fatal=1 --do_verify=1 \
			--verify_state_save=0 --direct=1 --ioengine="$engine" --iodepth=16 --output=/tmp/fio || { cat /tmp/fio; return 1; }
		stat -c '%n %s' "$engine.0.0"
	done
}

# An overlay of type $1 whose lower layer is this one
stacked() {
	local d=/tmp/stacked up=/backing/nested
	rm -rf $up
	mkdir -p $d $up/up $up/work
	mount -t "$1" -o lowerdir=/mnt,upperdir=$up/up,workdir=$up/work "$1" $d || return
	(cd $d && echo here >>small && py '
f = os.open("seq", os.O_RDONLY)
old = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
print([l.split()[-1] for l in open("/proc/self/maps") if "seq" in l], old[:4], os.pread(f, 4, 1000))
r, w = os.pipe()
print(os.splice(f, w, 100, offset_src=50), os.read(r, 100)[:9])
g = os.open("seq", os.O_RDWR)
m = mmap.mmap(g, 4096); m[0:1] = b"M"
os.write(w, b"spliced")
print(os.splice(r, g, 7, offset_dst=9), os.pread(f, 17, 0), old[:4])
print([l.split()[-1] for l in open("/proc/self/maps") if "seq" in l])
' && cat small)
	tail -n 1 $up/up/small small
	umount $d
}
nested() { stacked "$KIND"; }
nested_on_theirs() { stacked "$([[ $KIND == overlay ]] && echo rust_overlay || echo overlay)"; }

# Only the attributes are copied up until the content changes.
metacopy() {
	cd / && umount /mnt && mount -t "$KIND" -o metacopy=on,redirect_dir=on,lowerdir=/backing/low,upperdir=/backing/lower,workdir=/backing/work "$KIND" /mnt && cd /mnt || return
	py '
f = os.open("seq", os.O_RDONLY)
os.chmod("seq", 0o600)
print(os.pread(f, 8, 100), os.stat("/backing/lower/seq").st_blocks)
m = mmap.mmap(f, 4096, mmap.MAP_SHARED, mmap.PROT_READ); print(m[:4])
g = os.open("seq", os.O_RDWR); os.pwrite(g, b"up", 100)
print(os.pread(f, 8, 100), os.stat("/backing/lower/seq").st_blocks > 0)
os.fsync(g); os.fsync(f)
'
	mv dir renamed && cat renamed/in
}

# Writes that the mount need not make durable
volatile() {
	cd / && umount /mnt && rm -rf /backing/work && mkdir /backing/work &&
		mount -t "$KIND" -o volatile,lowerdir=/backing/low,upperdir=/backing/lower,workdir=/backing/work "$KIND" /mnt && cd /mnt || return
	py '
f = os.open("sync", os.O_RDWR | os.O_CREAT | os.O_DSYNC)
print(os.write(f, b"x" * 10000), os.pwritev(f, [b"y"], 0, os.RWF_DSYNC))
os.fsync(f)
'
	stat -c %s sync /backing/lower/sync
	cd / && umount /mnt
	(cd /backing/work && rm -rf work/incompat)
}

full() {
	cd / && umount /mnt && mkdir -p /tmp/full && mount -t tmpfs -o size=1M tmpfs /tmp/full && mkdir /tmp/full/up /tmp/full/work &&
		mount -t "$KIND" -o lowerdir=/backing/low,upperdir=/tmp/full/up,workdir=/tmp/full/work "$KIND" /mnt && cd /mnt || return
	py '
f = os.open("big", os.O_RDWR | os.O_CREAT)
try:
	while True: os.write(f, b"x" * 65536)
except OSError as e: print(e.errno)
print(os.fstat(f).st_size == os.stat("/tmp/full/up/big").st_size, os.fstat(f).st_size > 500000)
r, w = os.pipe(); os.write(w, b"s" * 4096)
try: os.splice(r, f, 4096, offset_dst=os.fstat(f).st_size + 65536)
except OSError as e: print(e.errno)
'
	cd / && umount /mnt /tmp/full
}

n=0
echo "### begin scenarios"
for scenario in copy_up maps executes moves direct appends privileges tmpfiles loops asynchronous nested nested_on_theirs metacopy volatile full; do
	for KIND in overlay rust_overlay; do
		echo "bf-test: $scenario $KIND" >/dev/kmsg
		# The layers have content before they are mounted
		fresh "$KIND" && umount /mnt && lay && mount -t "$KIND" -o lowerdir=/backing/low,upperdir=/backing/lower,workdir=/backing/work "$KIND" /mnt
		(cd /mnt && "$scenario") >"/tmp/$scenario.$KIND" 2>&1
		echo "status $?" >>"/tmp/$scenario.$KIND"
	done
	n=$((n + 1))
	if diff "/tmp/$scenario.overlay" "/tmp/$scenario.rust_overlay" && [[ $(tail -n 1 "/tmp/$scenario.rust_overlay") == "status 0" ]]; then
		sed 's/^/# /' "/tmp/$scenario.rust_overlay"
		echo "ok $n $scenario"
	else
		sed 's/^/# /' "/tmp/$scenario.rust_overlay"
		echo "not ok $n $scenario"
	fi
done
echo "1..$n"
echo "### end scenarios 0"

fresh rust_overlay
part unload unload
