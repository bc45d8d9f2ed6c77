#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the guest images of a group and check what each says:
#
#	guests-l1.sh [GROUP] [IMAGE...]
#
# GROUP is l1 (the default), l2 or bench; IMAGE a name without .elf. DEVICE says
# on what: /dev/abyme, or /dev/kvm for comparison. RUN replaces the launcher.
# An image passes when each planned claim is ok; a claim that is known to differ
# on KVM (see kvm_differs() below) is no failure there. scripts/check-bare runs the
# same images on the emulated processor itself.
group=l1
case $1 in
l1|l2|bench)
	group=$1
	shift ;;
esac
guests=${GUESTS:-/lib/abyme/guests}
device=${DEVICE:-/dev/abyme}
default_limit=${LIMIT:-60}
out=$(mktemp)
number=0 failed=0
trap 'rm -f "$out"' EXIT

[ -c "$device" ] || { echo "no $device"; exit 4; }

options()
{
	case $1 in
	l2-*|bench-*) echo --nested ;;
	esac
	case $1 in
	l1-smp) echo --cpus 4 ;;
	l2-two|l2-scribble|l2-init|l2-posted|l2-tables) echo --cpus 2 ;;
	esac
}

# How long it may take, in seconds of L0's clock.
limit()
{
	case $1 in
	l1-timers) echo $((default_limit * 4)) ;; # it sleeps
	*) echo "$default_limit" ;;
	esac
}

# The launcher's status after a run that went well: the debug exit's 0, or the
# end that the image is about.
expected()
{
	case $1 in
	l1-triple-fault|l2-abort) echo 8 ;;
	*) echo 1 ;;
	esac
}

# Claims, by number, in which KVM is not like the processor. Six images it does
# not end well: l2-entry, where an entry into HLT under STI's shadow is let
# through and sleeps for ever, l2-order, where one into HLT below the TPR threshold
# does not come back, l2-flip and l2-pointers, where KVM_RUN answers EIO,
# and l2-operands and l2-insn-modes, where it gives up on an operand that is not in
# memory.
kvm_differs()
{
	[ "$device" = /dev/kvm ] || return
	case $1 in
	l1-apic) echo 10 26 30 ;;	# no ESR; EOI takes any value in x2APIC mode
	l1-debug) echo 14 16 17 ;;	# no breakpoints on what it emulates
	l1-io) echo 11 ;;		# INS and OUTS are not checked for alignment
	l1-pic-pit) echo 10 ;;		# channel 2 counts with its gate low
	l2-crossing) echo 5 7 ;;	# NMI blocking is not taken from nor left to L2
	l2-shadows) echo 7 ;;		# the interrupt exits within the shadow
	l2-debug) echo 1 4 5 6 7 ;;	# a trap twice; no breakpoints on what it emulates
	l2-pae) echo 14 ;;		# a triple fault
	l2-order) echo 1 2 3 22 ;;	# an interrupt before windows; no data breakpoints
	l2-insn-modes) echo 6 ;;	# expand-down segments the other way round
	l2-insn) echo 5 14 ;;		# VMCALL in root operation is a hypercall
	l2-vmcall-root) echo 1 ;;
	l2-operands) echo 2 6 ;;	# half of an operand is written; #GP for #SS
	l2-delivery) echo 6 7 ;;	# NMIs stay blocked where IRET had unblocked them
	l2-exceptions) echo 14 ;;	# a fault of its own is saved without RF
	l2-registers) echo 3 ;;		# LMSW that sets PE does not exit
	l2-events) echo 6 28 30 32 ;;	# INT1; events at entry and in HLT; a soon timer's L2 stands still
	l2-entry) echo 19 21 ;;		# not checked by KVM nor by Bochs
	esac
}

# verdict IMAGE STATUS: print what is wrong, if anything.
verdict()
{
	known=" $(kvm_differs "$1" | tr '\n' ' ') "
	awk -v known="$known" -v status="$2" -v want="$(expected "$1")" '
	/^1\.\./ { plan = substr($0, 4) + 0 }
	/^ok / { seen++; if (/# SKIP/) skipped++ }
	/^not ok / { seen++; if (index(known, " " $3 " ")) forgiven++; else bad++ }
	/^Bail out/ { bad++ }
	END {
		if (want == 8) { if (status != 8) print "status " status ", not a triple fault"; exit }
		if (!plan) print "it printed no plan, status " status
		else if (bad) print bad " claims failed"
		else if (seen != plan) print seen + 0 " of " plan " claims, status " status
		else if (!forgiven && status != want) print "status " status
		else if (skipped == plan) print "every claim was skipped"
	}' "$out"
}

run_image()
{
	number=$((number + 1))
	run="${RUN:-abyme run --device $device --memory 128M} $(options "$1")"
	# shellcheck disable=SC2086 # words on purpose
	timeout "$(limit "$1")" $run "$guests/$1.elf" </dev/null >"$out" 2>&1
	wrong=$(verdict "$1" $?)
	grep -E '^not ok |^#|^count |SKIP|^Bail|^abyme' "$out" | sed 's/^/    /'
	if [ -z "$wrong" ]; then
		echo "ok $number - $1, $(grep -c '^ok ' "$out") claims"
	else
		echo "not ok $number - $1: $wrong"
		tail -n 3 "$out" | sed 's/^/    # /'
		failed=1
	fi
}

if [ $# -gt 0 ]; then
	images=$*
else
	images=$(cd "$guests" && for f in "$group"-*.elf; do echo "${f%.elf}"; done)
fi
for image in $images; do
	run_image "$image"
done
echo "1..$number"
exit $failed
