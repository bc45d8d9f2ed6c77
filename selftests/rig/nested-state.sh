#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The state of an L2 that uses VMCS shadowing goes to userspace and back while it
# runs; what it wrote to its shadow VMCS must come along.
dir=$(dirname "$0")
said=$(mktemp)
trap 'rm -f "$said"' EXIT

failed=0
echo 1..2
"$dir/mini" -n -s /lib/abyme/guests/l2-shadow.elf >"$said" 2>&1
status=$?
if [ $status = 0 ] && ! grep -q '^not ok' "$said"; then
	echo "ok 1 - l2-shadow with its state taken and set in the middle"
else
	sed 's/^/# /' "$said"
	echo "not ok 1 - l2-shadow with its state taken and set in the middle, status $status"
	failed=1
fi
# 128 bytes of header, vmcs12, and the shadow vmcs12.
if grep -q '^mini: [1-9][0-9]* states, up to 8320 bytes$' "$said"; then
	echo "ok 2 - the state had the shadow vmcs12 in it"
else
	grep '^mini:' "$said" | sed 's/^/# /'
	echo "not ok 2 - the state had the shadow vmcs12 in it"
	failed=1
fi
exit $failed
