# shellcheck shell=bash
# the debug kernel: it sees what it is there to see, and nothing when all selftests run on it
# in: test soak
# kernel: debug

# Everything is several times slower there than on the stock kernel.
debug_guest() { # NAME FS SCRIPT [FILE...]
	BF_GUEST_ENV="export $SETTINGS BF_LIMIT=${BF_LIMIT:-1800} BF_ONLY=$(printf %q "${TESTS-}")" TIMEOUT=${TIMEOUT:-4500} t_guest "$@"
}

# --- a module that does wrong on purpose must make the log red, each kind by itself ---

misbehave_build() {
	kmake M="$BF_TESTING/modules/misbehave" MO="$OUT/misbehave" modules
}

# KIND and a text of the report that says it. lockdep stops at its first report of any kind and when another makes the
# kernel untrustworthy, so what it finds comes first, and one boot has one of it.
MISBEHAVE_A=(
	'nothing:'
	'hook-under-freeze-protection:at rw_verify_area+'
	'lock-inversion:possible circular locking dependency detected'
	'sleep-in-atomic:sleeping function called from invalid context'
	'use-after-free:KASAN: slab-use-after-free'
	'vmalloc-overrun:KASAN: vmalloc-out-of-bounds'
	'list-corruption:list_del corruption'
	'free-active-timer:ODEBUG: free active'
	'shift-too-far:UBSAN: shift-out-of-bounds'
	'refcount-underflow:refcount_t: '
	'leak:new suspected memory leaks'
)
MISBEHAVE_B=('freeze-protection:lock held when returning to user space')

# misbehave BOOT KIND:TEXT...: one boot; the log of each kind goes from its marker to the next one
misbehave() {
	local name=misbehave-$1 part kind text log rc=0
	shift
	BF_SETUP=backing BF_GUEST_ENV="export BF_KINDS=$(printf %q "$(printf '%s\n' "${@%%:*}" | xargs)")" TIMEOUT=1200 \
		guest_run "$SUITE.$name" "$BF_TESTING/modules/misbehave/run" "$OUT/misbehave/misbehave.ko" \
		>"$BF_BUILD/logs/$SUITE.$name.out" 2>&1 </dev/null || rc=$?
	((rc == 0)) || t_fail "$name: guest" "status $rc; build/logs/$SUITE.$name.out"
	for part; do
		kind=${part%%:*} text=${part#*:}
		log=$BF_BUILD/logs/$SUITE.misbehave.$kind.kernel.log
		awk -v marker="bf-test: misbehave $kind" '/bf-test: / { on = 0 } index($0, marker) { on = 1 } on' \
			<(tr -d '\r' <"$BF_BUILD/logs/$SUITE.$name.kernel.log") >"$log"
		if [[ ! -s $log ]]; then
			t_fail "misbehave: $kind" "it did not happen; build/logs/$SUITE.$name.out"
		elif [[ -z $text ]]; then
			if "$BF_VM/logcheck" "$log" >&2; then t_ok "misbehave: $kind is no report"; else t_fail "misbehave: $kind is no report"; fi
		elif "$BF_VM/logcheck" "$log" >/dev/null 2>&1; then
			t_fail "misbehave: $kind is caught" "the log is clean: ${log#"$BF_TOP"/}"
		elif ! grep -qF "$text" "$log"; then
			t_fail "misbehave: $kind is caught" "no '$text' in ${log#"$BF_TOP"/}"
		else
			t_ok "misbehave: $kind is caught"
		fi
	done
}

export KERNEL=debug
guest_prepare
t_run "build the misbehaving module" misbehave_build
misbehave a "${MISBEHAVE_A[@]}"
misbehave b "${MISBEHAVE_B[@]}"

# --- our own code must not ---

# In `make test` the stock kernel alone sees marks of every kind, on the stack and on both layers, a large folder and the
# storage manager of samples.
case $MODE in
test)
	filesystems=${FS:-xfs} SETTINGS="BF_ENTRIES=500 BF_ROUNDS=1 BF_EXPEDITED=1 BF_MARK=inode"
	: "${TESTS:=[!h]* handle* hooks_[!bs]*}"
	;;
*) filesystems=${FS:-xfs ext4 btrfs tmpfs} SETTINGS="BF_ENTRIES=2000" ;;
esac
remove "$OUT/selftests"
t_run "build the selftests" selftests_build
for fs in $filesystems; do
	BF_TESTS=$OUT/selftests debug_guest "$fs" "$fs" "$BF_VM/guest/selftests"
done
