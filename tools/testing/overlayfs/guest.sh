# shellcheck shell=bash
# Sourced by the guest scripts of this folder: overlayfs on the kernel's helpers and on ours.
. /run/bf/env

# fresh KIND: a new overlay of that filesystem type at /mnt over /backing/low, with /backing/lower as its upper layer
fresh() {
	cd /
	while mountpoint -q /mnt; do umount /mnt || return; done
	chattr -R -i -a /backing/lower 2>/dev/null
	rm -rf /backing/lower /backing/low /backing/work
	mkdir /backing/lower /backing/low /backing/work
	mount -t "$1" -o lowerdir=/backing/low,upperdir=/backing/lower,workdir=/backing/work "$1" /mnt
}

# part NAME COMMAND...: a part of the output, as the host wants it
part() {
	local name=$1 rc=0
	shift
	echo "### begin $name"
	echo "bf-test: $name" >/dev/kmsg
	"$@" || rc=$?
	echo
	echo "### end $name $rc"
}

unload() {
	cd /
	if umount /mnt && rmmod rust_overlay && rmmod passfs && rmmod backing_file; then echo "ok 1 unmount and unload"; else echo "not ok 1 unmount and unload"; fi
	echo "1..1"
}

insmod /run/bf/rust_overlay.ko
