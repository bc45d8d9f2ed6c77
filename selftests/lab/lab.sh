#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs each command of docs/LAB.md as it is written there (scripts/run-lab carries the page's
# blocks here), and looks whether it does and prints what the page says.
# shellcheck source=selftests/clients/client.inc
. /clients/tests/client.inc
PATH=/usr/bin:/usr/sbin:/bin:/sbin
patience=240
page=/clients/page
parts=" ${*:-doctor plan mac vms l1} "
kernel=lab
mkdir -p /usr/lib/python3.13/lib-dynload /etc/udev/rules.d /var/lib
# The kernel loads modules by this name; a shell of BusyBox takes its own ip before another.
mkdir -p /sbin
[ -e /sbin/modprobe ] || ln -s /bin/busybox /sbin/modprobe
modprobe -a tun bridge nf_tables
printf '%s\n' 'sudo() { "$@"; }' 'ip() { /usr/bin/ip "$@"; }' >"$work/first"
# shellcheck disable=SC1091 # just written
. "$work/first"
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
	cat "$work/first" "$page/$1" >"$work/block"
	sh -e "$work/block" >"$said" 2>&1 </dev/null
}

# in_l1 NAME: the same in L1.
in_l1()
{
	note "$1 in L1"
	in_guest l1 "echo $(base64 <"$page/$1" | tr -d '\n') | base64 -d >/tmp/block;" \
		"PATH=/usr/bin:/usr/sbin:/bin:/sbin sh -e /tmp/block" >/dev/null
}

# Numbers of frames and the width of columns differ.
plain()
{
	sed -E 's/[0-9]+ frames/N frames/; s/ +/ /g; s/^ //'
}

# prints NAME: what is in $said has each line of the page's block, up to an ellipsis.
prints()
{
	plain <"$said" >"$work/squeezed"
	sed 's/ *\.\.\..*//' "$page/$1" | plain | grep . >"$work/wanted"
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
	mkdir -p "$work/l1"
	rm -f "$work/l1/"*
	pipes "$work/l1/shell"
	boot="-nodefaults -kernel /clients/lab -initrd /clients/lab.img -serial chardev:shell
		-serial file:$work/l1/console -chardev pipe,id=shell,path=$work/l1/shell"
	append="shell=ttyS0 console=ttyS1,115200 $linux"
	export boot append
	# As the page has it, and what this L1 boots from in place of a disk.
	sed 's/\$boot/$boot -append "$append"/' "$page/start-l1" >"$work/start-l1"
	(sh "$work/start-l1" >"$work/l1/said" 2>&1; echo $? >"$work/l1/status") &
	within 20 eval "pidof qemu-system-x86_64 >$work/l1/pid"
	up l1
	must l1 "L1 starts as the page has it" $?
	note "L1 is up"
	in_guest l1 "sh /lab/setup" >/dev/null
	note "and set up"
}

# speaks MAC: a guest on L1's bridge, here a veth, asks for the host's address with this one.
# The answer comes, or not.
speaks()
{
	in_guest l1 "ip link set l2 address $1; ip neigh flush dev l2; arping -q -I l2 -s 10.0.0.3" \
		"-c 2 -w 8 10.0.0.1" >/dev/null
}

# frames MAC: how many of it status knows, in $said.
frames()
{
	sed -n "s/^  $1  \([0-9]*\) frames/\1/p" "$said"
}

if part doctor; then
	it "doctor --fix --dry-run says what it would do, with status 2" fix-dry 2
	it "doctor --fix does it" fix
	it "doctor says that the host can nest" doctor
	it "migration facts compare as the page has it" facts
	it "doctor --undo takes it back" undo
fi
if part plan; then
	it "plan's numbers are the page's" plan
	it "plan as JSON" plan-json
	it "a plan that can't be is refused, with what is missing" plan-refused 1
fi

# What abyme-mac refuses, and that it then changes nothing.
refuses()
{
	want=$1 text=$2
	shift 2
	abyme-mac "$@" >"$said" 2>&1
	[ $? = "$want" ] && grep -q -- "$text" "$said"
	claim "abyme-mac $*: $text" $?
}

if part mac; then
	it "a bridge and a tap" bridge
	block mac-status
	[ $? = 1 ] && grep -qx "vnet0: off" "$said"
	claim "a tap has no rule at first" $?
	it "a list of one address" mac-own
	refuses 4 "there is no device vnet7" vnet7 any
	refuses 2 "'x;y' is not a device's name" "x;y" any
	refuses 2 "is not a MAC address" vnet0 allow 52:54:00:00:01
	refuses 2 "is not a MAC address" vnet0 allow 52:54:00:00:01:0g
	refuses 2 "is not a MAC address" vnet0 allow "52:54:00:00:01:01 }"
	refuses 2 "group's address" vnet0 allow 01:00:5e:00:00:01
	refuses 2 "nobody's address" vnet0 allow 00:00:00:00:00:00
	refuses 2 "allow wants addresses" vnet0 allow
	refuses 2 "any takes no addresses" vnet0 any 52:54:00:00:01:01
	refuses 2 "no 'some'" vnet0 some
	refuses 2 "abyme-mac TAP allow" vnet0
	block mac-status
	[ $? = 0 ] && grep -qx "vnet0: a list; dropped 0 frames" "$said" &&
		[ "$(frames 52:54:00:00:01:01)" = 0 ]
	claim "which changes nothing" $?
	abyme-mac vnet0 allow 52:54:00:00:01:01 52:54:00:00:01:01 52:54:00:00:02:0A >"$said" 2>&1 &&
		abyme-mac vnet0 status >"$said" && [ "$(grep -c "^  52:54" "$said")" = 2 ] &&
		[ "$(frames 52:54:00:00:02:0a)" = 0 ]
	claim "an address twice, and in capitals, is one" $?
	echo 'ada:x:1000:1000::/:/bin/sh' >>/etc/passwd
	su ada -c "abyme-mac vnet0 status" >"$said" 2>&1
	[ $? = 4 ] && grep -qx "abyme-mac: nft can't look at the rules, which takes root" "$said"
	claim "who may not look is not told that there is no rule" $?
	ip tuntap del vnet0 mode tap
	ip tuntap add vnet0 mode tap
	abyme-mac vnet0 status >"$said"
	[ $? = 1 ] && grep -qx "vnet0: off" "$said"
	claim "a tap made anew has no rule, and status says so" $?
	it "and takes one again" mac-own
	it "any" mac-any
	it "off" mac-off
	nft list tables >"$said"
	! grep -q . "$said"
	claim "which leaves no table behind" $?
	it "off twice is harmless" mac-off
	ip link set vnet0 master br0
	ip link set vnet0 up
fi

# stuck NAME OPTION...: a QEMU that never does what it is asked, with a /run of its own.
stuck()
{
	name=$1
	shift
	unshare -m sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' sh $qemu -name "$name" -accel "$accel" -S -m 16 -nodefaults -no-user-config -display none \
		"$@" >"$work/$name" 2>&1 &
	within 20 eval "abyme-vms list | grep -q ' $name$'"
}

if part vms; then
	[ -c /dev/abyme ] || modprobe abyme
	stuck deaf -qmp unix:/run/deaf,server=on,wait=off && stuck mute
	r=$?
	cat "$work/deaf" "$work/mute" >"$said" 2>&1
	claim "two QEMUs that do nothing" $r
	abyme-vms list --json >"$said"
	claim "abyme-vms lists two QEMUs" $?
	has "as JSON" '"name": "deaf", "memory": [1-9][0-9]*, "seconds": [0-9]+, "program": "qemu-system-x86_64"}'
	abyme-vms stop --timeout 2 >"$said" 2>&1
	[ $? = 1 ]
	claim "to end one by force is status 1" $?
	has "the one with a monitor was asked" '^deaf \([0-9]*\): power button$'
	has "and then ended" '^deaf \([0-9]*\): still there, SIGTERM$'
	has "the other can't be asked" "^mute \([0-9]*\): can't be asked: its QEMU has no -qmp"
	has "and was ended, too" '^mute \([0-9]*\): still there, SIGTERM$'
	! pidof qemu-system-x86_64 >"$said"
	claim "none is left" $?
	abyme-vms inside /run/nothing >"$said" 2>&1
	[ $? = 4 ] && grep -qx "abyme-vms: /run/nothing: No such file or directory" "$said"
	claim "no socket is said" $?
fi

part l1 || end_claims
[ -c /dev/abyme ] || modprobe abyme
[ -e /sys/class/net/vnet0 ] || block bridge
it "L1's own address is what its tap may send with" mac-own
start_l1

# --- MAC addresses
it_in_l1 "L1 bridges its vNIC" l1-bridge
in_guest l1 "ip link add l2 type veth && ip link set veth0 master br0 && ip link set veth0 up &&" \
	"ip addr add 10.0.0.3/24 dev l2 && ip link set l2 up" >/dev/null
claim "and has a guest on the bridge" $?
in_guest l1 "arping -q -I br0 -c 2 -w 8 10.0.0.1" >/dev/null
claim "L1's own frames pass" $?
! speaks 52:54:00:00:02:01
claim "a guest's do not" $?
it "which status counts by sender" mac-status
dropped=$(frames 52:54:00:00:02:01)
[ "${dropped:-0}" -ge 2 ]
claim "each of them" $?
it "the list has the guest's address" mac-allow
speaks 52:54:00:00:02:01
claim "now it is heard" $?
! speaks 52:54:00:00:02:02
claim "another is not" $?
abyme-mac vnet0 status >"$said"
passed=$(frames 52:54:00:00:02:01)
dropped=$(frames 52:54:00:00:02:02)
[ "${passed:-0}" -ge 2 ] && [ "${dropped:-0}" -ge 2 ]
claim "both are counted" $?
it "any" mac-any
speaks 52:54:00:00:02:02
claim "lets the other be heard" $?
abyme-mac vnet0 status >"$said"
passed=$(frames 52:54:00:00:02:02)
[ "${passed:-0}" -ge 2 ] && grep -q "^vnet0: any; passed" "$said"
claim "and counts it" $?

# --- containers
it_in_l1 "L1 sees VT-x" l1-vmx
it_in_l1 "a container image runs as L2" oci
has "as the user whom it wants, on a kernel of its own" 'Linux 6[^ ]*-abyme-small, user 1000:100'
it_in_l1 "doctor says in L2 that VT-x is not exposed" doctor-l2 2
in_guest l1 "cd /root; PATH=/usr/bin:/bin; abyme-oci hello end 200" >/dev/null
[ $? = 200 ]
claim "a command's status is abyme-oci's, also over 127" $?
it_in_l1 "one in the background" oci-serve
within 120 grep -q "good morning from /srv, serve" "$work/l1/console"
claim "is up" $?

# --- from the edge
it "the host asks for L1's addresses" addresses
it "and for its guests" inside
has "which has the container" ' abyme +hello'
it "and lists its own" list
has "which has L1" 'qemu-system-x86_64 +l1$'
abyme-vms addresses /run/l1.qmp >"$said" 2>&1
[ $? = 4 ] && grep -q "no agent answers there" "$said"
claim "what is no agent's socket is said" $?
it "the agent shuts L1 down" shutdown
within 10 test -e "$work/l1/status"
claim "QEMU has ended" $?
cp "$work/l1/console" "$said"
sed -n '/SIGTERM to its command/,$p' "$work/l1/console" >"$work/end"
grep -q 'hello ends as it should' "$work/end" && grep -q 'Power down' "$work/end" &&
	! grep -q 'still there' "$work/end"
claim "and its guests ended before it, as they should" $?
start_l1
it "the power button shuts L1 down" stop
has "which stop said" "^l1 \\([0-9]*\\): power button"
within 10 test -e "$work/l1/status"
claim "and QEMU has ended" $?
it "with no VM left, stop has nothing to do" stop
[ ! -s "$said" ]
claim "and nothing to say" $?
end_claims
