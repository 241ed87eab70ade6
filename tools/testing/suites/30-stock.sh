# shellcheck shell=bash
# kselftests in the stock kernel, once for each backing file system
# in: check test soak

case $MODE in
check) filesystems=${FS:-xfs} ;;
*) filesystems=${FS:-xfs ext4 btrfs tmpfs} ;;
esac

# Programs of deleted sources would still run
remove "$OUT/selftests"
t_run "build the selftests" selftests_build
# How large a large folder is, how often a loop device comes and goes on the stack, and how long all that may take
entries=5000 rounds=2 limit=1800 expedited=1
[[ $MODE != soak ]] || entries=100000 rounds=200 limit=5400 expedited=0

# every_program FS: all that were built, but those of the hooks perhaps, have run
every_program() {
	local program
	for program in "$OUT"/selftests/*_test{,.sh}; do
		program=${program##*/}
		[[ -n $tests && $program == hooks* || $program == hsm* ]] || grep -qxF "### begin $program" "$BF_BUILD/logs/$SUITE.$1.out" ||
			{ echo "$program did not run"; return 1; }
	done
}

for fs in $filesystems; do
	tests=${TESTS-}
	# The thousands of cases of the hooks depend on the VFS, hardly on what is below: all file systems in soak.
	[[ $MODE == soak || $fs == "${filesystems%% *}" || -n $tests ]] || tests='[!h]* handle*'
	BF_TESTS=$OUT/selftests BF_GUEST_ENV="export BF_ENTRIES=$entries BF_ROUNDS=$rounds BF_EXPEDITED=$expedited BF_ONLY=$(printf %q "$tests")" TIMEOUT=${TIMEOUT:-$limit} \
		t_guest "$fs" "$fs" "$BF_VM/guest/selftests"
	[[ -n ${TESTS-} ]] || t_run "$fs: every program ran" every_program "$fs"
done
