#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme run --explain: each failure of L1 as one line, the moment it happens.
failed=0
number=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

# says PATTERN: a line of its own has it, whole.
says()
{
	number=$((number + 1))
	if grep -Eqx "$1" lines; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		failed=1
	fi
}

abyme run --nested --explain /lib/abyme/guests/l2-explain.elf >out 2>lines
sed 's/^/# /' lines
rip='L1 rip 0x[0-9a-f]+'
says "$rip VMLAUNCH failed: error 7, VPID=0x0: VPID is enabled but the VPID field is 0 \[SDM: VM-Execution Control Fields\]"
says "$rip VMLAUNCH failed: error 8, HOST_TR_SEL=0x[0-9a-f]+: host TR has RPL or TI set \[SDM: Checks on Host Segment and Descriptor-Table Registers\]"
says "$rip VMLAUNCH failed: exit 33, qualification 0, GUEST_RFLAGS=0x0: guest RFLAGS has reserved bits set, or bit 1 clear \[SDM: Checks on Guest RIP, RFLAGS, and SSP\]"
says "$rip VMWRITE failed: error 12, field=0x7ffe: the processor has no such field \[SDM: VMWRITE - .*\]"
says "$rip L2 ended in a triple fault: L1 was given the exit"
says '  its last exits: .*triple fault'
number=$((number + 1))
abyme run --nested /lib/abyme/guests/l2-explain.elf >out 2>lines
if [ -s lines ]; then
	echo "not ok $number - without --explain nothing is said"
	failed=1
else
	echo "ok $number - without --explain nothing is said"
fi
echo "1..$number"
exit $failed
