#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose L1 runs an L2 moves, live, to another QEMU on the same host: pre-copy
# while L2 writes to its memory, then post-copy, by userfaultfd.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small
l2s=busy
options="-M q35 -m 256 -cpu host -smp ${CPUS:-1}"

linux a $options
up a && l2 a
must a "an L1 on q35 runs an L2 that writes without pause" $?
move a b
must b "pre-copy comes to its end" $?
goes_on b
claim "L2 counts on after pre-copy" $?
move b c postcopy
must c "post-copy comes to its end" $?
goes_on c
claim "L2 counts on after post-copy" $?
end_claims
