#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme run --trace-nested: a line for each exit of L2, what they add up to, the
# same as JSON, that L1 sees nothing of it, and what a user's mistakes are told.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
guests=/lib/abyme/guests

# trace IMAGE OPTION...: into the file "trace"; the guest must end well.
trace()
{
	image=$1
	shift
	abyme run --nested --trace-nested=trace "$@" $guests/$image.elf </dev/null >out 2>said
	[ $? = 1 ] && ! grep -q '^not ok' out && [ ! -s said ]
	claim "$image runs while it is traced" $?
	tail -n 150 trace >said
}

# lines EXIT OWNER: how many of them there are.
lines()
{
	awk -v what="$1" -v owner="$2" '/^L2.s exits:/ { exit } index($0, " " what " ") &&
		$0 ~ " " owner " 0x" { n++ } END { print n + 0 }' trace
}

# summed EXIT OWNER COLUMN: from the right, of the summary's row: 7 is the count, 5 the least.
summed()
{
	awk -v what="$1" -v owner="$2" -v column="$3" '/^L2.s exits:/ { on = 1 }
		on && index($0, what " ") == 1 && $0 ~ " " owner " +[0-9]" { n = $(NF - column) }
		END { print n + 0 }' trace
}

# field NAME: "reads with an exit, without; writes with an exit, without".
field()
{
	awk -v name="$1" '/^vmcs12, as/ { on = 1 } on && $1 == name { print $2, $3, $4, $5 }' trace
}

# cause TEXT: how often, in the tables at the end.
cause()
{
	awk -v text="$1" '/^EPT02 faults/ { on = 1 } on && index($0, text) { n += $1 }
		END { print n + 0 }' trace
}

# same WHAT NUMBER NUMBER: and not 0.
same()
{
	[ "$2" = "$3" ] && [ "$2" != 0 ]
	claim "$1 ($2, $3)" $?
}

# --- what L1 does is known here: bench-l2's 200 rounds of VMRESUME, VMREAD and VMWRITE
trace bench-l2
same "each VMCALL has its line, and the sum counts them" "$(lines VMCALL L1)" "$(summed VMCALL L1 7)"
same "so does each EPT violation that L0 took" "$(lines 'EPT violation' L0)" \
	"$(summed 'EPT violation' L0 7)"
same "and each filled EPT02" "$(lines 'EPT violation' L0)" "$(cause 'filled: EPT12 allows it')"
# The shadowed fields of a round don't count.
[ "$(awk '/ VMCALL +L1 / && $NF == 2 { n++ } END { print n + 0 }' trace)" -ge 200 ]
claim "a round is two exits of L1's: VMWRITE of HOST_RSP, and VMRESUME" $?
read -r read_exit read_not write_exit write_not <<-END
	$(field GUEST_RIP)
END
[ "${read_exit:-x}" = 0 ] && [ "$read_not" -ge 2200 ] && [ "$write_exit" = 0 ] &&
	[ "$write_not" -ge 200 ]
claim "GUEST_RIP was read $read_not and written $write_not times, without an exit" $?
read -r read_exit read_not write_exit write_not <<-END
	$(field HOST_RSP)
END
[ "${write_exit:-0}" -ge 400 ] && [ "$write_not" = 0 ] && [ "$read_exit" = 0 ]
claim "HOST_RSP was written $write_exit times, with an exit" $?
[ "$(cause 'EPT02 root dropped: VMXON')" -ge 5 ] && [ "$(cause 'another VPID')" -ge 5 ]
claim "VMXON drops what was there" $?
# The least that a VMCALL cost is what its cheapest line says.
least=$(awk '/ VMCALL +L1 / { cost = $(NF - 4) + $(NF - 3) + $(NF - 2)
	if (!n++ || cost < least) least = cost } END { print least }' trace)
same "the least cost is the cheapest line's" "$least" "$(summed VMCALL L1 5)"

# --- EPT12 is to blame
trace l2-ept
same "each EPT violation that L1 took has its line" "$(lines 'EPT violation' L1)" \
	"$(summed 'EPT violation' L1 7)"
same "and its cause" "$(lines 'EPT violation' L1)" "$(cause 'EPT12 forbids it: EPT violation')"
same "as EPT misconfigurations have" "$(lines 'EPT misconfiguration' L1)" \
	"$(cause 'EPT12 is malformed')"
same "each EPT violation that L0 handled itself was filled or a device" "$(lines 'EPT violation' L0)" \
	"$(($(cause 'filled:') + $(cause 'a device') + $(cause 'tried again')))"
[ "$(cause 'INVEPT of')" -gt 0 ]
claim "INVEPT flushed" $?
[ "$(cause 'mapped at the entry')" -gt 0 ]
claim "what L1 mapped for a violation needed no other" $?

# --- entries that fail
trace l2-explain
same "a failed entry is an exit too" "$(lines 'entry failure: MSR loading' L1)" 1
grep -q 'triple fault .* the last$' trace
claim "the last exit is marked" $?

# --- more than one vCPU, more than the ring holds, and L1 sees nothing of it
trace l2-two --cpus 2
awk '$1 == 0 { a++ } $1 == 1 { b++ } END { exit !(a && b) }' trace
claim "there are exits of both vCPUs" $?
trace l2-flip
[ "$(grep -c ' 0x' trace)" -gt 2048 ] && ! grep -q 'too fast' trace
claim "none is lost of $(grep -c ' 0x' trace)" $?
for image in l2-shadow l2-exits l2-registers l2-events; do
	trace $image
done
for image in l2-shadow l2-meanwhile; do
	"$here/mini" -n -w $guests/$image.elf >out 2>said
	[ $? = 0 ] && ! grep '^not ok' out >>said && grep -q '^mini: watched [1-9][0-9]* times$' said
	claim "nor when a watch begins and ends in the middle of $image" $?
done

# --- JSON
abyme run --nested --trace-nested=trace --json $guests/bench-l2.elf </dev/null >out 2>said
tail -n 3 trace >said
[ "$(grep -c '^{"type": "exit", .*}$' trace)" = $(($(wc -l <trace) - 1)) ]
claim "JSON is an object a line" $?
tail -n 1 trace | grep -q '^{"type": "summary", "lost": 0, "exits": \[{"reason": 18, "exit": "VMCALL", "taken_by": "L1", '
claim "and the last is the summary" $?
same "of the same exits" "$(grep -c '"reason": 18, .*"taken_by": "L1"' trace | awk '{ print $1 - 1 }')" \
	"$(tail -n 1 trace | sed 's/.*"reason": 18, [^{]*"count": \([0-9]*\).*/\1/')"

# --- where it goes, and where it does not
abyme run --nested --trace-nested $guests/l2-vmcall.elf </dev/null >out 2>said
grep -q "^L2's exits:" said && ! grep -q "L2's exits" out
claim "without a file it goes to standard error" $?
abyme run --nested $guests/l2-vmcall.elf </dev/null >out 2>said
[ ! -s said ]
claim "without the option there is none" $?
abyme run --nested --trace-nested=/dev/full $guests/l2-vmcall.elf </dev/null >out 2>said
[ $? = 16 ] && grep -q "the trace is not complete: /dev/full can't be written" said
claim "a full disk is told: status 16" $?

# refused STATUS TEXT ARGUMENT...
refused()
{
	want=$1 text=$2
	shift 2
	abyme run "$@" $guests/l2-vmcall.elf </dev/null >out 2>said
	[ $? = "$want" ] && grep -q -- "$text" said && [ "$(wc -l <said)" = 1 ]
	claim "abyme run $*: $text" $?
}

refused 2 "give it --nested as well" --trace-nested
refused 2 "give it --trace-nested as well" --nested --json
refused 2 "needs a file's name" --nested --trace-nested=
refused 4 "/nowhere/trace can't be written: No such file" --nested --trace-nested=/nowhere/trace
if load_idle_kvm 2>/dev/null; then
	refused 4 "/dev/kvm has no such thing; run on /dev/abyme" --device /dev/kvm --nested --trace-nested
	modprobe -r kvm_intel
fi
end_claims
