# shellcheck shell=bash
# a filesystem outside of this tree that links the library
# in: check test

# Built as its author would: in a folder of its own, knowing only where our modules were built (BACKING_FILE).
external_build() { # FOLDER SED-SCRIPT
	remove "$1"
	mkdir -p "$1"
	cp "$BF_TESTING/external-module/Kbuild" "$1/"
	sed "$2" "$BF_TESTING/external-module/tallyfs.rs" >"$1/tallyfs.rs"
	"$BF_VM/enter" make --no-print-directory -C "$KDIR" M="$1" BACKING_FILE="$OUT" "${KBUILD_ARGS[@]}" modules
}

# An author's mistake that compiles: all errors become one, and so does "it completes later".
forgetful='s/file.data().read_iter(ctx, iocb, iter)$/&.map_err(|_| EIO)/'
forgetful_build() {
	external_build "$OUT.forgetful" "$forgetful" && ! cmp -s "$BF_TESTING/external-module/tallyfs.rs" "$OUT.forgetful/tallyfs.rs"
}

t_run "build" external_build "$OUT.external" ""
t_run "build it with a mistake" forgetful_build
t_run "build holdfs" holdfs_build
t_guest "run" xfs "$BF_TESTING/external-module/guest.sh" "$OUT.external/tallyfs.ko"
t_guest "forgetful" xfs "$BF_TESTING/external-module/forgetful.sh" "$OUT.forgetful/tallyfs.ko" "$OUT/holdfs/holdfs.ko"
