# shellcheck shell=bash
# Test programs that are published as Rust crates, built with the toolchain root's compiler and against its C library, so
# that they run in the guest. Source after root.sh.
#
#   $BF_CACHE/cargo/                              what cargo downloads
#   $BF_CACHE/cargo-tools/<root>/NAME-VERSION/    bin/NAME and the rest that `cargo install` makes

# cargo_tool NAME VERSION [OPTION...]: builds it once, with the dependencies its author locked and these options of
# `cargo install`; sets CARGO_TOOL to its program. A t_guest script finds that as /run/bf/NAME if it is given as FILE.
cargo_tool() {
	local dest=$BF_CACHE/cargo-tools/$ROOT_KEY/$1-$2
	CARGO_TOOL=$dest/bin/$1
	[[ -d $dest ]] && return
	root_ready
	(
		lock "cargo-$1"
		[[ -d $dest ]] && exit 0
		need_space 1 "building $1"
		tmp=$(begin "$dest")
		BF_HINT="is the crate registry reachable?" \
			step "$BF_CACHE/logs/cargo-$1.log" "building $1 $2 from the crate registry" "1 min" cargo_install "$tmp" "$@"
		remove "$tmp/target"
		[[ -x $tmp/bin/$1 ]] || die "the crate $1 $2 has no program of that name"
		commit "$dest"
	)
}

cargo_install() { # DIR NAME VERSION [OPTION...]
	local dir=$1 name=$2 version=$3
	shift 3
	mkdir -p "$dir" "$BF_CACHE/cargo"
	"$BF_VM/enter" --rw env CARGO_HOME="$BF_CACHE/cargo" CARGO_PROFILE_RELEASE_STRIP=true \
		cargo install --locked --root "$dir" --target-dir "$dir/target" "$@" "$name@$version"
}
