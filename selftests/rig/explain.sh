#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme run --explain: each failure of L1 as one line, the moment it happens, and
# the same line in the tracepoint.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
said=lines
guests=/lib/abyme/guests
events=/sys/kernel/tracing/events/abyme/abyme_nested_entry_failed

# says PATTERN: a line of its own has it, whole.
says()
{
	grep -Eqx "$1" lines
	claim "$1" $?
}

rip='L1 rip 0x[0-9a-f]+'
traced=
[ -d $events ] && traced=yes && echo 1 >$events/enable && : >/sys/kernel/tracing/trace
abyme run --nested --explain $guests/l2-explain.elf >out 2>lines
sed 's/^/# /' lines
says "$rip VMLAUNCH failed: error 7, VPID=0x0: VPID is enabled but the VPID field is 0 \[SDM: VM-Execution Control Fields\]"
says "$rip VMLAUNCH failed: error 8, HOST_TR_SEL=0x[0-9a-f]+: host TR has RPL or TI set \[SDM: Checks on Host Segment and Descriptor-Table Registers\]"
says "$rip VMLAUNCH failed: exit 33, qualification 0, GUEST_RFLAGS=0x0: guest RFLAGS has reserved bits set, or bit 1 clear \[SDM: Checks on Guest RIP, RFLAGS, and SSP\]"
says "$rip VMLAUNCH failed: exit 34, qualification 2, MSR=0xc0000101: IA32_FS_BASE and IA32_GS_BASE may not be loaded by a list \[SDM: Loading MSRs\]"
says "$rip VMWRITE failed: error 12, field=0x7ffe: the processor has no such field \[SDM: VMWRITE - .*\]"
says "$rip L2 ended in a triple fault: L1 was given the exit"
says '  its last exits: .*triple fault'
if [ -n "$traced" ]; then
	sed -n 's/.* abyme_nested_entry_failed: vcpu 0 //p' /sys/kernel/tracing/trace >traced
	echo 0 >$events/enable
	grep -v '^  ' lines >told # without L2's state
	diff told traced >differ
	said=differ
	[ -s told ] && [ ! -s differ ]
	claim "the tracepoint has the same lines, and no others" $?
	said=lines
fi
abyme run --nested --explain $guests/l2-abort.elf >out 2>lines
says "$rip VMX abort 4 after VMCALL of L2, MSR=0xc0000100: IA32_FS_BASE and IA32_GS_BASE may not be loaded by a list \[SDM: Loading MSRs\]"
# More failures than are kept: the last 16 are, and their numbers tell what is gone.
"$here/mini" -n -r $guests/l2-entry.elf >out 2>lines
newest=$(sed -n 's/^mini: the last 16 of \([0-9]*\) reports$/\1/p' lines)
[ "${newest:-0}" -gt 16 ] && [ "$(sed -n 's/^mini: report \([0-9]*\):.*/\1/p' lines | tr '\n' ' ')" = \
	"$(seq -s ' ' $((newest - 15)) "$newest") " ]
claim "of ${newest:-no} failures the last 16 are kept" $?
abyme run --nested $guests/l2-explain.elf >out 2>lines
[ ! -s lines ]
claim "without --explain nothing is said" $?
end_claims
