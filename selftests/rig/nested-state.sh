#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The state of an L2 that uses VMCS shadowing goes to userspace and back while it
# runs; what it wrote to its shadow VMCS must come along. And a state that no
# processor takes is refused, in words.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(dirname "$0")
said=$(mktemp)
trap 'rm -f "$said"' EXIT

"$dir/mini" -n -s /lib/abyme/guests/l2-shadow.elf >"$said" 2>&1 && ! grep -q '^not ok' "$said"
claim "l2-shadow with its state taken and set in the middle" $?
# 128 bytes of header, vmcs12, and the shadow vmcs12.
grep -q '^mini: [1-9][0-9]* states, up to 8320 bytes$' "$said"
claim "the state had the shadow vmcs12 in it" $?
"$dir/mini" -n -s /lib/abyme/guests/l2-meanwhile.elf >"$said" 2>&1 && ! grep -q '^not ok' "$said" &&
	grep -q '^mini: [1-9][0-9]* states' "$said"
claim "what L1 wrote into its VMCS is in its state too" $?
"$dir/mini" -n -s /lib/abyme/guests/l2-apicv.elf >"$said" 2>&1 && ! grep -q '^not ok' "$said" &&
	grep -q '^mini: [1-9][0-9]* states' "$said"
claim "L2's virtual interrupts, in service and pending, are in it" $?
"$dir/mini" -n -b /lib/abyme/guests/l2-shadow.elf >"$said" 2>&1 &&
	grep -q '^mini: report [0-9]*: L1 rip 0x[0-9a-f]* KVM_SET_NESTED_STATE refused, GUEST_RFLAGS=0x0: guest RFLAGS has reserved bits set, or bit 1 clear \[SDM: ' "$said"
claim "a state whose L2 has an RFLAGS of 0 is refused, and reported" $?
for image in l2-meanwhile l2-pae; do
	"$dir/mini" -n -t /lib/abyme/guests/$image.elf >"$said" 2>&1 && ! grep -q '^not ok' "$said" &&
		grep -q '^mini: asked [1-9][0-9]* times' "$said"
	claim "$image with questions of userspace's about L2's addresses" $?
done
end_claims
