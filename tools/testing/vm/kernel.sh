# shellcheck shell=bash
# The kernel under test: which one, its prepared source tree (what modules are built against), its modules, its image.
# Source after root.sh.
#
# $BF_CACHE/kernels/<kver>/ holds, complete or not at all:
#   build/          the kernel source, prepared: this is KDIR (also checkpatch, kselftest_harness.h, ...)
#   vmlinuz         what QEMU boots
#   modules/        lib/modules/<kver>/... as the guest sees it: decompressed, only what a guest can use
#   cmdline         extra kernel parameters (optional)
# Another kernel (KERNEL=debug) is a folder with the same contents, made by kernel-debug.sh.

TESTED_SERIES=7.3
TESTED_FLAVOUR=amd64
# Before it the crate `kernel` lacks what ours use: `this_module`, pointers to reference-counted objects as private data
OLDEST_SERIES=7.3
# What Debian built its kernel with: configuring or building with anything else would change the configuration.
KBUILD_ARGS=(CROSS_COMPILE=x86_64-linux-gnu- CC=x86_64-linux-gnu-gcc-14 LOCALVERSION=)

root_apt() { "$BF_VM/enter" --rw "$@"; }

apt_refresh() { root_apt apt-get -o APT::Sandbox::User=root update; }

# Releases of the Debian kernels that the package lists offer with headers, oldest first
kernels_offered() {
	root_apt apt-cache search --names-only '^linux-headers-[0-9.]+[+]deb[0-9.]+-([a-z]+-)?amd64$' |
		sed -E 's/^linux-headers-([^ ]+) .*/\1/' | sort -V
}

# kernel_newest: the newest stock kernel of the tested series that the package lists offer
kernel_newest() { kernels_offered | grep -E "^$TESTED_SERIES\.[0-9]+[+]deb[0-9.]+-$TESTED_FLAVOUR$" | tail -n 1 || true; }

# too_old RELEASE: says why modules cannot be built for a kernel that old, or nothing
too_old() {
	[[ $(printf '%s\n' "$OLDEST_SERIES" "${1%%[-+]*}" | sort -V | head -n 1) == "$OLDEST_SERIES" ]] ||
		echo "is too old: the Rust interfaces of $OLDEST_SERIES or newer are needed"
}

# kernel_resolve -> KVER: the one asked for, or the one resolved before, or the newest of the series
kernel_resolve() {
	local recorded=$BF_CACHE/kernels/default-$TESTED_SERIES-$ROOT_KEY
	if [[ -n ${KVER-} ]]; then
		[[ $KVER =~ ^[0-9]+\.[0-9]+(\.[0-9]+)?\+deb[0-9.]+-[a-z-]*amd64$ ]] || die "KVER=$KVER is not the release of a Debian kernel (such as 7.3.4+deb13-amd64)"
		[[ -z $(too_old "$KVER") ]] || die "KVER=$KVER $(too_old "$KVER")"
		[[ $KVER == "$TESTED_SERIES".*+deb*[0-9]-"$TESTED_FLAVOUR" ]] || warn "$KVER is not a kernel we test ($TESTED_SERIES.*-$TESTED_FLAVOUR); it may not work"
		return
	fi
	if [[ -s $recorded ]]; then
		KVER=$(<"$recorded")
		[[ -d $BF_CACHE/kernels/$KVER ]] && return
	fi
	KVER=$(kernel_newest)
	if [[ -z $KVER ]]; then
		BF_HINT="is the package mirror reachable?" step "$BF_CACHE/logs/apt-update.log" "fetching package lists" "10 s" apt_refresh
		KVER=$(kernel_newest)
	fi
	[[ -n $KVER ]] || die "the archive offers no kernel of the series $TESTED_SERIES; choose one with KVER="
	mkdir -p "$BF_CACHE/kernels"
	printf '%s\n' "$KVER" >"$recorded.tmp.$$"
	mv "$recorded.tmp.$$" "$recorded"
}

# kernel_version KVER: the Debian package version that made it, or nothing
kernel_version() { root_apt apt-cache show "linux-headers-$1" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1 || true; }

# fetch DIR PACKAGE=VERSION...: packages, unpacked in DIR. apt checks hashes and keeps what is complete.
fetch() {
	local dir=$1 p debs=$BF_CACHE/downloads/$KVER
	shift
	mkdir -p "$debs" "$dir/pkg"
	cd "$debs" || return
	root_apt apt-get -o APT::Sandbox::User=root download "$@"
	for p; do "$BF_VM/enter" dpkg-deb -x "$(printf '%s\n' "${p%%=*}"_*.deb | tail -n 1)" "$dir/pkg"; done
}

# The stock modules a guest can use, decompressed: xz costs seconds per module under emulation.
kernel_modules() {
	local dir=$1 from to
	from=$dir/pkg/usr/lib/modules/$KVER
	to=$dir/modules/lib/modules/$KVER
	mkdir -p "$to"
	(cd "$from" && find kernel/fs kernel/lib kernel/crypto kernel/arch kernel/block kernel/mm kernel/kernel kernel/security kernel/net/9p \
		kernel/net/core kernel/net/sched kernel/net/unix kernel/net/ipv6 kernel/net/sunrpc kernel/drivers/block kernel/drivers/md \
		kernel/drivers/scsi kernel/drivers/target kernel/drivers/virtio kernel/drivers/char kernel/drivers/dax kernel/drivers/nvdimm \
		kernel/drivers/nvme kernel/drivers/net/virtio_net.ko* kernel/drivers/net/net_failover.ko* kernel/drivers/net/dummy.ko* \
		-name '*.ko*' -print0 2>/dev/null || true) |
		(cd "$from" && xargs -0 cp --parents -t "$to")
	cp "$from"/modules.builtin* "$from"/modules.order "$to"
	find "$to" -name '*.ko.xz' -print0 | xargs -0r "$BF_VM/enter" xz -d -T0
	"$BF_VM/enter" depmod -b "$dir/modules" "$KVER"
}

# kernel_prepare DIR: the source tree whose Rust metadata carries the stock kernel's symbol names
kernel_prepare() {
	local dir=$1 headers=$1/pkg/usr/src/linux-headers-$KVER
	mkdir "$dir/build"
	tar -C "$dir/build" --strip-components=1 -xf "$dir"/pkg/usr/src/linux-source-*.tar.xz
	cp "$headers/.config" "$headers/Module.symvers" "$dir/build"
	sed -i "s/^CONFIG_LOCALVERSION=.*/CONFIG_LOCALVERSION=\"+${KVER#*+}\"/" "$dir/build/.config"
	kernel_make "$dir/build" olddefconfig
	kernel_make "$dir/build" modules_prepare
	kernel_make "$dir/build" headers # for tests: newer than the C library's
	[[ $(kernel_make "$dir/build" -s kernelrelease) == "$KVER" ]]
	[[ -s $dir/build/rust/libkernel.rmeta ]]
}

kernel_make() {
	local tree=$1
	shift
	BF_BIND=$tree "$BF_VM/enter" make -C "$tree" -j"$BF_JOBS" "${KBUILD_ARGS[@]}" "$@"
}

kernel_image() { # DIR
	local f
	for f in "$1/pkg/usr/lib/modules/$KVER/vmlinuz" "$1/pkg/boot/vmlinuz-$KVER"; do
		[[ -f $f ]] && { cp "$f" "$1/vmlinuz"; return; }
	done
	echo "no kernel image in the packages of $KVER"
	return 1
}

# rust_mismatch CONFIG RUSTC-VERSION: says why modules built with that compiler cannot work with that kernel, or nothing
rust_mismatch() {
	local want
	grep -q '^CONFIG_RUST=y' "$1" || { echo "was built without CONFIG_RUST"; return; }
	want=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"$/\1/p' "$1")
	[[ $want == "$2" ]] || echo "was built with '$want', but the compiler is '$2'"
}

kernel_make_all() { # VERSION
	local dest=$BF_CACHE/kernels/$KVER version=$1 series tmp why
	series=$(cut -d. -f 1-2 <<<"${KVER%%+*}")
	tmp=$(begin "$dest")
	mkdir -p "$tmp"
	export BF_HINT="is the package mirror reachable?"
	# The configuration first: it is small, and says whether the rest is worth fetching
	step "$BF_CACHE/logs/kernel-fetch.log" "fetching the configuration of kernel $KVER" "2 s" fetch "$tmp" "linux-headers-$KVER=$version"
	why=$(rust_mismatch "$tmp/pkg/usr/src/linux-headers-$KVER/.config" "$("$BF_VM/enter" rustc --version)")
	if [[ -n $why ]]; then
		remove "$tmp" "$BF_CACHE/downloads/$KVER"
		die "kernel $KVER $why; choose another with KVER="
	fi
	step "$BF_CACHE/logs/kernel-fetch.log" "fetching kernel $KVER and its source (300 MB)" "30 s" fetch "$tmp" \
		"linux-source-$series=$version" "linux-base-$KVER=$version" "linux-modules-$KVER=$version" "linux-binary-$KVER=$version"
	BF_HINT=
	step "$BF_CACHE/logs/kernel-prepare.log" "preparing the source of kernel $KVER for module builds" "2 min on 2 cores" kernel_prepare "$tmp"
	step "$BF_CACHE/logs/kernel-modules.log" "unpacking the modules of kernel $KVER" "15 s" kernel_modules "$tmp"
	kernel_image "$tmp"
	remove "$tmp/pkg" "$BF_CACHE/downloads/$KVER"
	commit "$dest"
}

# kernel_ready: sets KVER, BF_KERNEL (its folder) and KDIR of the kernel to test, making it if missing
kernel_ready() {
	case ${KERNEL:-stock} in
	stock) ;;
	debug)
		[[ -f $BF_VM/kernel-debug.sh ]] || die "KERNEL=debug: there is no debug kernel yet; use KERNEL=stock"
		# shellcheck source=/dev/null
		. "$BF_VM/kernel-debug.sh"
		kernel_debug_ready
		return
		;;
	*) die "KERNEL=$KERNEL: choose stock or debug" ;;
	esac
	root_ready
	kernel_resolve
	BF_KERNEL=$BF_CACHE/kernels/$KVER
	if [[ ! -d $BF_KERNEL ]]; then
		(
			lock "kernel-$KVER"
			[[ -d $BF_KERNEL ]] && exit 0
			version=$(kernel_version "$KVER")
			if [[ -z $version ]]; then
				BF_HINT="is the package mirror reachable?" step "$BF_CACHE/logs/apt-update.log" "fetching package lists" "10 s" apt_refresh
				version=$(kernel_version "$KVER")
			fi
			[[ -n $version ]] || die "the archive does not offer kernel $KVER; it offers: $(kernels_offered | tail -n 8 | xargs)"
			need_space 5 "kernel $KVER"
			kernel_make_all "$version"
		)
	fi
	KDIR=$BF_KERNEL/build
}
