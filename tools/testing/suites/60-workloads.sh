# shellcheck shell=bash
# other people's programs on passfs: fio with verify, dbench, fs_mark, stress-ng, sqlite, tar
# in: test soak

# In `make test` seconds on one backing file system, in `make soak` minutes on each, again and again until HOURS are over.
workloads() { # NAME FS SECONDS
	BF_GUEST_ENV="export BF_SECONDS=$3" TIMEOUT=$(($3 * 16 + 900)) t_guest "$1" "$2" "$BF_TESTING/workloads.sh"
	sed -n "s/^soak-row/$1/p" "$BF_BUILD/logs/$SUITE.$1.out" >>"$BF_BUILD/soak.rows"
}

: >"$BF_BUILD/soak.rows"
if [[ $MODE == test ]]; then
	workloads "${FS:-xfs}" "${FS:-xfs}" 5
else
	end=$((SECONDS + ${HOURS:-4} * 3600))
	for ((round = 1; SECONDS < end; round++)); do
		for fs in ${FS:-xfs ext4 btrfs tmpfs}; do
			((SECONDS < end)) || break
			workloads "round$round-$fs" "$fs" "${SOAK_SECONDS:-120}"
		done
	done
	say "what soak did"
	awk '{ k = $2 " " $3; n[k]++; t[k] += $4; if ($5 != 0) bad[k]++ }
		END { printf "%-8s %-14s %6s %10s %7s\n", "fs", "workload", "runs", "seconds", "failed"
			for (k in n) { split(k, a, " "); printf "%-8s %-14s %6d %10d %7d\n", a[1], a[2], n[k], t[k], bad[k] | "sort" } }' "$BF_BUILD/soak.rows"
fi
