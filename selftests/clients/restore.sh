#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose L1 runs an L2 at work is saved to a file, and goes on in another process,
# also after the hypervisor's module was loaded anew.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small
work_of_l2=busy
options="-M q35 -m 256 -cpu host"

# completed NAME: has the migration to a file come to its end?
completed()
{
	monitor "$1" "info migrate" | grep -q 'Migration status: completed'
}

# save NAME: and that process ends.
save()
{
	monitor "$1" stop >/dev/null
	monitor "$1" "migrate \"exec:cat >$work/state\"" >/dev/null
	within 60 completed "$1"
	must "$1" "the machine is saved to a file" $?
	finish "$1"
}

# restore NAME TEXT
restore()
{
	linux "$1" $options -incoming "exec:cat $work/state"
	within 60 eval "monitor $1 'info status' | grep -q 'paused\$'"
	monitor "$1" cont >/dev/null
	l2_counts "$1" 5
	r=$?
	[ $r = 0 ] || { in_guest "$1" "tail -n 30 /tmp/l2; dmesg | tail -n 20"; tell "$1"; }
	must "$1" "in another process L2 counts on: $2" $r
}

linux m $options
up m && l2 m
must m "an L1 on q35 runs an L2" $?
save m
restore r1 "first"
save r1
restore r2 "once more"
save r2
module=abyme
[ "$DEVICE" = /dev/abyme ] || module=kvm_intel
forget_device
rmmod $module && modprobe $module && choose_device
claim "the module is loaded anew" $?
restore r3 "after the module was loaded anew"
end_claims
