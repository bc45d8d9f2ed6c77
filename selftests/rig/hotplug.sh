#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Processors come and go while nested guests run. Needs two.
dir=$(dirname "$0")
online=/sys/devices/system/cpu/cpu1/online
[ -w $online ] || exit 4

"$dir/mini" -n /lib/abyme/guests/l2-exits.elf >/tmp/said 2>&1 &
pid=$!
for _ in 1 2 3; do
	echo 0 >$online
	echo 1 >$online
done
wait $pid
r=$?
echo "1..1"
[ $r = 0 ] || sed 's/^/# /' /tmp/said
[ $r = 0 ] || printf 'not '
echo "ok 1 - a nested guest runs on while a processor comes and goes"
exit $r
