# shellcheck shell=bash
# overlayfs and FUSE passthrough, unchanged, with their backing files in Rust, on the debug kernel
# in: soak
# kernel: debug

# shellcheck source=../overlayfs/suite.sh
. "$BF_TESTING/overlayfs/suite.sh"
export KERNEL=debug
guest_prepare
TIMEOUT=${TIMEOUT:-7200} overlayfs_suite

# FUSE, whose passthrough has backing files, is built into the stock kernel and cannot be exchanged there: modpost says that
# vmlinux exports the same names. The debug kernel has it as a module.
fuse_server_build() {
	"$BF_VM/enter" gcc -O2 -Wall -Wextra -Wno-unused-parameter -Werror -D_FILE_OFFSET_BITS=64 -I/usr/include/fuse3 -o "$OUT.fuse/fuse_server" \
		"$BF_TESTING/fuse/fuse_server.c" -lfuse3 -pthread
}


t_run "build FUSE on the Rust helpers" consumer_build fuse
t_run "FUSE's sources are the kernel's" untouched fuse
t_run "FUSE uses no C helper for backing files" redirected "$OUT.fuse/rust_fuse.ko" "${HELPERS[@]}"
t_run "build the FUSE server" fuse_server_build
BF_SETUP=modules TIMEOUT=${TIMEOUT:-3600} t_guest fuse xfs "$BF_TESTING/fuse/guest.sh" "$OUT.fuse/rust_fuse.ko" "$OUT.fuse/fuse_server"
