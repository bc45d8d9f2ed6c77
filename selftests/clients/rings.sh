#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Dirty rings: QEMU's -accel kvm,dirty-ring-size, and a machine whose L1 runs an L2 that moves,
# live, by what the rings name.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small
l2s=busy
options="-M q35 -m 256 -cpu host -smp ${CPUS:-1}"
accel_options=,dirty-ring-size=1024

linux a $options
up a && l2 a
must a "with dirty rings an L1 on q35 runs an L2 that writes without pause" $?
cp "$work/a/said" "$said"
[ -e "$work/a/said" ] && ! grep -qi ring "$work/a/said"
claim "QEMU has nothing to say of its rings" $?
move a b
must b "pre-copy comes to its end" $?
goes_on b
claim "L2 counts on after pre-copy" $?
end_claims
