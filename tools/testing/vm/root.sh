# shellcheck shell=bash
# The toolchain root: a Debian trixie folder with the distribution's own compilers (symbol names of Rust code hold the
# compiler's version, so no other will do), QEMU and test tools. Source after lib.sh and host.sh.

ROOT_SUITE=trixie
ROOT_KEY=$ROOT_SUITE-$(section root | sha256sum | cut -c 1-12)
BF_ROOT=$BF_CACHE/roots/$ROOT_KEY

# The Debian mirror this host's apt uses already, if any; else mmdebstrap's own default.
root_mirror() {
	apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)' 2>/dev/null |
		awk -F'|' '$1 == "Debian" && $2 == "main" && $3 !~ /-security/ && !n++ { print $4 }'
}

# The host's apt proxy, as an apt configuration line
root_proxy() {
	apt-config dump --format '%F "%v";%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null | grep -v ' "";$' || true
}

# root_make DIR
root_make() {
	local dir=$1 mirror proxy mode=auto target=$1
	local -a opts=() own_mounts=(unshare --mount)
	mirror=$(root_mirror)
	proxy=$(root_proxy)
	[[ -z $proxy ]] || opts+=(--aptopt="$proxy")
	if ((EUID)); then
		mode=unshare own_mounts=(env)
		target=$dir.tar
	fi
	# The kernel packages are in backports; the line is derived from whatever line mmdebstrap wrote for the suite.
	# shellcheck disable=SC2016 # $1 is mmdebstrap's
	opts+=(--customize-hook='sed -n "s/ '"$ROOT_SUITE"' main$/ '"$ROOT_SUITE"'-backports main/p" "$1/etc/apt/sources.list" >>"$1/etc/apt/sources.list"')
	# What it mounts while it works must not outlive it, even if it is killed: mounts of its own
	"${own_mounts[@]}" mmdebstrap --mode="$mode" --variant=apt --components=main --include="$(section root | tr ' ' ,)" "${opts[@]}" \
		"$ROOT_SUITE" "$target" ${mirror:+"$mirror"}
	if ((EUID)); then
		# As the user: device nodes cannot be made and owners become ours; neither is needed.
		mkdir "$dir"
		tar -C "$dir" --exclude './dev/*' --no-same-owner -xf "$target"
		rm -f "$target"
	fi
	grep -q "$ROOT_SUITE-backports" "$dir/etc/apt/sources.list"
}

root_ready() {
	host_ready
	if [[ -d $BF_ROOT ]]; then
		touch "$BF_ROOT"
		return
	fi
	(
		lock toolchain-root
		[[ -d $BF_ROOT ]] && exit 0
		need_space 9 "the toolchain root and a kernel"
		tmp=$(begin "$BF_ROOT")
		if ((EUID)) && ! grep -q "^$(id -un):" /etc/subuid 2>/dev/null; then
			die "without root, $(id -un) needs a range in /etc/subuid and /etc/subgid (sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un))"
		fi
		BF_HINT="is the package mirror reachable?" \
			step "$BF_CACHE/logs/root.log" "making the toolchain root (Debian $ROOT_SUITE, 2.5 GB)" "90 s" root_make "$tmp"
		touch "$tmp"
		commit "$BF_ROOT"
		prune "$BF_CACHE/roots"/*
	)
}
