#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Resets, NMIs, the power button, and the monitor's look into a machine with an L2.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

linux m -M q35 -m 256 -cpu host
up m && l2 m
must m "an L1 on q35 runs an L2" $?
monitor m "info registers" >"$work/answer"
grep -q '^RAX=' "$work/answer" && grep -q 'CR4=' "$work/answer"
claim "info registers" $?
in_guest m "grep NMI: /proc/interrupts" >"$work/nmis"
monitor m nmi >/dev/null
in_guest m "sleep 1; grep NMI: /proc/interrupts" >>"$work/nmis"
cp "$work/nmis" "$said"
[ "$(uniq "$said" | wc -l)" = 2 ]
claim "an NMI reaches L1" $?
l2_counts m 3
claim "and L2 counts on" $?

: >"$work/m/shell.log"
monitor m system_reset >/dev/null
up m && l2 m
must m "after system_reset with a running L2 all of it boots again" $?
in_guest m "poweroff -f" >/dev/null &
within 30 eval "! alive m"
r=$?
[ $r = 0 ] || tell m
claim "poweroff ends QEMU" $r
end_claims
