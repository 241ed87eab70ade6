#!/bin/bash
# What `make hsm` shows, run in the guest: placeholders, used through passfs, that a storage manager fills as needed.
set -euo pipefail
shopt -s inherit_errexit
folder=/backing/lower store=/tmp/store log=/tmp/hsm.log

chapter() { printf '\n--- %s\n' "$*"; }
sizes() { (cd "$1" && stat -c '  %n: %s bytes, %b blocks' -- *); }
fail() { echo "  => $*"; exit 1; }

# use CHUNKS COMMAND: runs it among the placeholders, and shows what the storage manager did meanwhile. It must print what
# it prints among the originals, and CHUNKS must have been filled (-: any number).
use() {
	local got want n
	printf '\n$ %s\n' "$2"
	got=$(cd /mnt && bash -c "$2" 2>&1)
	want=$(cd "$store" && bash -c "$2" 2>&1)
	sed 's/^/  /' <<<"$got"
	sed 's/^/  hsm: /' "$log" | awk 'NR <= 3; END { if (NR > 3) print "  hsm: ... and " NR - 3 " lines more" }'
	[[ $got == "$want" ]] || fail "not what the original has: $want"
	n=$(awk '/filled/ { n += $(NF - 1) } END { print n + 0 }' "$log")
	: >"$log"
	[[ $1 == - || $n == "$1" ]] || fail "$n chunks were filled, not $1"
}

chapter "A content store: a file of 64 MiB, a text, a program"
mkdir "$store"
dd if=/dev/urandom of="$store/big" bs=1M count=64 status=none
seq -f 'line %g of a text that is as long as a few chunks are' 40000 >"$store/text"
cp "$(command -v busybox)" "$store/busybox"
sizes "$store"

chapter "hsm watches a folder of $BF_FS, and makes placeholders there: the right size, no content"
mkfifo /tmp/ready
/run/bf/hsm --create --ready 3 "$folder" "$store" >>"$log" 3>/tmp/ready &
manager=$!
cat /tmp/ready
sizes "$folder"

chapter "passfs is mounted over the folder; hsm knows nothing of it. A chunk is 1 MiB"
findmnt -no SOURCE,FSTYPE,TARGET /mnt | sed 's/^/  /'
cat >/tmp/two_pages.py <<'PY'
import hashlib, mmap, os
m = mmap.mmap(os.open("big", os.O_RDONLY), 8192, mmap.MAP_SHARED, mmap.PROT_READ, offset=30 << 20)
print(hashlib.sha256(m).hexdigest())
PY
cat >/tmp/splice.py <<'PY'
import hashlib, os
r, w = os.pipe()
n = os.splice(os.open("big", os.O_RDONLY), w, 5000, offset_src=40 << 20)
print(n, hashlib.sha256(os.read(r, n)).hexdigest())
PY
use 1 "head -c 100 big | sha256sum"
use 0 "head -c 100 big | sha256sum"
use 1 "dd if=big bs=1M skip=10 count=1 status=none | sha256sum"
use 1 "tail -c 50 big | sha256sum"
use 1 "python3 /tmp/two_pages.py"
use 1 "python3 /tmp/splice.py"
use - "grep 'line 39999 ' text"
use 2 "./busybox echo a program that was a placeholder"
use 59 "cp big /tmp/copy && sha256sum </tmp/copy"

chapter "Now everything is there; hsm ends"
kill "$manager"
wait "$manager"
sed 's/^/  hsm: /' "$log"
