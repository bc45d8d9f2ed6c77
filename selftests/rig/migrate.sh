#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme doctor --migration-facts and --migrate-from: between KVM and abyme, both ways.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
cd "$dir" || exit 1
loaded=$(lsmod | awk '$1 == "kvm_intel" { print $1 }')
[ -z "$loaded" ] || modprobe -r kvm_intel

# says STATUS TEXT ARGUMENT...: abyme doctor ends with this status and says this.
says()
{
	want=$1 text=$2
	shift 2
	timeout 60 abyme doctor "$@" </dev/null >said 2>&1
	[ $? = "$want" ] && grep -q -- "$text" said
	claim "doctor $*: $text" $?
}

# also TEXT: and it said this, too
also()
{
	grep -qF -- "$1" said
	claim "and: $1" $?
}

# --- abyme
[ -c /dev/abyme ] || modprobe abyme
abyme doctor --migration-facts >abyme.facts 2>said
claim "abyme says its facts" $?
grep -q '^msr 0x00000480 0x' abyme.facts && grep -q '^cpuid 0x00000001 ' abyme.facts &&
	grep -q '^cap KVM_CAP_NESTED_STATE 8320$' abyme.facts && [ "$(tail -n 1 abyme.facts)" = end ]
claim "MSRs, CPUID and capabilities" $?
says 0 "a machine can move" --migrate-from abyme.facts
abyme doctor --migrate-from - <abyme.facts >said 2>&1
claim "standard input is a file as any other" $?

# --- what is no file of facts
says 4 "nothing can't be opened: No such file" --migrate-from nothing
says 4 "/dev/null is not what abyme doctor --migration-facts" --migrate-from /dev/null
echo '{ "device": "/dev/kvm" }' >json
says 4 "json is not what" --migrate-from json
head -n 10 abyme.facts >short
says 4 "short ends too early, after line 10" --migrate-from short
sed '5s/0x/x/g' abyme.facts >broken
says 4 "line 5 of broken is not one of" --migrate-from broken
says 4 "can't be read: Is a directory" --migrate-from .
cp abyme.facts secret
cp "$(command -v abyme)" /tmp/abyme-for-all
grep -q '^ada:' /etc/passwd 2>/dev/null || echo 'ada:x:1000:1000::/:/bin/sh' >>/etc/passwd
chmod 600 secret
chmod 755 "$dir" /tmp/abyme-for-all
chmod 666 /dev/abyme
su ada -c "/tmp/abyme-for-all doctor --migrate-from $dir/secret" >said 2>&1
[ $? = 4 ] && grep -q "secret can't be opened: Permission denied" said
claim "a file that may not be read" $?
chmod 600 /dev/abyme
su ada -c "/tmp/abyme-for-all doctor --migration-facts" >said 2>&1
[ $? = 4 ] && grep -q "may not open /dev/abyme" said
claim "and a device" $?
says 2 "a task each; keep one of them" --migration-facts --migrate-from abyme.facts
says 2 "leave out --json" --migration-facts --json
says 2 "needs a value" --migrate-from

# --- one difference, made by hand
sed '/^msr 0x0000048b/s/ 0x........\(........\)$/ 0x04047fff\1/' abyme.facts >another
says 1 '^1 difference: ' --migrate-from another
also '"enable user wait and pause" (IA32_VMX_PROCBASED_CTLS2, bit 58)'
sed '/^cap KVM_CAP_NESTED_STATE/s/8320/12416/' abyme.facts >larger
says 1 "KVM_CAP_NESTED_STATE is 12416 there and 8320 here" --migrate-from larger
says 1 '"can_move": false' --migrate-from larger --json
says 0 '"can_move": true' --migrate-from abyme.facts --json

# --- both ways
modprobe -r abyme
says 4 "there is no /dev/abyme" --migration-facts
if ! modprobe kvm_intel nested=1 2>said; then
	modprobe abyme
	end_claims
fi
abyme doctor --device /dev/kvm --migration-facts >kvm.facts 2>said
claim "KVM says its facts" $?
says 0 "a machine can move" --device /dev/kvm --migrate-from kvm.facts
says 1 "can't move to /dev/kvm here" --device /dev/kvm --migrate-from abyme.facts
also '"EPT-violation #VE" (IA32_VMX_PROCBASED_CTLS2, bit 50)'
also "-> start the machine there without it: QEMU -cpu MODEL,-vmx-posted-intr; libvirt <feature policy='disable' name='vmx-posted-intr'/>"
modprobe -r kvm_intel
modprobe kvm_intel nested=0
says 1 "machines there may use vmx (CPUID 0x1.0:ECX, bit 5)" --device /dev/kvm --migrate-from kvm.facts
! grep -q "IA32_VMX" said
claim "a host without nesting is told once, not control by control" $?
modprobe -r kvm_intel
modprobe abyme
says 1 "can't move to /dev/abyme here" --migrate-from kvm.facts
also "machines there may use umip"
also '"load IA32_PERF_GLOBAL_CTRL (exit)" (IA32_VMX_TRUE_EXIT_CTLS, bit 44)'
also "there is KVM_CAP_X86_SMM there, which this host doesn't have"
also "-> start the machine without SMM: QEMU -machine smm=off"
# What the source's machine is told to leave out is what then is no obstacle any more.
sed -e '/^cpuid 0x40000001/s/ 0x........ / 0x0100002b /' -e '/^cpuid 0x00000007/s/0x00000004 /0x00000000 /' \
	-e '/^msr 0x0000048f/s/ 0x.*/ 0x007fefff00036dfb/' \
	-e '/^msr 0x00000490/s/ 0x.*/ 0x0000d3ff000011fb/' kvm.facts >less
abyme doctor --migrate-from kvm.facts | grep -c '^  ->' >before
abyme doctor --migrate-from less >said
[ "$(grep -c '^  ->' said)" -lt "$(cat before)" ] && ! grep -qE 'umip|kvm-pv|PERF_GLOBAL' said
claim "a machine that leaves some out has as many obstacles less" $?
[ -z "$loaded" ] || modprobe kvm_intel
rm -r "$dir"
end_claims
