#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Linux boots on each of QEMU's machine types.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

# boots TEXT OPTION...: a machine with these options is up, and answers.
boots()
{
	text=$1
	shift
	linux m -m 192 "$@"
	up m && in_guest m "grep -c ^processor /proc/cpuinfo"
	r=$?
	[ $r = 0 ] || tell m
	claim "$text: Linux boots" $r
	finish m
}

boots "pc" -M pc -cpu host
boots "q35" -M q35 -cpu host
boots "q35, two CPUs" -M q35 -cpu host -smp 2
boots "q35, four CPUs" -M q35 -cpu host -smp 4
ports=shell
boots "microvm" -M microvm -cpu host
end_claims
