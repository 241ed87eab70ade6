# shellcheck shell=bash
# data as other people's tools check it: fsx, fio --verify with every engine, and a disk made of a file in the kernel
# in: test soak
# soak: repeats

# A million operations of fsx in a round of `make soak`: 4 file systems, with and without mappings, 4 seeds.
cargo_tool fsx 0.3.2
if [[ $MODE == test ]]; then
	filesystems=${FS:-xfs} seeds='1' ops=4000 size=4M
else
	filesystems=${FS:-xfs ext4 btrfs tmpfs} seeds=$(seq -s ' ' $((ROUND * 4 - 3)) $((ROUND * 4))) ops=32000 size=16M
fi
for fs in $filesystems; do
	BF_GUEST_ENV="export BF_SEEDS='$seeds' BF_OPS=$ops BF_SIZE=$size" TIMEOUT=${TIMEOUT:-14400} \
		t_guest "$fs" "$fs" "$BF_TESTING/verify.sh" "$CARGO_TOOL"
done
