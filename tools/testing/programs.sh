#!/bin/bash
# What people do on a filesystem, run in the guest by the suite 62-programs: each once on the backing filesystem and once
# through passfs, under the same path. What is left must be the same, byte for byte: through passfs, and as it is below.
# Output: TAP in parts. `programs.sh inside PART`: does it, in the current folder.
. /run/bf/env

# Files and folders of the current one, all that is the same each time: kinds, modes, owners, links, sizes, contents
manifest() {
	find . -mindepth 1 \( -name .git -prune -o -path ./var/lib/dpkg -prune -o -printf '%P %y %m %U:%G %n %l' \( -type f -printf ' %s\n' -o -printf '\n' \) \) | LC_ALL=C sort
	find . -name .git -prune -o -path ./var/lib/dpkg -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
}

# A library with its headers, unpacked and built with the makefiles it has
build() { tar -xf /run/bf/source.tar && C_INCLUDE_PATH=$PWD/usr/include make -s -C tools/lib/perf && [[ -s tools/lib/perf/libperf.a ]]; }

git_ids() { git "$@" rev-parse HEAD 'HEAD^{tree}' 'HEAD~2^{tree}'; }

git_run() {
	export GIT_AUTHOR_DATE='1000000000 +0000' GIT_COMMITTER_DATE='1000000000 +0000' HOME=$PWD
	git config --global user.name tests && git config --global user.email tests@localhost && git config --global init.defaultBranch main &&
		git config --global pack.threads 1 && git config --global gc.auto 0 && git config --global safe.directory '*'
	mkdir repo && tar -C repo -xf /run/bf/source.tar && cd repo || return
	git init -q && git add -A && git commit -qm first && git checkout -qb side && sed -i 's/int/long/' tools/lib/perf/*.c && git commit -qam second &&
		git mv tools/lib/perf tools/lib/moved && git commit -qm third && git checkout -q main && git checkout -q side && git gc -q && git fsck --strict || return
	cd .. && git clone -q repo clone && git clone -q --no-hardlinks repo copy && git -C copy checkout -q main && git -C copy checkout -q side || return
	[[ -z $(git -C clone status --porcelain)$(git -C copy status --porcelain)$(git -C repo status --porcelain) ]] || return
	# What is in there, instead of the files of .git themselves, in which there are times
	git_ids -C repo >ids && [[ $(git_ids -C clone) == "$(<ids)" && $(git_ids -C copy) == "$(<ids)" ]] || return
	cat repo/.git/objects/pack/*.pack | sha256sum >>ids
	git -C copy fsck --full && git -C clone fsck --full
}

# Several readers while one writes, all of them by mapping
sqlite() {
	local i readers=()
	sqlite3 db 'pragma journal_mode=wal; pragma mmap_size=67108864; create table t(a integer primary key, b)' >/dev/null || return
	for i in 1 2; do
		while [[ ! -e finished ]]; do sqlite3 -cmd '.timeout 20000' db 'pragma mmap_size=67108864; select count(*), max(a) from t' >/dev/null || exit; done &
		readers+=($!)
	done
	for i in {1..20}; do
		sqlite3 -cmd '.timeout 20000' db "pragma mmap_size=67108864; begin; with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
			insert into t select $i * 1000 + i, 'row ' || i || ' of $i' from n; delete from t where a % 7 = $i % 7; commit" >/dev/null || return
	done
	touch finished
	wait "${readers[@]}" || return
	[[ $(sqlite3 db 'pragma integrity_check') == ok ]] && sqlite3 db .dump >dump && sqlite3 db 'pragma wal_checkpoint(truncate); vacuum' >/dev/null && rm -f db db-* finished
}

# A package of a few thousand files, installed with dpkg: each is written, synchronised and renamed
package() {
	mkdir -p var/lib/dpkg/{info,updates} && touch var/lib/dpkg/{status,available} || return
	dpkg --root="$PWD" --force-all --install /tmp/package.deb && dpkg --root="$PWD" --verify tests || return
	[[ $(find usr -type f | wc -l) -gt 2000 ]]
}

# Programs and all libraries of theirs from here, in a root of their own and outside of it
run() {
	local p l
	mkdir -p bin lib proc
	for p in bash cat sqlite3 python3 sha256sum sort; do
		cp "$(readlink -f "$(command -v "$p")")" "bin/$p"
		ldd "bin/$p" | grep -oE '/[^ ]+' | while read -r l; do cp -L "$l" lib/; done
	done
	cp -r /usr/lib/python3.*/json lib/json && mkdir -p lib64 usr && cp lib/ld-linux-x86-64.so.2 lib64/ || return
	# Each file that is mapped is one of ours
	LC_ALL=C lib/ld-linux-x86-64.so.2 --library-path "$PWD/lib" bin/cat /proc/self/maps >maps || return
	[[ $(grep -c " $PWD/lib/" maps) -gt 5 ]] && ! grep -E ' /' maps | grep -v " $PWD/" || return
	rm maps
	env -i PATH=/bin LD_LIBRARY_PATH=/lib "$(command -v chroot)" "$PWD" /bin/bash -c 'for i in 5 3 4; do echo $i; done | sort | sha256sum && sqlite3 :memory: "select 6 * 7"' >words || return
	PYTHONDONTWRITEBYTECODE=1 bin/python3 -c 'import json, sys; print(json.dumps({"a": [1, 2]}))' >>words &&
		python3 -m compileall -q --invalidation-mode unchecked-hash lib/json
}

if [[ ${1-} == inside ]]; then
	"$2"
	exit
fi

inside() { # FOLDER PART
	mkdir "$1"
	unshare -m --propagation private bash -c 'mount --bind "$1" /here && cd /here && bash /run/bf/cmd inside "$2"' - "$1" "$2" >"/tmp/${1//\//-}.out" 2>&1 </dev/null
}

cp /run/bf/libc_nonshared.a /usr/lib/x86_64-linux-gnu/
mkdir -p /here /tmp/package/DEBIAN /tmp/package/usr/share
printf '%s\n' 'Package: tests' 'Version: 1' 'Architecture: all' 'Maintainer: tests' 'Description: files' >/tmp/package/DEBIAN/control
cp -a /usr/include /tmp/package/usr/ && cp -a /usr/share/zoneinfo /tmp/package/usr/share/ && dpkg-deb -Znone -b /tmp/package /tmp/package.deb >/dev/null

for part in ${BF_ONLY:-build git_run sqlite package run}; do
	echo "### begin $part"
	echo "bf-test: $part" >/dev/kmsg
	start=$SECONDS rc=0 n=0
	check() { # NAME COMMAND...
		local name=$1
		shift
		n=$((n + 1))
		if "$@"; then echo "ok $n $name"; else rc=1; echo "not ok $n $name"; fi
	}
	inside /backing/direct "$part" &
	inside /mnt/stack "$part" & stack=$!
	wait $! || above=$?
	wait %1 || below=$?
	check "$part on the backing filesystem" test -z "${below-}"
	check "$part through passfs" test -z "${above-}"
	((rc == 0)) || for f in /tmp/*.out; do sed "s,^,# ${f#/tmp/}: ," "$f" | tail -n 20; done
	for f in /backing/direct /mnt/stack /backing/lower/stack; do (cd $f && manifest) >"/tmp/${f//\//-}.list"; done
	check "there is something to compare" test -s /tmp/-backing-direct.list
	check "the same through passfs" diff /tmp/-backing-direct.list /tmp/-mnt-stack.list
	check "the same below" diff /tmp/-backing-direct.list /tmp/-backing-lower-stack.list
	echo "# $(wc -l </tmp/-mnt-stack.list) lines compared"
	echo "1..$n"
	echo "### end $part 0"
	echo "soak_row $BF_FS $part $((SECONDS - start)) $rc"
	rm -rf /backing/direct /mnt/stack
	unset above below
done
exec /run/bf/end
