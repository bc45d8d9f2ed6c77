#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme plan: what it says, and that its model is within 10 % of what an L1 takes that
# touches all of its memory, as do its L2s, one on each vCPU.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
cd "$dir" || exit 1
huge=/sys/kernel/mm/transparent_hugepage/enabled
image=/lib/abyme/guests/touch-memory.elf
kmemleak=/sys/kernel/debug/kmemleak
[ -c /dev/abyme ] || modprobe abyme
[ -e $huge ] || { echo "no transparent huge pages here"; exit 4; }
chosen=$(sed 's/.*\[\(.*\)\].*/\1/' $huge)

# says STATUS TEXT ARGUMENT...: abyme plan ends with this status and says this.
says()
{
	want=$1 text=$2
	shift 2
	abyme plan "$@" >said 2>&1
	[ $? = "$want" ] && grep -q -- "$text" said
	claim "plan $*: $text" $?
}

# --- what it says
says 0 "hold its guests and a small Linux, which take" --l1 512M --l2 128M,64M --vcpus 2
says 0 '"fits": true' --l1 512M --l2 128M --json
says 1 "it lacks [0-9]* MiB" --l1 64G
says 1 "too little for its guests and a small Linux" --l1 256M --l2 128M,128M
says 1 '"fits": false' --l1 256M --l2 256M --json
echo never >$huge
says 0 "backs guests by 4 KiB pages: it fits" --l1 128M
echo madvise >$huge
says 0 "backs guests by 2 MiB pages: it fits" --l1 128M
says 2 "needs the guest hypervisor's memory" --l2 64M
says 2 "'much' is not a size" --l1 much
says 2 "has an unknown unit 'Z'" --l1 2G --l2 64M,5Z
says 2 "'' is not a size" --l1 2G --l2 64M,
says 2 "is not a guest's size" --l1 1M
says 2 "out of range" --l1 2G --vcpus 0
says 2 "more than a processor can address" --l1 1000T

# --- what is measured

# What is free in KiB, with what each CPU keeps aside.
free_kib()
{
	echo 3 >/proc/sys/vm/drop_caches
	awk '/nr_free_pages/ { pages += $2 } /count:/ { pages += $2 } END { print pages * 4 }' \
		/proc/zoneinfo
}

# anon: the launcher's own memory and the guest's, in KiB. "RssAnon" of status lags
# behind by up to 63 pages for each thread.
anon()
{
	awk '/^Anonymous:/ { print $2 }' /proc/$pid/smaps_rollup
}

# step NUMBER: let the guest go on, to that many of its waits.
step()
{
	[ "$1" = 1 ] || printf n >&6
	while [ "$(grep -c '# next' out)" -lt "$1" ]; do
		kill -0 $pid || return
		sleep 0.2
	done
	sleep 0.5
}

# part NAME CASE: of the plan, in KiB
part()
{
	sed -n "s/.*\"$1\": {.*\"$2\": \([0-9]*\).*/\1/p" planned | awk '{ print $1 / 1024 }'
}

# within MEASURED MODEL TEXT
within()
{
	echo "measured $1 KiB, planned $2 KiB" >said
	awk -v got="$1" -v want="$2" 'BEGIN { exit !(got >= want * 0.9 && got <= want * 1.1) }'
	claim "$3: $(cat said)" $?
}

# run PAGES CASE MEMORY VCPUS: leaves what was taken in $taken, $ept, $paging, all KiB.
run()
{
	echo "$1" >$huge
	rm -f in
	mkfifo in
	abyme plan --l1 "$3" --l2 "$3" --vcpus "$4" --json >planned
	before=$(free_kib)
	abyme run --nested --memory "$3" --cpus "$4" --append hold $image <in >out 2>&1 &
	pid=$!
	exec 6>in
	step 1
	[ "$2" = large ] || own=$(anon)
	step 2
	step 3
	taken=$((before - $(free_kib) - $(anon) + own))
	ept=$(abyme stat --once --pid $pid | awk '$1 == "ept_pages" { print $2 * 4 }')
	paging=$(awk '/VmPTE/ { print $2 }' /proc/$pid/status)
	printf n >&6
	wait $pid
	exec 6>&-
	[ "$(grep -c '^ok' out)" = 2 ] || {
		cp out said
		claim "the guest touches its memory" 1
	}
}

# measure PAGES CASE MEMORY VCPUS
measure()
{
	run "$@"
	what="$4 vCPUs, $3, $2 pages"
	within "$ept" "$(for p in ept ept02; do part $p "$2"; done | awk "{ n += \$1 } END { print n }")" "$what, its EPTs"
	within "$paging" "$(awk -v a="$(part paging "$2")" -v n="$4" 'BEGIN { print a + 44 + 4 * n }')" \
		"$what, the launcher's page tables"
	# A kernel that looks for lost memory keeps records of its own of what there is.
	[ -e "$kmemleak" ] && return
	within "$taken" "$(for p in ept ept02 paging vcpus vm; do part $p "$2"; done |
		awk '{ sum += $1 } END { print sum }')" "$what, all but the memory itself"
}

run never small 32M 2 # what the first guest of all brings into caches
measure never small 128M 1
measure never small 64M 4
measure madvise large 64M 4
measure never small 160M 2

# --- as on processors with iTLB multihit
modprobe -r abyme && modprobe abyme large_pages=0
run madvise small 64M 1
within "$ept" "$(part ept small | awk '{ print 2 * $1 }')" "large_pages=0: tables for 4 KiB pages"
modprobe -r abyme && modprobe abyme
echo "$chosen" >$huge
rm -r "$dir"
end_claims
