#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On a processor without VT-x: module, launcher and doctor refuse in clear words.
failed=0
number=0

# claim TEXT COMMAND...: the command's success is the claim.
claim()
{
	text=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - $text"
	else
		echo "not ok $number - $text"
		failed=1
	fi
}

# shellcheck disable=SC2317
refuses()
{
	! "$@" >/tmp/said 2>&1
}

# shellcheck disable=SC2317 # claim calls it
says()
{
	sed 's/^/# /' /tmp/said
	grep -qiE -- "$1" /tmp/said
}

echo "TAP version 13"
echo "1..9"
claim "this processor has no VT-x" refuses grep -qw vmx /proc/cpuinfo
claim "abyme.ko does not load" refuses insmod "/lib/modules/$(uname -r)/kernel/abyme.ko"
dmesg | grep abyme >/tmp/said
claim "and says that the processor has no VT-x" says 'VT-x'
claim "abyme run fails" refuses abyme run /nothing
claim "and says which device is missing" says '/dev/abyme'
claim "abyme doctor fails" refuses abyme doctor
claim "and says that there is no VT-x" says 'VT-x'
claim "that this is a VM of QEMU's, without hardware virtualization" says 'QEMU without hardware'
claim "and how QEMU gives VT-x to a VM" says '-> .*-accel kvm -cpu host,[+]vmx'
exit $failed
