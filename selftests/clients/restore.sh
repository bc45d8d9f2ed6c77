#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose L1 runs an L2 is saved to a file, and goes on in another process.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"

kernel=small
work_of_l2=busy

# saved NAME: has the migration to a file come to its end?
saved()
{
	monitor "$1" "info migrate" | grep -q 'Migration status: completed'
}

options="-M q35 -m 320 -cpu host"
note start; linux m $options
up m; note up
in_guest m modprobe kvm_intel; note kvm
up m && l2 m
must m "an L1 on q35 runs an L2" $?

note l2; monitor m "stop" >/dev/null
monitor m "migrate \"exec:cat >$work/state\"" >/dev/null
within 60 saved m
must m "the machine is saved to a file" $?
ls -l "$work/state" | sed 's/^/# /'
before=$at_number; note saved
finish m; note finished

for try in 1 2 3 4 5; do
	linux r$try $options -incoming "exec:cat $work/state"
	within 60 eval "monitor r$try 'info status' | grep -q 'paused$'"
	note loaded
	monitor r$try cont
	l2_counts r$try 8
	r=$?
	[ $r = 0 ] || { in_guest r$try "tail -n 30 /tmp/l2; dmesg | tail -n 20"; sed 's/^/# /' $said; tell r$try; }
	claim "in another process L2 counts on from $before, try $try" $r
	finish r$try; note tried
done
end_claims
