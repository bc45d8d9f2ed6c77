#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Linux boots on each of QEMU's machine types.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"

linux pc -M pc -m 512 -cpu host
up pc && in_guest pc "dmesg | grep -i 'hypervisor detected'; cat /proc/cpuinfo | head -5"
r=$?
[ $r = 0 ] || tell pc
claim "pc: Linux boots" $r
end_claims
