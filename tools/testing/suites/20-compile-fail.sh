# shellcheck shell=bash
# programs that must not compile, each for its own reason only
# in: check test

if [[ -x $BF_TESTING/compile-fail/run ]]; then
	# It gets where the kernel is prepared (KDIR) and where our crates were built (OUT), and prints TAP.
	t_tap "compile-fail" env KDIR="$KDIR" OUT="$OUT" "$BF_TESTING/compile-fail/run"
fi
