# shellcheck shell=bash
# security modules on the stock kernel: asked about backing files, obeyed, IMA at work
# in: check test soak

security_build() {
	remove "$OUT/selftests-security"
	mkdir -p "$OUT/selftests-security"
	"$BF_VM/enter" make --no-print-directory -C "$BF_TESTING/selftests/security" KSFT="$KDIR/tools/testing/selftests" OUTPUT="$OUT/selftests-security" all
	cp "$BF_TESTING"/selftests/security/*_test.sh "$OUT/selftests-security/"
}

t_run "build" security_build

# Of the file systems, the one whose inode numbers and device are the same for everybody
BF_TESTS=$OUT/selftests-security BF_GUEST_ENV="export BF_ONLY=$(printf %q "${TESTS-}")" APPEND="ima_policy=tcb" \
	t_guest xfs xfs "$BF_VM/guest/selftests"
