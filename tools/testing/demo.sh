#!/bin/bash
# What `make run` shows, run in the guest: the modules, the mount, files seen from both sides, mmap, splice, unload.
set -euo pipefail
shopt -s inherit_errexit

chapter() { printf '\n--- %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; bash -c "$*" 2>&1 | sed 's/^/  /'; return "${PIPESTATUS[0]}"; }
same() { if [[ $1 == "$2" ]]; then echo "  => equal"; else echo "  => DIFFERENT"; exit 1; fi; }
sum() { sha256sum "$1" | cut -d' ' -f1; }

. /run/bf/env

chapter "A backing file system ($BF_FS) with a folder in it"
BF_SETUP=backing /run/bf/setup up
show "findmnt -no SOURCE,FSTYPE,TARGET /backing"

chapter "Two Rust modules on kernel $(uname -r): the library, and a stacking file system that links it"
echo "bf-test: expect passfs: Unknown symbol" >/dev/kmsg
if insmod /run/bf/passfs.ko 2>/dev/null; then echo "passfs loaded without its library"; exit 1; fi
echo "bf-test: expect" >/dev/kmsg
echo "  (passfs alone is refused: it needs backing_file)"
show "insmod /run/bf/backing_file.ko && insmod /run/bf/passfs.ko"
show "lsmod | grep -E '^(Module|backing_file|passfs)'"
lsmod | grep -qE '^backing_file .* passfs'

chapter "passfs over the folder"
show "mount -t passfs /backing/lower /mnt"
show "findmnt -no SOURCE,FSTYPE,TARGET /mnt"

chapter "A file written through passfs, read back from the backing file system"
show "dd if=/dev/urandom of=/mnt/a bs=64k count=64 status=none; sha256sum /mnt/a /backing/lower/a"
same "$(sum /mnt/a)" "$(sum /backing/lower/a)"

chapter "The other way round"
show "seq 200000 > /backing/lower/b; sha256sum /backing/lower/b /mnt/b"
same "$(sum /mnt/b)" "$(sum /backing/lower/b)"

chapter "Names, attributes, folders"
show "mkdir /mnt/dir && mv /mnt/b /mnt/dir/c && ln -s dir/c /mnt/link && chmod 640 /mnt/dir/c && stat -c '%A %s %n' /mnt/dir/c /backing/lower/dir/c && readlink /mnt/link"

chapter "mmap: a page changed through a mapping, and what /proc/self/maps says"
cat >/tmp/demo_mmap.py <<'PY'
import mmap, os
fd = os.open("/mnt/a", os.O_RDWR)
m = mmap.mmap(fd, 65536)
m[4096:4104] = b"via mmap"
print([line.split()[-1] for line in open("/proc/self/maps") if line.rstrip().endswith("/a")][0], "is the path of the mapping")
m.flush()
print(open("/backing/lower/a", "rb").read()[4096:4104].decode(), "is what the backing file holds")
PY
show "python3 /tmp/demo_mmap.py"
python3 /tmp/demo_mmap.py | grep -q '^/mnt/a is'
python3 /tmp/demo_mmap.py | grep -q '^via mmap is'

chapter "splice: file to pipe to file, no copy through user space"
cat >/tmp/demo_splice.py <<'PY'
import os
src, dst = os.open("/mnt/a", os.O_RDONLY), os.open("/mnt/s", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
r, w = os.pipe()
total = 0
while n := os.splice(src, w, 65536):
    while n:
        moved = os.splice(r, dst, n)
        n -= moved
        total += moved
print(total, "bytes spliced")
PY
show "python3 /tmp/demo_splice.py; sha256sum /mnt/a /backing/lower/s"
same "$(sum /mnt/a)" "$(sum /backing/lower/s)"

chapter "Unmount and unload"
show "umount /mnt && rmmod passfs && rmmod backing_file && umount /backing"
if lsmod | grep -E '^(backing_file|passfs) '; then echo "a module is still loaded"; exit 1; fi
echo "  (both are gone)"
