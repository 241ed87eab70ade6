# shellcheck shell=bash
# other people's loads: stress-ng's class for filesystems, fs_mark, dbench; the same verdicts as on the backing filesystem
# in: test soak
# soak: repeats

# In `make test` a second or two each, on one backing file system; in `make soak` longer on each.
workloads() { # FS SECONDS
	BF_GUEST_ENV="export BF_SECONDS=$2" TIMEOUT=$(($2 * 150 + 1800)) t_guest "$1" "$1" "$BF_TESTING/workloads.sh"
}

if [[ $MODE == test ]]; then
	workloads "${FS:-xfs}" 1
else
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do workloads "$fs" "$((SOAK_SECONDS > 10 ? 10 : SOAK_SECONDS))"; done
fi
