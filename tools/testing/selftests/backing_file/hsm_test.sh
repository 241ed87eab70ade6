#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promise: ordinary programs that use placeholders through the stack find the right content, and the storage manager of
# samples/hsm fills no more than the chunks of 1 MiB that they touch.
#
# It watches the backing folder. tmpfs has no pre-content events; there it watches the stack, which has.
set -u
hsm=$(dirname "$(readlink -f "$0")")/bin/hsm
store=$(mktemp -d) log=$(mktemp) stack=${BF_STACK:?} folder=${BF_BACKING:?}
[[ ${BF_FS-} != tmpfs ]] || folder=$stack
count=0 failed=0

result() { # STATUS NAME
	count=$((count + 1))
	if (($1 == 0)); then echo "ok $count $2"; else sed 's/^/# /' "$log"; echo "not ok $count $2"; failed=1; fi
}

# Chunks filled since the last call
filled() { awk '/filled/ { n += $(NF - 1) } END { print n + 0 }' "$log"; : >"$log"; }

# expect NAME CHUNKS COMMAND: what COMMAND prints of a file is what it prints of the original; "-" is any number
expect() {
	local got n
	got=$(cd "$stack" && bash -c "$3" 2>&1 | sha256sum)
	n=$(filled)
	test "$got" = "$(cd "$store" && bash -c "$3" 2>&1 | sha256sum)"
	result $? "$1: right content"
	[[ $2 != - ]] || return
	[[ $n == "$2" ]] || echo "# filled $n chunks"
	test "$n" = "$2"
	result $? "$1: fills $2"
}

"$hsm" --help | grep -q '^Usage: hsm'
result $? "--help"
"$hsm" "$folder" /nonexistent 2>&1 | grep -q 'cannot read /nonexistent: No such file'
result $? "an error names the path"

dd if=/dev/urandom of="$store/big" bs=1M count=64 status=none
seq -f 'line %g of a text that is as long as a few chunks are' 40000 >"$store/text"
cp "$(command -v busybox)" "$store/busybox"
mkfifo "$store.ready"
"$hsm" --create --ready 3 "$folder" "$store" >>"$log" 2>&1 3>"$store.ready" &
manager=$!
cat "$store.ready"
stat -c '%s %b' "$stack/big" | grep -qx "$((64 << 20)) 0"
result $? "placeholders have the size and no content"

expect "head -c 100" 1 "head -c 100 big"
expect "the same again" 0 "head -c 100 big"
expect "dd skip=10" 1 "dd if=big bs=1M skip=10 count=1 status=none"
expect "tail -c 50" 1 "tail -c 50 big"
expect "mmap of two pages" 1 "python3 -c '
import mmap, os, sys
f = os.open(\"big\", os.O_RDONLY)
sys.stdout.buffer.write(mmap.mmap(f, 8192, mmap.MAP_SHARED, mmap.PROT_READ, offset=30 << 20)[:])'"
expect "splice" 1 "python3 -c '
import os, sys
f = os.open(\"big\", os.O_RDONLY)
r, w = os.pipe()
n = os.splice(f, w, 5000, offset_src=40 << 20)
sys.stdout.buffer.write(os.read(r, n))'"
expect "grep" - "grep -c 'line 39999 ' text"
expect "a program runs" 2 "./busybox echo from a placeholder"
expect "cp" - "cp big /tmp/hsm-copy && cat /tmp/hsm-copy"
rm -f /tmp/hsm-copy

: >"$stack/text"
truncate -s 1M "$stack/text"
! tr -d '\0' <"$stack/text" | grep -q .
result $? "what was cut off does not come back"

kill "$manager"
wait "$manager"
result $? "it ends when told to"
grep -q ' refused$' "$log"
result $? "it prints a summary"
rm -rf "$store" "$store.ready" "$log"
echo "1..$count"
exit $failed
