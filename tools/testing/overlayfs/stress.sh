#!/bin/bash
# In the guest: the whole filesystem class of stress-ng on overlayfs, BF_SECONDS for each stressor, on the kernel's helpers
# and on ours: what succeeds there must succeed here. Then fsx and fio, which verify what they wrote.
. /run/bf/guest.sh

# Stressors need a folder of their own and a time; --verify has them check what they read.
stressors=$(stress-ng --class filesystem? 2>&1 | sed -n "s/.*class 'filesystem' stressors: //p")
echo "### begin stress-ng"
n=0
for s in $stressors; do
	for kind in overlay rust_overlay; do
		echo "bf-test: stress-ng $s $kind" >/dev/kmsg
		fresh "$kind"
		(cd /mnt && timeout -k 5 $((BF_SECONDS * 10 + 120)) stress-ng --"$s" 2 --timeout "${BF_SECONDS}s" --verify --temp-path /mnt) >"/tmp/$kind" 2>&1
		echo $? >"/tmp/$kind.rc"
	done
	n=$((n + 1))
	if [[ $(</tmp/rust_overlay.rc) == 0 ]]; then
		echo "ok $n $s"
	elif [[ $(</tmp/overlay.rc) != 0 ]]; then
		echo "ok $n $s: status $(</tmp/rust_overlay.rc), on the kernel's helpers $(</tmp/overlay.rc)"
	else
		sed 's/^/# /' /tmp/rust_overlay | tail -n 20
		echo "not ok $n $s"
	fi
done
echo "1..$n"
echo "### end stress-ng 0"
fresh rust_overlay
BF_UNLOAD="rust_overlay passfs backing_file" BF_SEEDS=1 BF_OPS=8000 BF_SIZE=16M bash /run/bf/verify.sh
