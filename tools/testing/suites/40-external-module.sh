# shellcheck shell=bash
# a module outside this tree that links the library
# in: check test

if [[ -x $BF_TESTING/external-module/run ]]; then
	# It gets KDIR, OUT (our Module.symvers and metadata are there) and prints TAP.
	t_tap "external module" env KDIR="$KDIR" OUT="$OUT" "$BF_TESTING/external-module/run"
fi
