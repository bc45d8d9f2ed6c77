#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An L1 that writes all of L2's state for each entry ceases to exit for it; and what it
# does so often that it matters needs no exit from the start.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
abyme run --nested /lib/abyme/guests/bench-l2.elf >said 2>&1

# below ROW LIMIT: a count of instructions
below()
{
	count=$(sed -n "s/^count $1 \([0-9]*\)$/\1/p" said)
	[ -n "$count" ] && [ "$count" -lt "$2" ]
	claim "$1: ${count:-no count}, below $2" $?
}

below 'L1: VMREAD of a shadowed field' 50
below 'L1: VMWRITE of state that it writes for each entry' 50
end_claims
