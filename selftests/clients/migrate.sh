#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose L1 runs an L2 moves, live, to another QEMU on the same host: pre-copy
# while L2 writes to its memory, then post-copy, by userfaultfd.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small
work_of_l2=busy
options="-M q35 -m 256 -cpu host -smp ${CPUS:-1}"
socket=$work/socket

# moved NAME: has the migration come to its end?
moved()
{
	monitor "$1" "info migrate" | grep -q 'Migration status: completed'
}

# move FROM TO POSTCOPY: live, and then L2 goes on in TO.
move()
{
	linux "$2" $options -incoming "unix:$socket"
	if [ "$3" = yes ]; then
		monitor "$2" "migrate_set_capability postcopy-ram on" >/dev/null
		monitor "$1" "migrate_set_capability postcopy-ram on" >/dev/null
	fi
	within 20 test -S "$socket"
	monitor "$1" "migrate_set_parameter max-bandwidth 40M" >/dev/null
	monitor "$1" "migrate -d unix:$socket" >/dev/null
	if [ "$3" = yes ]; then
		sleep 1
		monitor "$1" "migrate_start_postcopy" >/dev/null
	fi
	within 90 moved "$1"
	r=$?
	monitor "$1" "info migrate" >"$work/how"
	[ $r = 0 ] && within 20 eval "monitor $2 'info status' | grep -q 'running$'"
	r=$?
	[ $r = 0 ] || { tell "$1"; cat "$work/how" >>"$said"; }
	sed -n 's/^\(total time\|downtime\|dirty sync count\|postcopy request count\).*/# &/p' "$work/how"
	finish "$1"
	return $r
}

linux a $options
up a && l2 a
must a "an L1 on q35 runs an L2 that writes without pause" $?
move a b no
must b "pre-copy comes to its end" $?
l2_counts b 5
r=$?
[ $r = 0 ] || { in_guest b "tail -n 30 /tmp/l2; dmesg | tail -n 20"; tell b; }
claim "L2 counts on after pre-copy" $r
move b c yes
must c "post-copy comes to its end" $?
l2_counts c 5
r=$?
[ $r = 0 ] || { in_guest c "tail -n 30 /tmp/l2; dmesg | tail -n 20"; tell c; }
claim "L2 counts on after post-copy" $r
end_claims
