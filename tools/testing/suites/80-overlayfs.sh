# shellcheck shell=bash
# Linux's own overlayfs, unchanged, with its backing files in Rust: the C interface
# in: test soak

# shellcheck source=../overlayfs/suite.sh
. "$BF_TESTING/overlayfs/suite.sh"
overlayfs_suite
if [[ $MODE == soak ]]; then
	cargo_tool fsx 0.3.2
	for fs in ${FS:-xfs ext4 btrfs tmpfs}; do
		BF_SETUP=modules BF_GUEST_ENV="export BF_SECONDS=${SOAK_SECONDS:-20}" TIMEOUT=14400 \
			t_guest "stress-$fs" "$fs" "$BF_TESTING/overlayfs/stress.sh" "$BF_TESTING/verify.sh" "$CARGO_TOOL" \
			"$BF_TESTING/overlayfs/guest.sh" "$OUT.overlayfs/rust_overlay.ko"
	done
fi
