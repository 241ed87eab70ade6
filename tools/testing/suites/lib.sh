# shellcheck shell=bash
# What suites report their tests with; see run-tests. Results are lines of status, suite, test, detail in $RESULTS.

result() { # STATUS NAME DETAIL
	printf '%s\t%s\t%s\t%s\n' "$1" "$SUITE" "$2" "${3-}" >>"$RESULTS"
	case $1 in
	skip) printf 'ok - %s: %s # SKIP %s\n' "$SUITE" "$2" "$3" ;;
	*) printf '%s - %s: %s%s\n' "$1" "$SUITE" "$2" "${3:+ # $3}" ;;
	esac
}

t_ok() { result ok "$1"; }
t_fail() { result 'not ok' "$1" "${2-}"; }
t_skip() {
	if expected_skip "${SUITE%.round*}: $1"; then result skip "$1" "$2"; else result 'not ok' "$1" "unexpected skip: $2"; fi
}

# soak_row FS WORKLOAD SECONDS FAILED [COUNT UNIT]: for the table; FAILED is 0 or an exit status
soak_row() {
	[[ $# =~ ^[46]$ && $3 =~ ^[0-9]+$ && $4 =~ ^[0-9]+$ && ${5-0} =~ ^[0-9]+$ ]] || { t_fail "soak row" "what is '$*'?"; return; }
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "${KERNEL:-stock}" "$2" "$1" "$3" "$4" "${5-}" "${6-}" >>"$SOAK_ROWS"
}

# soak_table: one line for each kernel, workload and file system, runs added up
soak_table() {
	[[ -s $SOAK_ROWS ]] || return 0
	awk -F'\t' '{ s += $4 } END { printf "workloads, %.1f hours in all:\n", s / 3600 }' "$SOAK_ROWS"
	awk -F'\t' '{ k = $1 FS $2 FS $3; runs[k]++; seconds[k] += $4; failed[k] += $5 != 0; count[k] += $6; unit[k] = $7 }
		END { for (k in runs) printf "%s\t%d\t%d\t%d\t%s\n", k, runs[k], seconds[k], failed[k], unit[k] == "" ? "" : count[k] " " unit[k] }' "$SOAK_ROWS" |
		sort | awk -F'\t' 'BEGIN { format = "    %-7s %-22s %-6s %6s %8s %7s  %s\n"; printf format, "kernel", "workload", "fs", "runs", "seconds", "failed", "done" }
			{ printf format, $1, $2, $3, $4, $5, $6, $7 }' | sed 's/ *$//'
}

# Lines of expected-skips are shell patterns for "suite: test", then `#` and the reason.
expected_skip() {
	local pattern
	while IFS= read -r pattern; do
		pattern=$(sed 's/[[:space:]]*#.*//' <<<"$pattern")
		# shellcheck disable=SC2053 # it is a pattern
		[[ -n $pattern && $1 == $pattern ]] && return 0
	done <"$BF_TESTING/expected-skips"
	return 1
}

log_of() { printf '%s/logs/%s.%s.log\n' "$BF_BUILD" "$SUITE" "$(tr -c 'A-Za-z0-9\n' - <<<"$1")"; }

# strict COMMAND...: runs it in a subshell where the first failing command ends it; its status is in RC. Written
# this way because bash ignores `set -e` in all that runs left of `||` or in an `if`: a test function whose first
# command failed would pass if its last one did not. For the same reason no t_ function may be called there.
strict() {
	set +e
	(
		arm
		set -e
		"$@"
	)
	RC=$?
	set -e
}

t_run() {
	local name=$1 log rc
	shift
	log=$(log_of "$name")
	strict "$@" >"$log" 2>&1 </dev/null
	rc=$RC
	if ((rc == 0)); then
		t_ok "$name"
	else
		tail -n 30 "$log" | sed 's/^/    | /'
		t_fail "$name" "status $rc; ${log#"$BF_TOP"/}"
	fi
}

# tap PREFIX: turns TAP on stdin into results. The plan must be kept: a program that ends early has not passed.
tap() {
	local prefix=$1 line plan= count=0 name why
	# No child process per line: there are thousands
	while IFS= read -r line; do
		line=${line%$'\r'}
		if [[ $line =~ ^(not )?ok\ +[0-9]*\ *-?\ *(.*)$ ]]; then
			count=$((count + 1))
			name=${BASH_REMATCH[2]}
			if [[ $name =~ ^(.*[^ ])?\ *'#'\ *(SKIP|XFAIL|TODO)\ *(.*)$ ]]; then
				name=${BASH_REMATCH[1]} why=${BASH_REMATCH[3]}
				t_skip "$prefix$name" "${why:-no reason given}"
			elif [[ $line == ok* ]]; then
				t_ok "$prefix$name"
			else
				t_fail "$prefix$name"
			fi
		elif [[ $line =~ ^1\.\.([0-9]+) ]]; then
			plan=${BASH_REMATCH[1]}
		elif [[ $line == 'Bail out!'* ]]; then
			t_fail "${prefix}bail out" "$line"
		fi
	done
	if [[ -z $plan ]]; then
		t_fail "${prefix}plan" "it printed no TAP plan"
	elif ((plan != count)); then
		t_fail "${prefix}plan" "planned $plan tests, reported $count"
	elif ((count == 0)); then
		t_skip "${prefix}all" "it ran no test"
	fi
}

t_tap() {
	local name=$1 log rc before
	shift
	log=$(log_of "$name")
	strict "$@" >"$log" 2>&1 </dev/null
	rc=$RC
	before=$(grep -c '^not ok' "$RESULTS" || true)
	tap "$name: " <"$log"
	if ((rc != 0)) && [[ $(grep -c '^not ok' "$RESULTS" || true) == "$before" ]]; then
		t_fail "$name" "status $rc; ${log#"$BF_TOP"/}"
	fi
	[[ $(grep -c '^not ok' "$RESULTS" || true) == "$before" ]] || sed '/^ok /d; s/^/    | /' "$log" | tail -n 40
}

# t_guest NAME FS SCRIPT [FILE...]: SCRIPT's output is parts, each `### begin PROGRAM`, TAP, `### end PROGRAM STATUS`.
t_guest() {
	local name=$1 fs=$2 script=$3 rc log before
	shift 3
	log=$BF_BUILD/logs/$SUITE.$name.out
	before=$(grep -c '^not ok' "$RESULTS" || true)
	rm -f "$BF_BUILD/logs/$SUITE.$name.verdict"
	FS=$fs strict guest_run "$SUITE.$name" "$script" "$@" >"$log" 2>"$log.err" </dev/null
	rc=$RC
	parts "$name" <"$log"
	rows <"$log"
	if ((rc != 0)); then
		tail -n 40 "$log.err" | sed 's/^/    | /'
		t_fail "$name: guest" "status $rc"
	fi
	grep -q '^### begin ' "$log" || t_fail "$name: tests" "it ran none"
	# No verdict: no guest ran
	if [[ $(cat "$BF_BUILD/logs/$SUITE.$name.verdict" 2>/dev/null) != clean ]]; then
		grep -A60 '^kernel log:' "$log.err" || true
		t_fail "$name: kernel log" "build/logs/$SUITE.$name.kernel.log"
	else
		t_ok "$name: kernel log"
	fi
	[[ $(grep -c '^not ok' "$RESULTS" || true) == "$before" ]] || note "what the tests printed: ${log#"$BF_TOP"/}"
}

rows() {
	local word row
	while read -r word row; do
		# shellcheck disable=SC2086 # words
		[[ $word != soak_row ]] || soak_row $row
	done
}

parts() {
	local where=$1 line program= body= status
	while IFS= read -r line; do
		case $line in
		'### begin '*)
			program=${line#'### begin '}
			body=$(mktemp)
			;;
		'### end '*)
			status=${line##* }
			part_end "$where" "$program" "$body" "$status"
			rm -f "$body"
			program=
			;;
		*) [[ -z $program ]] || printf '%s\n' "$line" >>"$body" ;;
		esac
	done
	if [[ -n $program ]]; then
		part_end "$where" "$program" "$body" "no end"
		rm -f "$body"
	fi
}

part_end() { # WHERE PROGRAM FILE STATUS
	local before
	before=$(grep -c '^not ok' "$RESULTS" || true)
	tap "$1: $2: " <"$3"
	[[ $4 == 0 || $4 == 4 ]] || [[ $(grep -c '^not ok' "$RESULTS" || true) != "$before" ]] || t_fail "$1: $2" "status $4"
	[[ $(grep -c '^not ok' "$RESULTS" || true) == "$before" ]] || sed -E '/^(ok |#  RUN|#            OK)/d; s/^/    | /' "$3" | tail -n 40
}

# The kselftest programs, against the headers of the kernel under test, into $OUT/selftests
selftests_build() {
	mkdir -p "$OUT/selftests"
	"$BF_VM/enter" make --no-print-directory -C "$BF_TESTING/selftests/backing_file" KSFT="$KDIR/tools/testing/selftests" OUTPUT="$OUT/selftests" all
	cp "$BF_TESTING"/selftests/backing_file/*_test.sh "$OUT/selftests/" 2>/dev/null || true
}

# The program of storms, $BF_BUILD/storm
storm_build() { "$BF_VM/enter" gcc -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -o "$BF_BUILD/storm" "$BF_TESTING/storm.c"; }

# The filesystem that completes requests when a test wants it, $OUT/holdfs/holdfs.ko
holdfs_build() { kmake M="$BF_TESTING/modules/holdfs" MO="$OUT/holdfs" modules; }
