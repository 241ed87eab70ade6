# shellcheck shell=bash
# the kernel's own selftests: the same through passfs as on the backing filesystem
# in: soak

list=$BF_TESTING/kernel-selftests/programs

# Each folder's programs are built by the kernel's own makefile, those of the list only; scripts are there already.
kernel_selftests_build() {
	local from target out name
	for target in $(awk '/^[a-z]/ { print $2 }' "$list" | sort -u); do
		from=$KDIR/tools/testing/selftests/$target out=$OUT/kernel-selftests/$target
		mkdir -p "$out"
		awk -v t="$target" '/^[a-z]/ && $2 == t { print $3 }' "$list" | while read -r name; do
			if [[ -f $from/$name ]]; then cp "$from/$name" "$out/"; else printf '%s/%s\n' "$out" "$name"; fi
		done | xargs -r "$BF_VM/enter" make --no-print-directory -C "$from" -j"$BF_JOBS" OUTPUT="$out" HAVE_BPF_TOOLCHAIN=
	done
	# It goes through a list of filesystems, and does not stop at its end
	from=$KDIR/tools/testing/selftests/filesystems/statmount out=$OUT/kernel-selftests/filesystems/statmount
	sed '0,/"9p",/s//"9p", "passfs",/' "$from/statmount_test.c" >"$out/statmount_test.c"
	"$BF_VM/enter" gcc -O2 -D_GNU_SOURCE -isystem "$KDIR/usr/include" -I"$KDIR/tools/testing/selftests" -I"$from" -o "$out/statmount_test" "$out/statmount_test.c"
	"$BF_VM/enter" gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$BF_BUILD/instead.so" "$BF_TESTING/kernel-selftests/instead.c"
}

t_run "build" kernel_selftests_build
for fs in ${FS:-xfs ext4 btrfs tmpfs}; do
	BF_TESTS=$OUT/kernel-selftests BF_GUEST_ENV="export BF_ONLY=$(printf %q "${TESTS-}")" TIMEOUT=${TIMEOUT:-5400} \
		t_guest "$fs" "$fs" "$BF_TESTING/kernel-selftests/guest.sh" "$list" "$BF_BUILD/instead.so"
done
