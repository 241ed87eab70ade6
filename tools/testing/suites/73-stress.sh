# shellcheck shell=bash
# the debug kernel while disks fail, filesystems are shut down, programs are killed, modules come and go
# in: soak
# kernel: debug
# soak: repeats

stress() { # NAME FS SECONDS
	BF_GUEST_ENV="export BF_SECONDS=$3 BF_ONLY=$(printf %q "${TESTS-}")" TIMEOUT=${TIMEOUT:-$(($3 * 20 + 1800))} \
		t_guest "$1" "$2" "$BF_TESTING/faults/stress.sh" "$BF_BUILD/storm" "$CARGO_TOOL"
}

export KERNEL=${KERNEL:-debug}
guest_prepare
cargo_tool fsx 0.3.2
t_run "build" storm_build
for fs in ${FS:-xfs ext4 btrfs tmpfs}; do stress "$fs" "$fs" "${SOAK_SECONDS:-20}"; done
