# shellcheck shell=bash
# Booting the guest, running one command in it, collecting its output, its exit status and the kernel's log.
# Source after image.sh and modules.sh.

# accel -> QEMU's accelerator. /dev/kvm may exist and still not run an ordinary guest, so the kernel itself is booted
# with it once: without a root file system it comes as far as a panic that says so. Remembered until the host reboots.
accel() {
	local id answer=$BF_CACHE/kvm-probe log
	if [[ -n ${ACCEL-} ]]; then
		printf '%s\n' "$ACCEL"
		return
	fi
	id="$(cat /proc/sys/kernel/random/boot_id) $EUID"
	if [[ $(head -n 1 "$answer" 2>/dev/null) != "$id" ]]; then
		log=$BF_CACHE/logs/kvm-probe.log
		: >"$log"
		if [[ -r /dev/kvm && -w /dev/kvm ]]; then
			timeout --foreground -k 2 20 "$BF_VM/enter" qemu-system-x86_64 -M q35 -accel kvm -cpu max -m 512 -nodefaults -display none -no-reboot \
				-kernel "$BF_KERNEL/vmlinuz" -append "console=ttyS0 panic=-1" -serial "file:$log" >>"$log.qemu" 2>&1 </dev/null || true
		fi
		{
			printf '%s\n' "$id"
			if grep -q 'Unable to mount root fs' "$log"; then echo kvm; else echo tcg; fi
		} >"$answer.tmp.$$"
		mv "$answer.tmp.$$" "$answer"
	fi
	tail -n 1 "$answer"
}

# run_dir: a folder for one boot; those of boots that were killed go first
run_dir() {
	local d pid
	for d in "$BF_CACHE"/run/*; do
		[[ -d $d ]] || continue
		pid=${d##*/}
		kill -0 "${pid%%.*}" 2>/dev/null || remove "$d"
	done
	mkdir -p "$BF_CACHE/run"
	BF_RUN=$(mktemp -d "$BF_CACHE/run/$$.XXXXXX")
	BF_CLEAN_DIRS+=("$BF_RUN")
}

# The second cpio: /bf with guest scripts, our modules, the command, the settings
boot_files() { # CMDFILE|"" FILE...
	local cmd=$1 f
	shift
	mkdir -p "$BF_RUN/cpio/bf"
	cp "$BF_VM"/guest/{main,setup,end,tap} "$BF_RUN/cpio/bf/"
	for f; do cp -r "$f" "$BF_RUN/cpio/bf/" || return; done
	[[ -z $cmd ]] || cp "$cmd" "$BF_RUN/cpio/bf/cmd" || return
	{
		printf 'export BF_FS=%q BF_SETUP=${BF_SETUP:-%q} BF_BACKING=/backing/lower BF_STACK=/mnt\n' "${FS:-xfs}" "${BF_SETUP:-full}"
		printf 'BF_SHARE=%q BF_TESTS=%q BF_TERM=%q BF_TTY_SIZE=%q\n' "${SHARE-}" "${BF_TESTS-}" "${TERM:-linux}" "$(stty size 2>/dev/null || true)"
		printf '%s\n' "${BF_GUEST_ENV-}"
	} >"$BF_RUN/cpio/bf/env"
	{
		cat "$BF_INITRAMFS"
		(cd "$BF_RUN/cpio" && find . | "$BF_VM/enter" cpio --quiet -o -H newc -R 0:0)
	} >"$BF_RUN/initrd"
}

check_settings() {
	[[ ${FS:-xfs} =~ ^(xfs|ext4|btrfs|tmpfs)$ ]] || die "FS=$FS: choose xfs, ext4, btrfs or tmpfs"
	[[ ${MEM:-2G} =~ ^[0-9]+[MG]$ ]] || die "MEM=$MEM: give megabytes or gigabytes, such as 512M or 4G"
	[[ ${CPUS:-2} =~ ^[1-9][0-9]*$ ]] || die "CPUS=$CPUS: give a number"
	[[ ${TIMEOUT:-600} =~ ^[1-9][0-9]*$ ]] || die "TIMEOUT=$TIMEOUT: give seconds"
	[[ ${BF_BOOT_LIMIT:-300} =~ ^[1-9][0-9]*$ ]] || die "BF_BOOT_LIMIT=$BF_BOOT_LIMIT: give seconds"
	if [[ -n ${SHARE-} ]]; then
		[[ -d $SHARE ]] || die "SHARE=$SHARE: no such folder"
		SHARE=$(realpath "$SHARE")
	fi
}

qemu_args() { # ACCEL
	local smp=${CPUS:-2} a=$1
	local cpu=max
	if [[ $a != kvm ]]; then
		a=tcg,thread=multi
		# What is fast in silicon and slow in QEMU: copying with one instruction, a byte at a time; page tables of five levels.
		cpu=max,-erms,-fsrm,-fsrs,-fzrm,-la57
	fi
	QEMU=(qemu-system-x86_64 -M q35 -nodefaults -no-user-config -display none -no-reboot -accel "$a" -cpu "$cpu" -smp "$smp" -m "${MEM:-2G}"
		-kernel "$BF_KERNEL/vmlinuz" -initrd "$BF_RUN/initrd"
		-append "console=ttyS0 loglevel=7 panic=-1 oops=panic no_timer_check kfence.sample_interval=100 rcupdate.rcu_cpu_stall_timeout=60 $(cat "$BF_KERNEL/cmdline" 2>/dev/null || true) ${APPEND-}"
		-serial "file:$BF_RUN/console" -device virtio-serial-pci,max_ports=8
		-drive "file=$BF_IMAGE,format=raw,if=none,id=root,readonly=on" -device virtio-blk-pci,drive=root,serial=root
		-drive "file=$BF_RUN/scratch,format=raw,if=none,id=scratch,cache=unsafe,discard=unmap" -device virtio-blk-pci,drive=scratch,serial=scratch)
	[[ ! -f $BF_KERNEL/modules.img ]] ||
		QEMU+=(-drive "file=$BF_KERNEL/modules.img,format=raw,if=none,id=modules,readonly=on" -device virtio-blk-pci,drive=modules,serial=modules)
	[[ -z ${SHARE-} ]] ||
		QEMU+=(-fsdev "local,id=share,path=${SHARE//,/,,},security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=share,mount_tag=share)
	[[ -z ${BF_TESTS-} ]] ||
		QEMU+=(-fsdev "local,id=tests,path=${BF_TESTS//,/,,},security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=tests,mount_tag=tests)
	[[ -z ${BF_PLUGIN-} ]] || QEMU+=(-plugin "$BF_PLUGIN")
	local p
	for p in out err ctl; do
		[[ -p $BF_RUN/$p ]] || continue
		QEMU+=(-chardev "file,id=$p,path=$BF_RUN/$p" -device "virtserialport,chardev=$p,name=bf.$p")
	done
}

# guest_prepare: kernel, modules and images are there; sets BF_ACCEL
guest_prepare() {
	check_settings
	[[ -z $BF_USER_KDIR ]] || die "KDIR= is for building; choose the guest's kernel with KVER= or KERNEL="
	modules_build
	images_ready
	BF_ACCEL=$(accel)
}

boot_note() {
	local how="emulated: there is no usable KVM"
	[[ $BF_ACCEL != kvm ]] || how="with KVM"
	say "booting kernel $KVER, $how; ${CPUS:-2} CPUs, ${MEM:-2G}, backing file system ${FS:-xfs}; $1"
}

# guest_run NAME CMDFILE [FILE...]: boots, runs CMDFILE with bash, its output becoming ours; FILEs are in /run/bf.
# Returns its exit status; 124 when the time was up, 125 when the guest died or could not be set up. The kernel's log is
# build/logs/NAME.kernel.log; BF_LOG_BAD, and `bad` or `clean` in build/logs/NAME.verdict, say whether it has a report.
guest_run() {
	local try rc
	for try in 1 2 3; do
		rc=0 BF_HUNG=
		guest_boot "$@" || rc=$?
		# QEMU's emulation of code that the kernel patches while it boots is not quite right, and its timers are late on
		# a busy host: once in a while the kernel dies or hangs of that. Before guest/main ran, and so before any of our
		# modules, that says nothing: once more.
		((rc == 125 && try < 3)) && [[ -n $BF_HUNG || -s $BF_BUILD/logs/$1.kernel.log ]] || break
		! started "$BF_BUILD/logs/$1.kernel.log" || break
		note "the emulated kernel did not come as far as guest/main; booting again"
	done
	return "$rc"
}

started() { grep -q 'main: started' "$1"; }

# boot_watch SHELL: ends a boot that does not come as far as guest/main in BF_BOOT_LIMIT seconds. Lives as long as the
# boot or the shell that waits for it: nobody else is to get its number, or that of QEMU, meanwhile.
boot_watch() {
	local i
	exec >/dev/null 2>&1 </dev/null
	for ((i = 1; ; i++)); do
		sleep 1
		kill -0 "$1" || exit 0
		if ((i == ${BF_BOOT_LIMIT:-300})) && ! started "$BF_RUN/console"; then
			touch "$BF_RUN/hung"
			kill "$(<"$BF_RUN/pid")"
		fi
	done
}

guest_boot() {
	local name=$1 cmd=$2 rc=0 qrc=0 start=$SECONDS p watch
	local -a readers=()
	shift 2
	run_dir
	mkdir -p "$BF_BUILD/logs"
	# Said explicitly: callers with `|| rc=$?` switch `set -e` off in here
	boot_files "$cmd" "$OUT/backing_file.ko" "$OUT/samples/passfs/passfs.ko" "$@" || return 125
	truncate -s "${BF_SCRATCH:-8G}" "$BF_RUN/scratch"
	mkfifo "$BF_RUN"/{out,err,ctl}
	qemu_args "$BF_ACCEL"
	boot_note "log in build/logs/$name.kernel.log"
	cat "$BF_RUN/out" & readers+=($!)
	cat "$BF_RUN/err" >&2 & readers+=($!)
	cat "$BF_RUN/ctl" >"$BF_RUN/status" & readers+=($!)
	boot_watch "$BASHPID" & watch=$!
	BF_CLEAN_PIDS+=("${readers[@]}" "$watch")
	# shellcheck disable=SC2016 # for the inner shell
	BF_BIND=${SHARE-}${BF_TESTS:+:$BF_TESTS} bash -c 'echo $$ >"$0" && exec "$@"' "$BF_RUN/pid" \
		timeout --foreground -k 5 "${TIMEOUT:-600}" "$BF_VM/enter" "${QEMU[@]}" </dev/null >"$BF_RUN/qemu" 2>&1 || qrc=$?
	rm -f "$BF_RUN/pid"
	kill "$watch" 2>/dev/null || true
	# A QEMU that did not start never opened the pipes, and their readers would wait for ever.
	[[ -s $BF_RUN/console ]] || kill "${readers[@]}" 2>/dev/null || true
	for p in "${readers[@]}"; do wait "$p" 2>/dev/null || true; done
	BF_CLEAN_PIDS=()
	cp "$BF_RUN/console" "$BF_BUILD/logs/$name.kernel.log" 2>/dev/null || : >"$BF_BUILD/logs/$name.kernel.log"
	BF_LOG_BAD=
	"$BF_VM/logcheck" "$BF_BUILD/logs/$name.kernel.log" >&2 || BF_LOG_BAD=yes
	if [[ -n $BF_LOG_BAD ]]; then echo bad; else echo clean; fi >"$BF_BUILD/logs/$name.verdict"
	rc=$(sed -n 's/^exit \([0-9]*\)$/\1/p' "$BF_RUN/status" | tail -n 1)
	BF_HUNG=
	[[ ! -e $BF_RUN/hung ]] || BF_HUNG=yes
	if ((qrc == 124 || qrc == 137)) && [[ -z $rc ]]; then
		guest_died "$name" "the guest was stopped after ${TIMEOUT:-600} s (TIMEOUT= sets the limit)"
		rc=124
	elif [[ -z $rc ]]; then
		[[ ! -s $BF_RUN/qemu ]] || sed 's/^/    | /' "$BF_RUN/qemu" >&2
		guest_died "$name" "the guest died"
		rc=125
	fi
	note "guest ran for $(elapsed "$start")"
	remove "$BF_RUN"
	return "$rc"
}

guest_died() {
	if [[ -z $BF_LOG_BAD && -s $BF_BUILD/logs/$1.kernel.log ]]; then
		note "the end of the kernel's log:"
		tail -n 30 "$BF_BUILD/logs/$1.kernel.log" | tr -d '\r' | sed 's/^/    | /' >&2
	fi
	printf 'error: %s\n' "$2" >&2
}

# make vm: a shell, or CMD
vm_guest() {
	local rc=0 cmd
	if [[ -n ${CMD-} ]]; then
		guest_prepare
		cmd=$(mktemp)
		BF_CLEAN_DIRS+=("$cmd")
		printf '%s\n' "$CMD" >"$cmd"
		guest_run vm "$cmd" || rc=$?
		[[ -z $BF_LOG_BAD ]] || warn "the kernel reported a problem while the command ran (above, and in build/logs/vm.kernel.log)"
		# GNU make cannot pass a recipe's status on; the Makefile's loaded object reads it here.
		[[ -z ${BF_EXIT_STATUS_FILE-} ]] || printf '%s\n' "$rc" >"$BF_EXIT_STATUS_FILE"
		exit "$rc"
	fi
	[[ -t 0 && -t 1 ]] || die "make vm without CMD='...' needs a terminal"
	guest_prepare
	run_dir
	boot_files "" "$OUT/backing_file.ko" "$OUT/samples/passfs/passfs.ko"
	truncate -s "${BF_SCRATCH:-8G}" "$BF_RUN/scratch"
	mkfifo "$BF_RUN/ctl"
	cat "$BF_RUN/ctl" >/dev/null &
	BF_CLEAN_PIDS+=($!)
	qemu_args "$BF_ACCEL"
	QEMU+=(-chardev stdio,id=con,mux=on,signal=off -device virtconsole,chardev=con)
	boot_note "'exit' leaves, Ctrl-A X ends the guest at once"
	BF_BIND=${SHARE-} "$BF_VM/enter" "${QEMU[@]}" || rc=$?
	mkdir -p "$BF_BUILD/logs"
	cp "$BF_RUN/console" "$BF_BUILD/logs/vm.kernel.log"
	"$BF_VM/logcheck" "$BF_BUILD/logs/vm.kernel.log" >&2 || warn "the kernel reported a problem (above, and in build/logs/vm.kernel.log)"
	exit "$rc"
}

# demonstrate NAME COMMANDS [FILE...]
demonstrate() {
	local rc=0
	guest_run "$@" || rc=$?
	((rc == 0)) || die "the demonstration failed (status $rc); the guest's kernel log is build/logs/$1.kernel.log"
	[[ -z $BF_LOG_BAD ]] || die "the demonstration worked, but the guest's kernel reported a problem (above)"
}

# make run
vm_demo() {
	local start=$SECONDS
	guest_prepare
	BF_SETUP=none demonstrate demo "$BF_TOP/tools/testing/demo.sh"
	say "success: files went through passfs and backing_file on kernel $KVER, no kernel warning ($(elapsed "$start"))"
}

# make hsm
vm_hsm() {
	local start=$SECONDS
	guest_prepare
	mkdir -p "$OUT/samples/hsm"
	"$BF_VM/enter" make --no-print-directory -C "$BF_TOP/samples/hsm" OUTPUT="$OUT/samples/hsm"
	demonstrate hsm "$BF_TOP/tools/testing/demo-hsm.sh" "$OUT/samples/hsm/hsm"
	say "success: placeholders were filled as they were used through passfs, no kernel warning ($(elapsed "$start"))"
}
