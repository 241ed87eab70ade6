# shellcheck shell=bash
# Linux's own overlayfs, unchanged, with its backing files in Rust: the C interface
# in: test soak

# The source is the kernel's and stays out of our tree; how its calls become ours is in overlayfs/redirect.h.
overlayfs_build() {
	remove "$OUT.overlayfs"
	mkdir -p "$OUT.overlayfs"
	cp "$KDIR"/fs/overlayfs/{Makefile,*.c,*.h} "$BF_TESTING"/overlayfs/{Kbuild,redirect.h} "$OUT.overlayfs/"
	"$BF_VM/enter" make --no-print-directory -C "$KDIR" M="$OUT.overlayfs" BACKING_FILE="$OUT" BACKING_FILE_INCLUDE="$BF_TOP/include" \
		"${KBUILD_ARGS[@]}" modules
}

# imports MODULE: the backing file helpers it needs from elsewhere, sorted
imports() { "$BF_VM/enter" nm -u "$1" | awk '{ print $2 }' | grep -E '^(rust_)?backing_(tmp)?file_' | sort; }

# Its backing files are ours, all of them: none of the kernel's helpers is left.
overlayfs_redirected() {
	local want
	want=$(printf 'rust_backing_%s\n' file_mmap file_open file_read_iter file_splice_read file_splice_write file_write_iter tmpfile_open)
	diff <(printf '%s\n' "$want") <(imports "$OUT.overlayfs/rust_overlay.ko")
}

# What is built is what the kernel has.
overlayfs_untouched() {
	local f
	for f in "$KDIR"/fs/overlayfs/*.[ch]; do cmp "$f" "$OUT.overlayfs/${f##*/}"; done
}

t_run "build overlayfs on the Rust helpers" overlayfs_build
t_run "its sources are the kernel's" overlayfs_untouched
t_run "it uses no C helper for backing files" overlayfs_redirected
