# SPDX-License-Identifier: GPL-2.0
#
# Entry points; the work is done by scripts in tools/testing, the kernel's build description is in Kbuild.
# The text behind `##` is what `make help` prints.

vm := tools/testing/vm/vm
tests := tools/testing/run-tests

# Everything reaches the scripts as environment variables. CMD is passed as written, `$` and all.
export KVER KERNEL KDIR FS MEM CPUS SHARE TIMEOUT LLVM RUSTC BINDGEN V INSTALL_MOD_PATH SUITES TESTS HOURS
ifeq ($(origin CC),command line)
export CC
endif
ifneq ($(origin CMD),undefined)
override CMD := $(value CMD)
export CMD
endif

MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

##@ First things

help: ## this list (the default goal)
	@awk -f tools/testing/vm/help.awk $(firstword $(MAKEFILE_LIST))

run: ## demonstration: boot Debian's kernel in QEMU, mount passfs on xfs, show real files going through it
	@$(vm) demo

hsm: ## demonstration: a storage manager (samples/hsm) fills files of the backing file system as they are used through passfs
	@$(vm) hsm

vm: ## a shell in the guest; with CMD='...' runs that, with its output and exit status (SHARE=dir is /share there)
	@$(vm) guest

##@ Building

modules: ## the modules, for the kernel we test; KDIR=tree for your own kernel (needs no root, QEMU or network)
	@$(vm) modules

modules_install: ## install them (KDIR=, INSTALL_MOD_PATH= as for the kernel's own goal)
	@$(vm) modules_install

doc: ## rustdoc of the crates, in build/doc
	@$(vm) doc

rust-analyzer: ## rust-project.json for an editor
	@$(vm) rust-analyzer

fmt: ## format the Rust code
	@$(vm) fmt

fmt-check: ## is it formatted?
	@$(vm) fmt --check

clippy: ## the kernel's clippy lints; any warning fails
	@$(vm) clippy

clean: ## remove build/ (not the cache of toolchain root and kernels)
	@$(vm) clean

distclean: clean ## remove the cache too
	@$(vm) distclean

##@ Testing

test: ## all tests (at most 60 minutes from nothing on 2 cores); SUITES='...' runs only these
	@$(tests) test

check: ## the quick part of test: host checks and the stock kernel
	@$(tests) check

soak: ## every test everywhere, then workloads until HOURS= are over (default 4; 0.2 will do), and a table of what was done
	@$(tests) soak

bench: ## cost per operation against the backing file system and its peers
	@$(vm) bench

.DEFAULT_GOAL := help
.PHONY: help run hsm vm modules modules_install doc rust-analyzer fmt fmt-check clippy clean distclean test check soak bench

# make itself turns any failure of a recipe into exit status 2, but `make vm CMD=...` is to exit as the command did.
# A loaded object (a documented feature of GNU make) sets make's status to what the guest left in this file; without a
# C compiler the status is make's own 2, and tools/testing/vm/vm has the exact one.
ifneq ($(and $(filter vm,$(MAKECMDGOALS)),$(CMD)),)
export BF_EXIT_STATUS_FILE := $(CURDIR)/build/.exit-status.$(shell echo $$PPID)
-load build/exit_status.so
build/exit_status.so: tools/testing/vm/exit_status.c
	@mkdir -p build && cc -shared -fPIC -O1 -o $@.tmp $< && mv $@.tmp $@
endif
