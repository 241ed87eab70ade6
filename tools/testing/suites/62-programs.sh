# shellcheck shell=bash
# what people do on a filesystem: build, git, sqlite, dpkg, running programs; byte for byte as on the backing filesystem
# in: test soak

# Something small to build that is there anyway: a library of the kernel's tools. And the one part of the C library's that
# the guest's image lacks.
source_tar() { (cd "$KDIR" && tar -cf "$BF_BUILD/source.tar" tools/build tools/scripts tools/include tools/arch/x86/include tools/lib/{api,perf,*.c} arch/x86/include/uapi usr/include/{asm,asm-generic}); }

t_run "source" source_tar
# A compiler, git and dpkg take a minute each, in soak
if [[ $MODE == test ]]; then
	filesystems=${FS:-xfs} parts=${TESTS:-sqlite run}
else
	filesystems=${FS:-xfs ext4 btrfs tmpfs} parts=${TESTS-}
fi
for fs in $filesystems; do
	BF_GUEST_ENV="export BF_ONLY=$(printf %q "$parts")" TIMEOUT=${TIMEOUT:-2400} t_guest "$fs" "$fs" "$BF_TESTING/programs.sh" \
		"$BF_BUILD/source.tar" "$BF_ROOT/usr/lib/x86_64-linux-gnu/libc_nonshared.a"
done
