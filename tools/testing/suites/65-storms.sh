# shellcheck shell=bash
# many tasks at the same names on both layers, killed tasks, freezing, little memory
# in: test soak
# soak: repeats

storms() { # NAME FS SECONDS
	BF_GUEST_ENV="export BF_SECONDS=$3 BF_SEED=$((ROUND * 1000))" TIMEOUT=$(($3 * 30 + 1800)) \
		t_guest "$1" "$2" "$BF_TESTING/storms.sh" "$BF_BUILD/storm"
}

t_run "build" storm_build
if [[ $MODE == test ]]; then
	storms "${FS:-xfs}" "${FS:-xfs}" 4
else
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do storms "$fs" "$fs" "$SOAK_SECONDS"; done
	MEM=512M storms small "${FS:-xfs}" "$SOAK_SECONDS"
	export KERNEL=debug
	guest_prepare
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do storms "debug-$fs" "$fs" "$SOAK_SECONDS"; done
	MEM=1G storms debug-small "${FS:-xfs}" "$SOAK_SECONDS"
fi
