#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-tests itself: what makes a test fail.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir tests
: >log
echo 3 >count

# put FILE LINE: a script of one line.
put()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$1"
	chmod +x "$1"
}

# test_that LINE: what run-tests says of a test that does this.
test_that()
{
	put tests/one "$1"
	KMEMLEAK=none DMESG="cat log" TESTS=$dir/tests COUNTER=$dir/count "$here/run-tests" -n -t 2 >said
	status=$?
}

left_behind()
{
	grep -al "s[l]eep.5432" /proc/[0-9]*/cmdline 2>/dev/null
}

test_that "exit 0"
[ $status = 0 ] && grep -q '^ok 1 one' said && grep -q '^# 1 passed, 0 failed, 0 skipped' said
claim "a test that is content passes" $?
test_that "exit 4"
[ $status = 0 ] && grep -q '^ok 1 one # SKIP' said
claim "one with nothing to do is skipped" $?
test_that "exit 1"
[ $status = 1 ] && grep -q '^not ok 1 one # exit status 1' said
claim "one that fails does" $?
test_that "sleep 20"
[ $status = 1 ] && grep -q '^not ok 1 one # killed after 2 s' said
claim "one that hangs is killed" $?
test_that "sleep 54321 & exec sleep 54322"
[ $status = 1 ] && ! left_behind
claim "and what it has started, too" $?
test_that "sleep 54321 & exit 0"
[ $status = 0 ] && ! left_behind
claim "nor does one that is content leave anything running" $?
test_that "echo '[    1.000000] BUG: scheduling while atomic' >>$dir/log"
[ $status = 1 ] && grep -q '^not ok 1 one # kernel log' said
claim "a bug in the kernel log fails it" $?
test_that "exit 0"
[ $status = 0 ]
claim "and not the next one" $?
test_that "echo '[    2.0] abyme: the processor refused an entry to L2 that passed all checks' >>$dir/log"
[ $status = 1 ] && grep -q '^not ok 1 one # kernel log' said
claim "the line of an entry that the processor refused fails it" $?
test_that "echo 4 >$dir/count"
[ $status = 1 ] && grep -q '^not ok 1 one # the processor refused an entry' said
claim "and so does its counter, if the log has no line" $?
test_that "echo 0 >$dir/count"
[ $status = 0 ]
claim "that the module was loaded anew does not" $?
# The real one.
[ -c /dev/abyme ] || modprobe abyme
[ "$(cat /sys/module/abyme/parameters/entries_refused)" = 0 ]
claim "the module counts them" $?
end_claims
