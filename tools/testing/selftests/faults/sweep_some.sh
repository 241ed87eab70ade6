#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The fault sweep of some operations, one of each kind: what there is time for in every run of the tests.
args=()
for operation in open_write create write_direct aio_first_write uring_write_direct splice_from_pipe mmap_shared watched_mmap \
	copy_range read_dir make_dir remove_last_name rename_across set_acl mount_steps; do
	args+=(-v "$operation")
done
exec "$(dirname "$0")/sweep_test" "${args[@]}"
