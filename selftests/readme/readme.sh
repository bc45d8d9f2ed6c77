#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# README's commands for a real host, each as it is written there (scripts/run-readme brings them
# in /readme/page), by a user of a Debian who may use sudo. The compiler, make and the headers are
# there already, as no mirror can be reached from here, and the tree has been built (run-readme).
# shellcheck source=selftests/rig/claim.inc
. /readme/claim.inc
page=/readme/page
said=/tmp/said

# as_user COMMAND: in the tree, by a login of its own, so that new groups count.
as_user()
{
	su -l user -c "cd abyme && $1"
}

# note TEXT: and when, here and as the machine's progress.
note()
{
	echo "# $(cut -d' ' -f1 /proc/uptime) $1"
	echo "readme: $1" >/dev/kmsg
}

# block NAME: the page's commands.
block()
{
	note "$1"
	as_user "bash -e $page/$1" >$said 2>&1 </dev/null
}

# within SECONDS COMMAND...: until it succeeds.
within()
{
	end=$(($(cut -d. -f1 /proc/uptime) + $1))
	shift
	until "$@"; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || return 1
		sleep 0.2
	done
}

# starts NAME: the page's command, in the background; what is written to 4 is its input.
starts()
{
	note "$1"
	rm -f /tmp/typed
	mkfifo /tmp/typed
	: >$said
	as_user "bash -e $page/$1" </tmp/typed >$said 2>&1 &
	exec 4>/tmp/typed
}

# ends: what starts started; its status.
ends()
{
	exec 4>&-
	wait $!
}

# files: all that is on the disk, but for what changes by itself.
files()
{
	find / -xdev -path /home/user/abyme -prune -o -path /readme -prune -o -type f -print |
		grep -vE '^/(var/|home/user/\.|lib/modules/[^/]*/modules\.|usr/lib/modules/[^/]*/modules\.)' | sort
}

mkdir -p /run/udev
/lib/systemd/systemd-udevd --daemon
files >/tmp/before

block real-host
r=$?
[ $r = 0 ] && grep -q 'This machine can run guests, and they can be hypervisors' $said
claim "the tree is built and installed, the module loaded, and abyme doctor is content" $?
within 10 test "$(stat -c %G:%a /dev/abyme)" = kvm:660
stat -c %G:%a /dev/abyme >$said
grep -qx kvm:660 $said
claim "the udev rule gives /dev/abyme to the group kvm" $?
as_user "! (exec </dev/abyme)" >$said 2>&1
claim "and not to everybody" $?
block group
claim "$(cat $page/group): status 0" $?
as_user "exec <>/dev/abyme" >$said 2>&1
claim "and that user may use it" $?
block plan
[ $? = 1 ] && grep -q 'it lacks [0-9]* MiB' $said
claim "$(cat $page/plan): this machine's memory is not enough for that" $?
block manual
r=$?
[ $r = 0 ] && grep -q 'EXIT STATUS' $said
claim "$(cat $page/manual)" $?

starts guest
within 120 grep -q '(initramfs)' $said
claim "the host's own kernel starts as a guest, and Debian's initrd stops in a shell" $?
printf '%s\n' "$(cat $page/guest-vmx)" >&4
within 10 grep -q '^flags.* vmx ' $said
claim "$(cat $page/guest-vmx): found" $?
printf '%s\n' "$(cat $page/guest-off)" >&4
ends
claim "$(cat $page/guest-off): the launcher ends with status 0" $?

starts bind
within 120 grep -q '(initramfs)' $said
claim "QEMU, with /dev/abyme where it looks for /dev/kvm" $?
printf 'poweroff -f\n' >&4
ends
claim "and it ends with status 0" $?

modprobe -r abyme
modprobe kvm_intel
block devname
claim "$(cat $page/devname): status 0" $?
as_user "abyme doctor --device /dev/kvm" >$said 2>&1
claim "/dev/kvm is abyme's, though the node was made by hand before" $?
starts plain
within 120 grep -q '(initramfs)' $said
claim "QEMU, which knows nothing of that" $?
printf 'poweroff -f\n' >&4
ends
claim "and it ends with status 0" $?

mkdir -p /home/user/.cache/abyme
chown -R user: /home/user/.cache
block away
claim "away again: module, files, what was built" $?
files >/tmp/after
diff /tmp/before /tmp/after >$said
claim "no file is left, and none is missing" $?
[ ! -e /home/user/abyme/build ] && ! lsmod | grep -q '^abyme'
claim "neither what was built, nor the module" $?
end_claims
