#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs each command of docs/LAB.md as it is written there (scripts/run-lab carries the page's
# blocks here), and looks whether it does and prints what the page says.
# shellcheck source=selftests/clients/client.inc
. /clients/tests/client.inc
PATH=/usr/bin:/usr/sbin:/bin:/sbin
patience=240
page=/clients/page
parts=" ${*:-doctor plan mac agent oci shutdown} "
kernel=lab
mkdir -p /usr/lib/python3.13/lib-dynload /etc/udev/rules.d /var/lib
cd /root || exit 1

part()
{
	case $parts in *" $1 "*) return 0 ;; esac
	return 1
}

# block NAME: the page's command, here; what it prints is in $said, its status returned.
block()
{
	note "$1"
	sh "$page/$1" >"$said" 2>&1 </dev/null
}

# in_l1 NAME: the same in L1.
in_l1()
{
	note "$1 in L1"
	in_guest l1 "echo $(base64 <"$page/$1" | tr -d '\n') | base64 -d >/tmp/block;" \
		"PATH=/usr/bin:/usr/sbin:/bin:/sbin sh /tmp/block" >/dev/null
}

# prints NAME: what is in $said has each line of the page's block, up to an ellipsis.
prints()
{
	tr -s ' ' <"$said" >"$work/squeezed"
	sed 's/ *\.\.\..*//' "$page/$1" | tr -s ' ' | grep . >"$work/wanted"
	while IFS= read -r line; do
		grep -qF -- "$line" "$work/squeezed" || {
			echo "the page has: $line" >>"$said"
			return 1
		}
	done <"$work/wanted"
}

# it TEXT NAME [STATUS]: the block ends so, 0 by default, and prints what the page shows.
it()
{
	block "$2"
	r=$?
	[ $r = "${3:-0}" ] && { [ ! -e "$page/$2-prints" ] || prints "$2-prints"; }
	claim "$1" $?
}

it_in_l1()
{
	in_l1 "$2"
	r=$?
	[ $r = "${3:-0}" ] && { [ ! -e "$page/$2-prints" ] || prints "$2-prints"; }
	claim "$1" $?
}

# has TEXT PATTERN: and it printed that.
has()
{
	grep -qE -- "$2" "$said"
	claim "$1" $?
}

start_l1()
{
	mkdir "$work/l1"
	pipes "$work/l1/shell"
	boot="-nodefaults -kernel /clients/lab -initrd /clients/lab.img -serial chardev:shell
		-serial file:$work/l1/console -chardev pipe,id=shell,path=$work/l1/shell"
	append="shell=ttyS0 console=ttyS1,115200 $linux"
	export boot append work
	# As the page has it, and what this L1 boots from in place of a disk.
	sed 's/\$boot/$boot -append "$append"/' "$page/start-l1" >"$work/start-l1"
	(sh "$work/start-l1" >"$work/l1/said" 2>&1; echo $? >"$work/l1/status") &
	within 20 pidof qemu-system-x86_64 >"$work/l1/pid"
	up l1
	must l1 "L1 starts as the page has it" $?
	in_guest l1 "sh /lab/setup" >/dev/null
	must l1 "its drivers, network and agent are up" $?
	in_guest l1 "abyme-vms list" >/dev/null
}

if part doctor; then
	modprobe abyme
	for name in doctor fix-dry fix undo facts; do
		block $name
		echo "--- $name: $?"
		cat "$said"
	done
fi
part plan && { block plan; echo "--- plan: $?"; cat "$said"; }
[ -c /dev/abyme ] || modprobe abyme

if part mac; then
	it "a bridge and a tap for L1" bridge
	for name in status allow status any status off; do
		block mac-$name
		echo "--- mac-$name: $?"
		cat "$said"
	done
fi
# mac-allow mac-any mac-status mac-off fix-dry undo
end_claims
