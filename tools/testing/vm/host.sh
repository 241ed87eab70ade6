# shellcheck shell=bash
# The few packages the host itself needs. Source after lib.sh.

host_missing() {
	local p
	for p in $(section host); do
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true) in
		*' installed') ;;
		*) printf '%s ' "$p" ;;
		esac
	done
}

host_install() {
	export DEBIAN_FRONTEND=noninteractive
	# An old package list is the usual reason for a failing install, so refresh it only then.
	# shellcheck disable=SC2068
	apt-get install -y --no-install-recommends $@ || { apt-get update && apt-get install -y --no-install-recommends $@; }
}

# host_ready: the host can make and enter the toolchain root, or we stop with one line that says why not
host_ready() {
	[[ -w $BF_CACHE ]] || mkdir -p "$BF_CACHE" 2>/dev/null || die "cannot write to $BF_CACHE; set XDG_CACHE_HOME to a folder that can hold 9 GiB"
	# Checked in full only until there is a root: this is on the path of every command
	[[ -d ${BF_ROOT-} ]] && command -v bwrap >/dev/null && return
	command -v apt-get >/dev/null || die "this host has no apt-get; Debian 12 or newer, or Ubuntu, is needed (use 'make modules KDIR=...' elsewhere)"
	[[ $(uname -m) == x86_64 ]] || die "this host is $(uname -m); the kernel we boot is for x86_64"
	local missing
	missing=$(host_missing)
	missing=${missing% }
	if [[ -n $missing ]]; then
		if ((EUID)); then
			die "host packages are missing; run: sudo apt-get install -y --no-install-recommends $missing"
		fi
		step "$BF_CACHE/logs/host-packages.log" "installing host packages: $missing" "20 s" host_install "$missing"
	fi
	bwrap --ro-bind / / --dev /dev --proc /proc true 2>/dev/null ||
		die "bubblewrap cannot make a namespace here: $(bwrap --ro-bind / / --dev /dev --proc /proc true 2>&1 | head -n 1); run as root, or allow unprivileged user namespaces"
}
