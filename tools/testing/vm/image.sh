# shellcheck shell=bash
# What the guest is made of, each made once and kept in the cache:
#   roots/<key>.image-<hash>      the toolchain root without compilers' big parts: the guest's read-only root (erofs)
#   kernels/<kver>/modules.img    its modules (erofs), mounted at /lib/modules/<kver>
#   kernels/<kver>/initramfs      busybox, the few modules needed to reach the two above
# What changes with every edit (our modules, scripts, the command) is in a second, tiny cpio made for each boot (qemu.sh).
# Source after kernel.sh.

# Not needed in the guest: compilers but gcc, documentation, translations, headers but the C library's.
IMAGE_EXCLUDE=(
	'^usr/lib/llvm-[0-9]+' '^usr/lib/rustlib' '^usr/lib/x86_64-linux-gnu/lib(rustc_driver|LLVM|clang|gallium|z3).*' '^usr/src/.' '^usr/lib/git-core/.'
	'^usr/share/(doc|locale|man|info|i18n|lintian|gitweb|X11|bash-completion|qemu|seabios)/.' '^usr/bin/(qemu-|rust|cargo|clippy|bindgen|clang|.*lto-dump).*'
	'^usr/lib/x86_64-linux-gnu/.*\.a$' '^var/(cache|lib/apt)/.' '^usr/lib/linux' '^(proc|sys|dev|run|tmp)/.'
)
IMAGE_KEY=$(printf '%s\n' "${IMAGE_EXCLUDE[@]}" | sha256sum | cut -c 1-8)
BF_IMAGE=$BF_ROOT.image-$IMAGE_KEY
# What the first /init loads. Order matters; a name that is built in or missing in another kernel is skipped.
INITRAMFS_MODULES=(virtio_blk erofs overlay 9pnet_virtio 9p)

image_root() { # FILE
	local -a excludes=()
	local x
	for x in "${IMAGE_EXCLUDE[@]}"; do excludes+=(--exclude-regex="$x"); done
	"$BF_VM/enter" mkfs.erofs --quiet -d1 -T0 --all-root "${excludes[@]}" "$1" "$BF_ROOT"
}

# The names in modules.dep order of what one module needs, itself last, as paths under lib/modules/<kver>
module_closure() { # TREE NAME
	local line
	line=$(grep -E "(^|/)${2//[-_]/[-_]}\.ko:" "$1/modules.dep") || return 0
	printf '%s\n' "${line#*:}" | tr ' ' '\n' | grep . | tac || true
	printf '%s\n' "${line%%:*}"
}

initramfs_make() { # FILE
	local file=$1 tmp tree=$BF_KERNEL/modules/lib/modules/$KVER m dep
	tmp=$file.dir
	remove "$tmp"
	mkdir -p "$tmp"/{bin,dev,proc,sys,new,lib,run}
	cp "$BF_ROOT/usr/bin/busybox" "$tmp/bin/busybox"
	cp "$BF_VM/guest/init" "$tmp/init"
	: >"$tmp/lib/list"
	for m in "${INITRAMFS_MODULES[@]}"; do
		[[ -f $tree/modules.dep ]] || break
		module_closure "$tree" "$m" | while read -r dep; do
			grep -qxF "${dep##*/}" "$tmp/lib/list" && continue
			cp "$tree/$dep" "$tmp/lib/"
			printf '%s\n' "${dep##*/}" >>"$tmp/lib/list"
		done
	done
	(cd "$tmp" && find . -print0 | LC_ALL=C sort -z | "$BF_VM/enter" cpio --quiet -0 -o -H newc -R 0:0) >"$file"
	remove "$tmp"
}

modules_image_make() { # FILE
	"$BF_VM/enter" mkfs.erofs --quiet -d1 -T0 --all-root "$1" "$BF_KERNEL/modules"
}

# made FILE "what" "about" FUNCTION: FILE, made by FUNCTION if it is missing
made() {
	local file=$1 what=$2 about=$3 make=$4
	if [[ -f $file ]]; then
		touch "$file"
		return
	fi
	(
		lock "$(basename "$file")-${KVER-}"
		[[ -f $file ]] && exit 0
		tmp=$(begin "$file")
		step "$BF_CACHE/logs/image.log" "$what" "$about" "$make" "$tmp"
		commit "$file"
	)
}

# images_ready: everything a guest with kernel $BF_KERNEL needs
images_ready() {
	need_space 2 "the guest's images"
	made "$BF_IMAGE" "making the guest's root image (800 MB)" "10 s" image_root
	[[ ! -d $BF_KERNEL/modules ]] || made "$BF_KERNEL/modules.img" "making the guest's modules image" "2 s" modules_image_make
	BF_INITRAMFS=$BF_KERNEL/initramfs-$(cat "$BF_VM/guest/init" "$BF_VM/image.sh" | sha256sum | cut -c 1-8)
	made "$BF_INITRAMFS" "making the initramfs" "1 s" initramfs_make
	prune "$BF_CACHE/roots"/* "$BF_KERNEL"/initramfs-*
}
