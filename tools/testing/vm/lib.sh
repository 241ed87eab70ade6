# shellcheck shell=bash
# What all scripts here share: where things are, messages, timing, locks, "make a thing completely or not at all".
# Source it; it turns on strict mode.

set -euo pipefail

BF_VM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
BF_TOP=$(cd "$BF_VM/../../.." && pwd -P)
BF_CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/backing-file
BF_BUILD=$BF_TOP/build
BF_JOBS=${JOBS:-$(nproc)}
# The user's own kernel tree; KDIR itself is set later, and is not to leak to what we call.
BF_USER_KDIR=${KDIR-}
unset KDIR

# An outer make's flags and variables (KERNEL=, CMD=, ...) must not reach the kernel's makefiles.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES
export LC_ALL=C.UTF-8

# Messages go to stderr: stdout belongs to the command that runs in the guest.
say()  { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

# elapsed START -> "5 s" or "1 min 40 s"
elapsed() {
	local s=$((SECONDS - $1))
	if ((s < 60)); then printf '%d s' "$s"; else printf '%d min %d s' $((s / 60)) $((s % 60)); fi
}

last_line() { tail -n 5 "$1" 2>/dev/null | tr '\r' '\n' | grep . | tail -n 1 | cut -c 1-100 || true; }

# A step's child process group, so that Ctrl-C or an error ends it with us.
BF_STEP_PID=
end_step() {
	local i
	[[ -n $BF_STEP_PID ]] || return 0
	kill -TERM -- "-$BF_STEP_PID" 2>/dev/null || true
	# Some tools first finish what they are at; nobody waits for that, its half-made result is never used.
	for ((i = 0; i < 30; i++)); do
		kill -0 -- "-$BF_STEP_PID" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$BF_STEP_PID" 2>/dev/null || true
	BF_STEP_PID=
}
# Folders to remove and processes to end when this script ends, however it ends
BF_CLEAN_DIRS=()
BF_CLEAN_PIDS=()
leave() {
	local p
	end_step
	for p in ${BF_CLEAN_PIDS[@]+"${BF_CLEAN_PIDS[@]}"}; do kill "$p" 2>/dev/null || true; done
	remove ${BF_CLEAN_DIRS[@]+"${BF_CLEAN_DIRS[@]}"}
}
# arm: for the calling (sub)shell, which inherits no traps from its parent
arm() {
	BF_STEP_PID=
	BF_CLEAN_DIRS=()
	BF_CLEAN_PIDS=()
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}
arm

# step LOG "what it does" "about how long" COMMAND...
# Runs COMMAND (a function works too) with its output in LOG; prints a sign of life every 10 s, then the time taken.
# On failure prints the end of LOG, the hint in BF_HINT, and returns the command's status. Never call it from `if` or
# `||`: bash would then switch off `set -e` inside COMMAND.
step() {
	local log=$1 what=$2 about=$3 start=$SECONDS rc=0 ticks=0
	shift 3
	mkdir -p "$(dirname "$log")"
	say "$what (about $about)"
	set -m # a process group of its own
	( trap - EXIT INT TERM HUP; "$@" ) >"$log" 2>&1 </dev/null &
	BF_STEP_PID=$!
	set +m
	while kill -0 "$BF_STEP_PID" 2>/dev/null; do
		sleep 0.2
		ticks=$((ticks + 1))
		((ticks % 50)) || note "$(elapsed "$start"): $(last_line "$log")"
	done
	wait "$BF_STEP_PID" || rc=$?
	BF_STEP_PID=
	if ((rc)); then
		note "failed after $(elapsed "$start"); the end of $log:"
		tail -n "${BF_TAIL:-12}" "$log" | sed 's/^/    | /' >&2
		printf 'error: %s: failed%s\n' "$what" "${BF_HINT:+; $BF_HINT}" >&2
		return "$rc"
	fi
	note "done in $(elapsed "$start")"
}

# lock NAME: holds the cache's lock NAME until the calling (sub)shell ends. Use it inside ( ... ).
lock() {
	local fd
	arm
	mkdir -p "$BF_CACHE/locks"
	exec {fd}>"$BF_CACHE/locks/$1"
	if ! flock -n "$fd"; then
		say "another run is busy with $1; waiting for it"
		flock "$fd"
	fi
}

# remove PATH...: also what unpacked packages left unwritable, and never into another mounted filesystem
remove() {
	local p
	for p; do
		[[ -e $p || -L $p ]] || continue
		rm -rf --one-file-system -- "$p" 2>/dev/null && continue
		chmod -R u+rwX -- "$p" 2>/dev/null || true
		rm -rf --one-file-system -- "$p"
	done
}

# begin DEST -> path of a fresh temporary sibling to make DEST in; leftovers of interrupted runs go. Call under a lock.
begin() {
	local dest=$1
	remove "$dest".tmp.*
	mkdir -p "$(dirname "$dest")"
	printf '%s\n' "$dest.tmp.$$"
}

# commit DEST: DEST appears, complete, in one rename
commit() { mv -T -- "$1.tmp.$$" "$1"; }

# prune PATH...: of these, what nobody has used for a week goes; who uses one touches it. Not all but one's own: a clone
# beside this one may be at another commit, and running.
prune() {
	local p
	for p; do
		[[ $p == *.tmp.* || -z $(find "$p" -maxdepth 0 -mtime +7 2>/dev/null) ]] || remove "$p"
	done
}

# need_space GIB "what": a one-line refusal instead of a failure half way
need_space() {
	local have dir=$BF_CACHE
	have=$(df -Pk "$dir" | awk 'NR==2 { print int($4 / 1048576) }')
	((have >= $1)) || die "$2: $1 GiB are needed in $dir, $have GiB are free; free some, or set XDG_CACHE_HOME to another disk"
}

# section NAME: the words of one section of the package list
section() { sed 's/#.*//' "$BF_VM/packages" | awk -v want="[$1]" '/^\[/ { on = ($1 == want); next } on' | xargs -n1 | sort -u | xargs; }
