# shellcheck shell=bash
# other people's programs on passfs: fio with verify, dbench, fs_mark, stress-ng, sqlite, tar
# in: test soak
# soak: repeats

# In `make test` seconds on one backing file system, in `make soak` longer on each.
workloads() { # FS SECONDS
	BF_GUEST_ENV="export BF_SECONDS=$2" TIMEOUT=$(($2 * 16 + 900)) t_guest "$1" "$1" "$BF_TESTING/workloads.sh"
}

if [[ $MODE == test ]]; then
	workloads "${FS:-xfs}" 5
else
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do workloads "$fs" "$SOAK_SECONDS"; done
fi
