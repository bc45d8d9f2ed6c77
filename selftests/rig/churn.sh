#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Memory that comes and goes under a running L2: what keeps its contents no image may
# notice; what loses them may end in anything but a kernel that complains, and
# afterwards a guest runs as ever.
dir=$(dirname "$0")
guests=${GUESTS:-/lib/abyme/guests}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
number=0 failed=0

result() # WRONG TEXT
{
	number=$((number + 1))
	if [ -z "$1" ]; then
		echo "ok $number - $2"
	else
		grep -v '^ok' "$said" | sed 's/^/# /'
		echo "not ok $number - $2: $1"
		failed=1
	fi
}

wrong() # STATUS
{
	[ "$1" = 0 ] && grep -q '^ok' "$said" && ! grep -q '^not ok' "$said" || echo "status $1"
}

for how in drop share; do
	for image in l2-exits l2-ept l2-msrs l2-apic l2-shadow; do
		"$dir/mini" -n -m $how "$guests/$image.elf" >"$said" 2>&1
		result "$(wrong $?)" "$image does not notice that its memory changes: $how"
	done
done
# Not images whose L2 loops: with interrupts off, on an emulator that keeps them off
# in a guest, nothing would ever end it.
for image in l2-exits l2-ept; do
	timeout 300 "$dir/mini" -n -m lose "$guests/$image.elf" >"$said" 2>&1
	status=$?
	result "$([ $status -lt 124 ] || echo "status $status")" "$image whose memory is lost ends"
	"$dir/mini" -n "$guests/l2-vmcall.elf" >"$said" 2>&1
	result "$(wrong $?)" "and a guest runs afterwards"
done
"$dir/mini" -n "$guests/l2-pointers.elf" >"$said" 2>&1
result "$(wrong $?)" "pointers to memory that cannot be written"
echo "1..$number"
exit $failed
