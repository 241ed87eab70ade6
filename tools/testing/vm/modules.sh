# shellcheck shell=bash
# Building our modules, and what is made from the same build: clippy, rustdoc, rust-project.json, rustfmt.
# Source after kernel.sh.
#
# Objects go to build/<kernel release>/ (kbuild's MO=), so those of different kernels never mix.

# user_kdir_check: KDIR= names a tree that modules in Rust can be built against, or one line says why not
user_kdir_check() {
	local config=$KDIR/.config why rustc=${RUSTC:-rustc}
	[[ -d $KDIR ]] || die "KDIR=$KDIR: no such folder"
	[[ -f $config ]] || die "KDIR=$KDIR: no .config there; KDIR is the build folder of a configured kernel"
	grep -q '^CONFIG_RUST=y' "$config" || die "KDIR=$KDIR: CONFIG_RUST is not set in its .config; enable it and rebuild that kernel"
	[[ -s $KDIR/include/config/kernel.release && -s $KDIR/rust/libkernel.rmeta ]] ||
		die "KDIR=$KDIR: not prepared for Rust modules; run 'make modules_prepare' there (header packages of distributions lack rust/)"
	why=$(too_old "$(<"$KDIR/include/config/kernel.release")")
	[[ -z $why ]] || die "KDIR=$KDIR: the kernel $why"
	command -v "$rustc" >/dev/null || die "there is no rustc on this host; install the one KDIR was built with"
	why=$(rust_mismatch "$config" "$("$rustc" --version)")
	[[ -z $why ]] || die "KDIR=$KDIR: the kernel $why; use its compiler (RUSTC=)"
	command -v bindgen >/dev/null || [[ -n ${BINDGEN-} ]] || die "there is no bindgen on this host; install it (package bindgen)"
}

# target_ready: sets KDIR and OUT for the user's own tree (KDIR=) or the kernel we test; kmake runs its make
target_ready() {
	if [[ -n $BF_USER_KDIR ]]; then
		KDIR=$(realpath -m "$BF_USER_KDIR")
		user_kdir_check
		KVER=$(<"$KDIR/include/config/kernel.release")
		OWN_KDIR=yes
	else
		kernel_ready
		OWN_KDIR=
	fi
	OUT=$BF_BUILD/$KVER
	mkdir -p "$OUT"
	# Another tree that calls itself the same release: nothing of the old objects can be trusted
	if [[ -f $OUT/.kdir && $(<"$OUT/.kdir") != "$KDIR" ]]; then
		remove "$OUT"
		mkdir -p "$OUT"
	fi
	printf '%s\n' "$KDIR" >"$OUT/.kdir"
}

# kmake ARGS...: the kernel's make on our folder
kmake() {
	local -a args=(--no-print-directory -C "$KDIR" M="$BF_TOP" -j"$BF_JOBS") v
	for v in V CC LLVM RUSTC BINDGEN; do
		[[ -z ${!v-} ]] || args+=("$v=${!v}")
	done
	if [[ -n $OWN_KDIR ]]; then
		make "${args[@]}" "$@"
	else
		"$BF_VM/enter" make "${args[@]}" "${KBUILD_ARGS[@]}" "$@"
	fi
}

# modules_build: our modules in OUT, up to date; kbuild's own output on stderr
modules_build() {
	target_ready
	local start=$SECONDS
	say "building the modules for kernel $KVER (about 30 s the first time)"
	(
		lock "build-$(sha256sum <<<"$OUT" | cut -c 1-12)"
		kmake MO="$OUT" modules >&2
	) || die "the modules do not build; the messages above say why"
	note "done in $(elapsed "$start"): $(cd "$OUT" && find . -name '*.ko' -printf '%P ' | sort) in ${OUT#"$BF_TOP"/}"
}

modules_install() {
	[[ -n $BF_USER_KDIR${INSTALL_MOD_PATH-} ]] || die "modules_install: give KDIR= (your kernel's build folder), or INSTALL_MOD_PATH= to install the stock kernel's build there"
	modules_build
	[[ -z ${INSTALL_MOD_PATH-} ]] || mkdir -p "$INSTALL_MOD_PATH"
	BF_BIND=${INSTALL_MOD_PATH-} kmake MO="$OUT" ${INSTALL_MOD_PATH:+INSTALL_MOD_PATH="$(realpath "$INSTALL_MOD_PATH")"} modules_install
}

# No warning of clippy is acceptable. An output folder of its own: clippy's objects are not for shipping.
modules_clippy() {
	target_ready
	local log=$BF_BUILD/logs/clippy.log
	remove "$OUT.clippy"
	BF_TAIL=60 step "$log" "clippy" "40 s" kmake MO="$OUT.clippy" CLIPPY=1 modules
	remove "$OUT.clippy"
	if grep -qE '^(warning|error)' "$log"; then
		grep -E -A12 '^(warning|error)' "$log" >&2
		die "clippy has something to say (all of it in ${log#"$BF_TOP"/})"
	fi
}

# rustdoc is run with the options kbuild gave rustc, taken from the .cmd file beside each crate's object.
modules_doc() {
	modules_build
	local log=$BF_BUILD/logs/doc.log
	local -a run=("$BF_VM/enter")
	[[ -z $OWN_KDIR ]] || run=()
	BF_TAIL=60 step "$log" "rustdoc" "20 s" ${run[@]+"${run[@]}"} python3 "$BF_VM/crates.py" doc "$OUT" "$BF_BUILD/doc"
	if grep -qE '^(warning|error)' "$log"; then
		grep -E -A12 '^(warning|error)' "$log" >&2
		die "rustdoc has something to say"
	fi
	note "open build/doc/backing_file/index.html"
}

modules_rust_analyzer() {
	modules_build
	kmake MO="$OUT" rust-analyzer >&2
	local root=
	[[ -n $OWN_KDIR ]] || root=$BF_ROOT
	BF_ROOT=$root python3 "$BF_VM/crates.py" analyzer "$OUT" "$BF_TOP"
	note "rust-project.json is in the top folder"
}

# The root's rustfmt if there is a root: versions differ in details.
rustfmt_run() {
	local -a run=("$BF_VM/enter" rustfmt) files
	[[ -d $BF_ROOT ]] || ! command -v rustfmt >/dev/null || run=(rustfmt)
	mapfile -t files < <(cd "$BF_TOP" && git ls-files -co --exclude-standard -- '*.rs' | while read -r f; do [[ -f $f ]] && echo "$f"; done)
	((${#files[@]})) || die "there are no Rust files to format"
	(cd "$BF_TOP" && "${run[@]}" --edition 2021 "$@" "${files[@]}")
}

modules_clean() {
	remove "$BF_BUILD" "$BF_TOP/rust-project.json"
	say "build/ is gone; the cache (toolchain root, kernels) stays in $BF_CACHE"
}
