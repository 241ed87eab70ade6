# shellcheck shell=bash
# What the suites of overlayfs share, on the stock and on the debug kernel. Sourced by them.

# copied NAME: fs/NAME of the kernel's source in $OUT.NAME, and beside it what makes its calls ours. No kernel source enters
# our tree.
copied() {
	remove "$OUT.$1"
	mkdir -p "$OUT.$1"
	cp "$KDIR/fs/$1"/{Makefile,*.c,*.h} "$BF_TESTING/$1/Kbuild" "$BF_TESTING"/overlayfs/{helpers,names}.h "$OUT.$1/"
}

consumer_build() { # NAME
	copied "$1"
	"$BF_VM/enter" make --no-print-directory -j"$BF_JOBS" -C "$KDIR" M="$OUT.$1" BACKING_FILE="$OUT" BACKING_FILE_INCLUDE="$BF_TOP/include" \
		"${KBUILD_ARGS[@]}" modules
}

# What is built is what the kernel has.
untouched() { # NAME
	local f
	for f in "$KDIR/fs/$1"/*.[ch]; do cmp "$f" "$OUT.$1/${f##*/}"; done
}

# redirected MODULE HELPER...: these are ours, and none of the kernel's helpers for backing files is needed any more
redirected() {
	local module=$1
	shift
	diff <(printf 'rust_backing_%s\n' "$@" | sort) \
		<("$BF_VM/enter" nm -u "$module" | awk '{ print $2 }' | grep -E '^(rust_)?backing_(tmp)?file_' | sort)
}
HELPERS=(file_mmap file_open file_read_iter file_splice_read file_splice_write file_write_iter)

ksft_cc() { # OUTPUT SOURCE-OR-OPTION...
	local out=$1
	shift
	"$BF_VM/enter" gcc -std=gnu11 -O2 -g -D_GNU_SOURCE= -isystem "$KDIR/usr/include" -I"$KDIR/tools/testing/selftests" -o "$out" "$@"
}

hooks_build() {
	local backing=$BF_TESTING/selftests/backing_file
	ksft_cc "$OUT.overlayfs/hooks_test" -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Werror \
		"$BF_TESTING/overlayfs/hooks_test.c" "$backing"/hsm*.c -pthread
}

# The kernel's selftests of overlayfs, as they are and with our name for it
kernel_selftests_build() {
	local from=$KDIR/tools/testing/selftests to src f
	for to in kernel kernel-rust; do
		src=$OUT.overlayfs/$to.src
		mkdir -p "$OUT.overlayfs/$to" "$src"
		# They include each other's headers
		(cd "$from" && cp --parents ./*.h {pidfd,clone3}/*.h filesystems/{,overlayfs/}*.[ch] "$src")
		[[ $to == kernel ]] || sed -i 's/"overlay"/"rust_overlay"/g' "$src"/filesystems/overlayfs/*.c
		for f in "$src"/filesystems/overlayfs/*.c; do
			f=$(basename "$f" .c)
			ksft_cc "$OUT.overlayfs/$to/$f" "$src/filesystems/overlayfs/$f.c" "$src/filesystems/utils.c" -lcap
		done
	done
}

# The selftests of passfs that any stacking filesystem can run
stack_selftests_build() {
	local t
	selftests_build
	mkdir -p "$OUT.overlayfs/selftests"
	for t in rw splice mmap aio uring; do cp "$OUT/selftests/${t}_test" "$OUT.overlayfs/selftests/"; done
}

# overlayfs_suite: all of it, on the kernel that guest_prepare prepared
overlayfs_suite() {
	export BF_SETUP=modules TIMEOUT=${TIMEOUT:-1800}
	local -a with=("$BF_TESTING/overlayfs/guest.sh" "$OUT.overlayfs/rust_overlay.ko")

	t_run "build overlayfs on the Rust helpers" consumer_build overlayfs
	t_run "its sources are the kernel's" untouched overlayfs
	t_run "it uses no C helper for backing files" redirected "$OUT.overlayfs/rust_overlay.ko" "${HELPERS[@]}" tmpfile_open
	t_run "build the tests of hooks" hooks_build
	t_guest "scenarios" xfs "$BF_TESTING/overlayfs/scenarios.sh" "${with[@]}"
	t_guest "hooks" xfs "$BF_TESTING/overlayfs/hooks.sh" "${with[@]}" "$OUT.overlayfs/hooks_test"
	t_guest "onefile" xfs "$BF_TESTING/overlayfs/onefile.sh" "$OUT/samples/onefile/onefile.ko"
	[[ $MODE == soak ]] || return 0
	t_run "build the kernel's selftests of overlayfs" kernel_selftests_build
	t_run "build the selftests" stack_selftests_build
	t_guest "compare" xfs "$BF_TESTING/overlayfs/compare.sh" "${with[@]}" "$OUT.overlayfs"/{selftests,kernel,kernel-rust}
}
