# shellcheck shell=bash
# what README promises about `make vm` and `make modules`
# in: check test

# The command's stdout alone, its exit status through make, the shared folder, and quoting.
vm_command() {
	local dir rc=0 out
	dir=$(mktemp -d)
	echo shared >"$dir/f"
	# shellcheck disable=SC2016 # $x is the guest's
	out=$(make vm CMD='x=1; cat /share/f; cp /share/f /mnt/g; cat /backing/lower/g; echo "$x"; echo noise >&2; exit 3' SHARE="$dir" 2>"$dir/err") || rc=$?
	cat "$dir/err"
	grep -q '^noise$' "$dir/err" || { echo "stderr of the command is missing"; return 1; }
	rm -rf "$dir"
	[[ $rc == 3 ]] || { echo "make exited with $rc, not 3"; return 1; }
	[[ $out == $'shared\nshared\n1' ]] || { echo "stdout was: $out"; return 1; }
}

# refused WORD COMMAND...: fails, with one line of error that has WORD in it
refused() {
	local word=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	printf '%s\n' "$out"
	((rc != 0)) && [[ $(grep -c '^error: ' <<<"$out") == 1 ]] && grep -q "^error: .*$word" <<<"$out"
}

norust() {
	local dir rc=0
	dir=$(mktemp -d)
	echo "# CONFIG_RUST is not set" >"$dir/.config"
	refused CONFIG_RUST make modules KDIR="$dir" || rc=$?
	rm -rf "$dir"
	return "$rc"
}

# In the toolchain root there is a compiler, but neither our root nor QEMU's images: a developer's machine
own_tree() {
	local dest=$BF_BUILD/own-tree ko
	remove "$dest"
	"$BF_VM/enter" make modules modules_install rust-analyzer KDIR="$KDIR" INSTALL_MOD_PATH="$dest"
	for ko in backing_file passfs; do
		[[ -n $(find "$dest/lib/modules/$KVER" -name "$ko.ko*") ]] || { echo "$ko.ko is not installed"; return 1; }
	done
	grep -q '"display_name": "backing_file"' rust-project.json
	remove "$dest" rust-project.json
}

# Every goal that README names has its line
help_is_whole() {
	local goal
	make help
	for goal in run hsm vm modules modules_install doc rust-analyzer fmt fmt-check clippy clean test check soak bench; do
		make help | grep -qE "^ *make $goal +[^ ]" || { echo "no line for $goal"; return 1; }
	done
}

t_run "make modules, modules_install, rust-analyzer with KDIR=" own_tree
t_run "make help has a line for every goal" help_is_whole
t_run "make vm CMD= has the command's output and exit status" vm_command
t_run "KDIR= without a tree is refused" refused "no such folder" make modules KDIR=/nonexistent
t_run "KDIR= without CONFIG_RUST is refused" norust
t_run "KVER= that is no kernel is refused" refused "not the release" make modules KVER=foo
t_run "KVER= that is too old is refused" refused "too old" make modules KVER=7.2.12+deb13-amd64
t_run "FS= that is no file system is refused" refused "choose xfs" make vm CMD=true FS=ntfs
t_run "SHARE= without a folder is refused" refused "no such folder" make vm CMD=true SHARE=/nonexistent
