#!/bin/bash
# Run in the guest by the suite 72-faults: results of the KUnit tests that ran when the modules were loaded, then the
# programs of selftests/faults, as all selftests are run.
. /run/bf/env

# The kernel has KTAP of each suite in debugfs; the lines of its tests are indented.
for results in /sys/kernel/debug/kunit/{vfs,backing_file}_*/results; do
	suite=$(basename "$(dirname "$results")")
	echo "### begin kunit $suite"
	sed -nE 's/^ +((not )?ok |1\.\.)/\1/p; s/^ +#/#/p' "$results"
	echo "### end kunit $suite 0"
done

insmod /run/bf/holdfs.ko
# Unloaded with the others, which shows that nothing keeps it
export BF_UNLOAD="holdfs passfs backing_file"
. /run/bf/selftests
