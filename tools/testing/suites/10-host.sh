# shellcheck shell=bash
# what needs no guest: format, lints, documentation, scripts
# in: check test

# Off: unused variables (files are sourced into each other), commas in arrays (QEMU's options), empty assignments.
scripts() { git ls-files -co --exclude-standard -- tools .ci | while read -r f; do [[ ! -f $f ]] || ! head -n 1 "$f" | grep -qE '^#!/bin/bash|^# shellcheck shell' || printf '%s\n' "$f"; done; }
shellcheck_all() { scripts | xargs "$BF_VM/enter" shellcheck -x -P SCRIPTDIR -S warning -e SC2034,SC2054,SC1007; }

# Kernel style for C. Ignored: what holds for patches, not for files; exports made by a macro in generated headers; braces
# around one statement: kselftest's EXPECT_...() is two.
checkpatch_all() {
	git ls-files -co --exclude-standard -- '*.c' '*.h' | grep -v exit_status.c | while read -r f; do [[ ! -f $f ]] || printf '%s\n' "$f"; done |
		xargs -r "$BF_VM/enter" perl "$BF_KERNEL/build/scripts/checkpatch.pl" --no-tree --strict --terse --show-types --no-summary --max-line-length=120 \
			--ignore EXPORT_SYMBOL,FILE_PATH_CHANGES,EMAIL_SUBJECT,NOT_UNIFIED_DIFF,LINUX_VERSION_CODE,OPEN_ENDED_LINE,MACRO_ARG_REUSE,BRACES -f
}

t_run "rustfmt" rustfmt_run --check
t_run "clippy" "$BF_VM/vm" clippy
t_run "rustdoc without warnings" "$BF_VM/vm" doc
t_run "shellcheck" shellcheck_all
t_run "checkpatch" checkpatch_all
t_run "the runner goes red when it has to" "$BF_TESTING/self-test"
t_run "logcheck finds every kind of kernel report" "$BF_VM/logcheck" --self-test
