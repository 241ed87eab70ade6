# shellcheck shell=bash
# pjdfstest: POSIX semantics, the same through passfs as on the backing filesystem
# in: test soak

# In `make test` on one backing file system.
case $MODE in
test) filesystems=${FS:-xfs} ;;
*) filesystems=${FS:-xfs ext4 btrfs tmpfs} ;;
esac

cargo_tool pjdfstest 0.2.2
for fs in $filesystems; do
	TIMEOUT=${TIMEOUT:-900} t_guest "$fs" "$fs" "$BF_TESTING/pjdfstest.sh" "$CARGO_TOOL"
done
