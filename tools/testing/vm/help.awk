# Prints the goals of a makefile: `goal: ## text`, grouped by `##@ heading` lines.
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z_-]+:.*## / { goal = $0; sub(/:.*/, "", goal); sub(/^[^#]*## /, ""); printf "  make %-16s %s\n", goal, $0 }
END {
	print "\nVariables"
	print "  KVER=7.3.4+deb13-amd64   the Debian kernel (default: newest of the series we test)"
	print "  KERNEL=stock|debug       which kind of it     FS=xfs|ext4|btrfs|tmpfs  the backing file system"
	print "  MEM=2G  CPUS=2           the guest's size     TIMEOUT=600              seconds for CMD='...'"
	print "  XDG_CACHE_HOME=          where the toolchain root and kernels are kept (about 6 GB)"
}
