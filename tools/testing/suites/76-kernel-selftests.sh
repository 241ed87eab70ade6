# shellcheck shell=bash
# the kernel's own selftests: the same through passfs as on the backing filesystem
# in: soak

list=$BF_TESTING/kernel-selftests/programs

# Each folder's programs are built by the kernel's own makefile, those of the list only.
kernel_selftests_build() {
	local from target out
	for target in $(awk '!/^#/ { print $2 }' "$list" | sort -u); do
		from=$KDIR/tools/testing/selftests/$target out=$OUT/kernel-selftests/$target
		mkdir -p "$out"
		cp "$from/Makefile" "$out/"
		awk -v t="$target" -v o="$out" '!/^#/ && $2 == t && $3 != "Makefile" { print o "/" $3 }' "$list" |
			xargs "$BF_VM/enter" make --no-print-directory -C "$from" -j"$BF_JOBS" OUTPUT="$out" HAVE_BPF_TOOLCHAIN=
	done
}

t_run "build" kernel_selftests_build
for fs in ${FS:-xfs ext4 btrfs tmpfs}; do
	BF_TESTS=$OUT/kernel-selftests BF_GUEST_ENV="export BF_ONLY=$(printf %q "${TESTS-}")" TIMEOUT=${TIMEOUT:-3600} \
		t_guest "$fs" "$fs" "$BF_TESTING/kernel-selftests/guest.sh" "$list"
done
