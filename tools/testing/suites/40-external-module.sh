# shellcheck shell=bash
# a filesystem outside of this tree that links the library
# in: check test

# Built as its author would: in a folder of its own, knowing only where our modules were built (BACKING_FILE).
external_build() {
	remove "$OUT.external"
	mkdir -p "$OUT.external"
	cp "$BF_TESTING"/external-module/{Kbuild,tallyfs.rs} "$OUT.external/"
	"$BF_VM/enter" make --no-print-directory -C "$KDIR" M="$OUT.external" BACKING_FILE="$OUT" "${KBUILD_ARGS[@]}" modules
}

t_run "build" external_build
t_guest "run" xfs "$BF_TESTING/external-module/guest.sh" "$OUT.external/tallyfs.ko"
