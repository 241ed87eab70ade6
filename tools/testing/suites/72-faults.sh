# shellcheck shell=bash
# the debug kernel under injected faults: KUnit, every place where memory can be missing, every window of a request's life
# in: test soak
# kernel: debug

faults_build() {
	remove "$OUT/selftests-faults"
	mkdir -p "$OUT/selftests-faults"
	"$BF_VM/enter" make --no-print-directory -C "$BF_TESTING/selftests/faults" KSFT="$KDIR/tools/testing/selftests" OUTPUT="$OUT/selftests-faults" all
}

# faults NAME FS SETTINGS: one boot
faults() {
	BF_TESTS=$OUT/selftests-faults BF_GUEST_ENV="export BF_LIMIT=3600 $3" TIMEOUT=${TIMEOUT:-5400} \
		t_guest "$1" "$2" "$BF_TESTING/faults/guest.sh" "$BF_VM/guest/selftests" "$OUT/holdfs/holdfs.ko"
	sed -n "s/^# sweep-row/$1/p" "$BF_BUILD/logs/$SUITE.$1.out" >>"$BF_BUILD/sweep.rows"
	sed -n "s/^# window-row/$1/p" "$BF_BUILD/logs/$SUITE.$1.out" >>"$BF_BUILD/window.rows"
}

# The table of README: places are what an operation passes when nothing fails; "ours" are those that our code leads to.
# "below": after so many faults the filesystem below would not go on, and had to be mounted again (see sweep_test.c).
figures() {
	say "faults injected: one place after the other, in each operation (build/sweep.rows)"
	awk 'BEGIN { printf "%-8s %-18s %6s %6s %6s %6s %6s %6s %s\n", "fs", "operation", "places", "ours", "faults", "failed", "half", "below", "errnos" }
		{ printf "%-8s %-18s %6d %6d %6d %6d %6d %6d", $1, $2, $3, $4, $5, $6, $7, $8; for (i = 9; i <= NF; i++) printf " %s", $i; print "" }
		{ o[$2]; for (i = 3; i <= 8; i++) sum[i] += $i }
		END { for (k in o) n++; printf "%d operations, %d places (%d that our code leads to), %d faults injected, %d attempts failed, %d of them half done; in %d the filesystem below gave up\n", n, sum[3], sum[4], sum[5], sum[6], sum[7], sum[8] }' "$BF_BUILD/sweep.rows"
	say "requests that completed in each window of their submission (build/window.rows)"
	awk '{ n[$2] += $3 } END { printf "   "; for (k in n) printf " %s %d", k, n[k]; print "" }' "$BF_BUILD/window.rows"
}

export KERNEL=debug
guest_prepare
t_run "build the tests" faults_build
t_run "build holdfs" holdfs_build
: >"$BF_BUILD/sweep.rows"
: >"$BF_BUILD/window.rows"
if [[ $MODE == test ]]; then
	faults "${FS:-xfs}" "${FS:-xfs}" "BF_ONLY=$(printf %q "${TESTS:-*_test}") BF_SITES=ours BF_EXPEDITED=1"
else
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do
		# Without memory btrfs itself gives the space of a direct write back twice, and warns: not in its code.
		sites=all
		[[ $fs != btrfs ]] || sites=own
		faults "$fs" "$fs" "BF_ONLY=*_test BF_SITES=$sites"
	done
	[[ ${FS:-xfs} != xfs ]] || faults nested xfs "BF_ONLY=sweep_test BF_SITES=ours BF_LAYERS=2"
fi
figures
