#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A debugger at QEMU's gdbstub: breakpoint, steps and a watchpoint in L1 while L2 runs.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

# address SYMBOL: in L1's kernel.
address()
{
	in_guest m "sed -n 's/^\([0-9a-f]*\) . $1[[:space:]].*/0x\1/p;s/^\([0-9a-f]*\) . $1\$/0x\1/p' /proc/kallsyms" |
		head -n 1
}

# debugger NAME COMMAND...: what gdb says of them.
debugger()
{
	file=$work/$1
	shift
	{
		printf '%s\n' "set confirm off" "set pagination off" \
			"set architecture i386:x86-64" "target remote $work/gdb"
		printf '%s\n' "$@"
		printf '%s\n' delete detach quit
	} >"$work/commands"
	timeout 60 gdb -nx -batch -x "$work/commands" >"$file" 2>&1
	cp "$file" "$said"
}

linux m -M q35 -m 256 -cpu host -gdb "unix:$work/gdb,server=on,wait=off"
up m && l2 m
must m "an L1 on q35 runs an L2" $?
entry=$(address kvm_arch_vcpu_ioctl_run)
echo "# KVM_RUN of L1's is at $entry"

debugger break "hbreak *$entry" continue 'printf "at %#lx\n", $pc' stepi 'printf "then %#lx\n", $pc'
grep -q "at $entry" "$work/break"
claim "a breakpoint on L1's KVM_RUN is hit" $?
grep -q '^then' "$work/break" && ! grep -q "then $entry" "$work/break"
claim "and a step goes on from there" $?
debugger software "break *$entry" continue 'printf "at %#lx\n", $pc'
grep -q "at $entry" "$work/software"
claim "a software breakpoint likewise" $?
debugger watch "hbreak *$entry" continue delete 'watch -l *(long *)($rsp - 8)' continue
grep -q 'New value' "$work/watch"
claim "a watchpoint on L1's stack is hit" $?
l2_counts m 3
claim "the debugger gone, L2 counts on" $?
end_claims
