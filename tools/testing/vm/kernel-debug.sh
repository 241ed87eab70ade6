# shellcheck shell=bash
# The debug kernel (KERNEL=debug): the stock kernel's source with debug.config over allnoconfig, built with clang, for
# Rust's KASAN needs it. Its folder has the same contents as a stock kernel's (kernel.sh) and is named after release,
# configuration and compilers: a change of any of them makes a new one. Sourced by kernel.sh.

DEBUG_CONFIG=$BF_VM/debug.config
DEBUG_ARGS=(LLVM=1 LOCALVERSION=)
# Builds are to be the same wherever they are made.
DEBUG_BUILD_ARGS=(KBUILD_BUILD_TIMESTAMP=2026-01-01 KBUILD_BUILD_USER=bf KBUILD_BUILD_HOST=bf)

# The kernel's own boot parameters, beside those of qemu.sh:
# kasan_multi_shot        every KASAN report, not only the first
# panic_on_oops=0         no panic, so that what follows a report is seen too
# no5lvl                  with five-level page tables a timer interrupt during identify_cpu(), which clears the feature
#                         bits for a moment, makes KASAN take every address for a wild one: the boot drowns in reports
# slab_debug=F            no per-CPU arrays of free objects (sheaves): stale pointers in them hide leaks from kmemleak
DEBUG_CMDLINE="kasan_multi_shot sysctl.kernel.panic_on_oops=0 no5lvl slab_debug=F"

# debug_config_lines: the fragment without comments
debug_config_lines() { sed 's/^#.*//' "$DEBUG_CONFIG" | grep .; }

# debug_key: what makes two debug kernels of one release different
debug_key() {
	{
		debug_config_lines
		"$BF_VM/enter" sh -c 'rustc --version; clang --version; ld.lld --version'
	} | sha256sum | cut -c 1-12
}

debug_make() { # TREE ARGS...
	local tree=$1
	shift
	BF_BIND=$tree "$BF_VM/enter" make -C "$tree" -j"$BF_JOBS" "${DEBUG_ARGS[@]}" "${DEBUG_BUILD_ARGS[@]}" "$@"
}

# debug_configure DIR: every line of the fragment must have come true; kconfig itself drops silently what it cannot do.
debug_configure() {
	local tree=$1/build lost
	{
		debug_config_lines
		printf 'CONFIG_LOCALVERSION="+%s"\n' "${KVER#*+}"
	} >"$tree/wanted.config"
	debug_make "$tree" -s KCONFIG_ALLCONFIG=wanted.config allnoconfig
	lost=$(grep -vxFf "$tree/.config" "$tree/wanted.config" || true)
	[[ -z $lost ]] && return
	while IFS= read -r line; do
		echo "debug.config wants $line, the configuration has: $(grep -E "^(# )?${line%%=*}[= ]" "$tree/.config" || echo "no such symbol, or a dependency is missing")"
	done <<<"$lost"
	return 1
}

# debug_copy STOCK DIR: the source by hard links (no build writes to a source file), as if never built
debug_copy() {
	cp -al "$1" "$2/build"
	debug_make "$2/build" -s mrproper
}

debug_modules() { # DIR
	debug_make "$1/build" -s modules_install INSTALL_MOD_PATH="$1/modules"
	rm -f "$1/modules/lib/modules/$KVER"/{build,source}
}

# debug_slim DIR: what is not needed to build modules against the tree
debug_slim() {
	cp "$1/build/arch/x86/boot/bzImage" "$1/vmlinuz"
	cp "$1/build/System.map" "$1/"
	find "$1/build" \( -path "$1/build/scripts" -o -path "$1/build/tools" \) -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '.*.cmd' -o -name '*.mod.c' -o -name '*.bin' \) -type f -links 1 -print0 | xargs -0r rm -f
	rm -f "$1/build"/{vmlinux,vmlinux.unstripped,.tmp_vmlinux*} "$1/build/arch/x86/boot/bzImage" "$1/build/arch/x86/boot/compressed"/vmlinux*
}

debug_make_all() { # STOCK-TREE
	local stock=$1 tmp log=$BF_CACHE/logs/kernel-debug.log
	tmp=$(begin "$BF_KERNEL")
	mkdir -p "$tmp"
	export BF_TAIL=30
	step "$log" "copying the source for the debug kernel" "15 s" debug_copy "$stock" "$tmp"
	step "$log" "configuring the debug kernel" "15 s" debug_configure "$tmp"
	step "$log" "building the debug kernel $KVER" "20 to 30 min on 2 cores, once" debug_make "$tmp/build" all
	[[ $(<"$tmp/build/include/config/kernel.release") == "$KVER" ]] ||
		die "the debug kernel calls itself $(<"$tmp/build/include/config/kernel.release"), not $KVER"
	step "$log" "installing its modules and headers" "10 s" debug_install "$tmp"
	commit "$BF_KERNEL"
	debug_prune
}

debug_install() { # DIR
	debug_make "$1/build" -s headers # for tests: newer than the C library's
	debug_modules "$1"
	debug_slim "$1"
}

# Debug kernels of another configuration, once the new one is there
debug_prune() {
	local p
	for p in "$BF_CACHE/kernels/$KVER"-*; do
		[[ $p == "$BF_KERNEL" ]] || remove "$p"
	done
}

# kernel_debug_ready: as kernel_ready, for the debug kernel made from the stock kernel that KVER chooses
kernel_debug_ready() {
	local stock
	# A second call (run-tests goes from one kernel to the other)
	[[ ${KVER-} != *-debug ]] || KVER=$DEBUG_FROM
	KERNEL=stock kernel_ready
	DEBUG_FROM=$KVER
	stock=$KDIR
	KVER=${KVER%%-*}-debug
	BF_KERNEL=$BF_CACHE/kernels/$KVER-$(debug_key)
	if [[ ! -d $BF_KERNEL ]]; then
		(
			lock "kernel-$KVER"
			[[ -d $BF_KERNEL ]] && exit 0
			need_space 8 "the debug kernel"
			debug_make_all "$stock"
		)
	fi
	printf '%s\n' "$DEBUG_CMDLINE" >"$BF_KERNEL/cmdline.tmp.$$"
	mv "$BF_KERNEL/cmdline.tmp.$$" "$BF_KERNEL/cmdline"
	KDIR=$BF_KERNEL/build
	# shellcheck disable=SC2034 # for kmake
	KBUILD_ARGS=("${DEBUG_ARGS[@]}")
	# KASAN's shadow, lockdep's tables and kmemleak's objects need memory of their own.
	MEM=${MEM:-3G}
}
