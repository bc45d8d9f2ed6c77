#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A user's way through libvirt, with L1 running an L2 from the first step to the last. Each
# claim is a verb of virsh's, and what the guests see of it.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
here=$(dirname "$0")
PATH=$PATH:/usr/sbin
export LC_ALL=C
patience=180
there=$work/there	# the second host's files
there_uri="qemu+unix:///system?socket=$there/run/libvirt-sock"

# The host that the domain m is on, and what client.inc calls its guest: a directory of $work.
host=qemu:///system
l1=m

v()
{
	virsh -q -c "$host" "$@" >"$said" 2>&1
	r=$?
	grep -v '^$' "$said"
	return $r
}

# filled FILE: with the names of this run.
filled()
{
	sed "s|@work@|$work|;s|@arguments@|console=ttyS0,115200 shell=ttyS1 $linux|" "$here/$1" \
		>"$work/$1"
}

# What is known, when a claim without which the others make no sense has failed.
tell()
{
	cp "$said" "$work/last"
	for file in "$work/last" "$work/libvirtd" "$there/said" /var/log/libvirt/qemu/m.log \
		"$work/$l1/shell.log"; do
		echo "--- $file"
		tail -n 25 "$file" | tr -d '\r\001'
	done >"$said" 2>/dev/null
}

# libvirtd_up URI: it answers.
libvirtd_up()
{
	within 60 virsh -q -c "$1" uri >/dev/null
}

# A host of its own, but for processes, devices and the disks: names, /etc/libvirt, /run/libvirt,
# /var/lib/libvirt and what is at the guest's pipes are others.
second_host()
{
	mkdir -p "$there/run" "$there/var" "$there/etc" "$there/m"
	cp /etc/libvirt/*.conf "$there/etc"
	sed -i 's/^\(host_uuid.*\)a"$/\1b"/' "$there/etc/libvirtd.conf"
	pipes "$there/m/shell"
	cat >"$there/start" <<-END
		hostname rig2
		mount --bind $there/run /run/libvirt
		mount --bind $there/var /var/lib/libvirt
		mount --bind $there/etc /etc/libvirt
		mount --bind $there/m $work/m
		exec libvirtd --pid-file $there/pid >$there/said 2>&1
	END
	unshare -m -u sh "$there/start" &
	libvirtd_up "$there_uri"
}

# state STATE: is m's.
state()
{
	v domstate m | grep -qx "$1"
}

# The guest is another process now, which opens the pipes again.
reopen()
{
	new=$(cat /run/libvirt/qemu/m.pid)
	[ "$new" != "$(cat "$work/m/pid")" ] || return 0
	cat "$work/m/shell.out" >>"$work/m/shell.log" 2>/dev/null &
	echo "$new" >"$work/m/pid"
}

# goes_on TEXT NUMBERS: L2 and L1, from NUMBERS or later.
goes_on()
{
	l2_counts $l1 5
	r=$?
	[ $r = 0 ] && ahead "$from_numbers" 0 "$2"
	r=$?
	[ $r = 0 ] || { in_guest $l1 "tail -n 20 /tmp/count-*; dmesg | tail -n 20" >/dev/null; tell; }
	claim "$1: L2 and L1 count on" $r
}

# prepare: the guest's drivers, its agent and what it does when the power button is pressed.
prepare()
{
	in_guest $l1 "for i in virtio_pci virtio_blk virtio_net virtio_balloon virtio_rng" \
		"virtio_console; do modprobe \$i; done; sleep 1" && heeds_button $l1 &&
	in_guest $l1 "port=\$(grep -l guest_agent /sys/class/virtio-ports/*/name | cut -d/ -f5);" \
		"ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up && /usr/sbin/qemu-ga -d -f /run/ga -t /run -l /tmp/ga -p /dev/\$port"
}

mkdir -p /var/cache /var/lock /var/log/libvirt/qemu /var/lib/libvirt /sys/fs/cgroup "$work/m"
ln -sfn ../run /var/run
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
modprobe tun
pipes "$work/m/shell"
qemu-img create -q -f qcow2 "$work/disk" 512M
head -c 300000 /bin/busybox >"$work/hotplug"
filled domain.xml
filled hotplug.xml
libvirtd >"$work/libvirtd" 2>&1 &

libvirtd_up "$host"
must libvirtd "libvirtd is up" $?
virt-host-validate qemu >"$said" 2>&1
[ "$(grep -cE '(hardware virtualization|/dev/kvm).*: PASS' "$said")" = 3 ]
claim "virt-host-validate: VT-x, /dev/kvm" $?
note domcapabilities
v domcapabilities --virttype kvm | grep -q "<feature policy='require' name='vmx'/>"
claim "domcapabilities: a guest may have VMX" $?
note define
v define "$work/domain.xml"
claim "define" $?
sed "s|<name>m<|<name>other<|;s|<cpu.*</cpu>|<cpu mode='custom' match='exact'><model>EPYC</model></cpu>|" \
	"$work/domain.xml" >"$work/other.xml"
! v create "$work/other.xml" && grep -qi 'cpu' "$said"
claim "create: a processor that the host is not is refused" $?

v start m && cp /run/libvirt/qemu/m.pid "$work/m/pid" && state running
must m "start" $?
note start
up $l1 && prepare
must m "L1 is up" $?
note L1
l2 $l1
must m "L1 runs an L2" $?
note L2

mkfifo "$work/typed"
SHELL=/bin/sh script -qfc "virsh -c $host console m" "$work/terminal" <"$work/typed" >/dev/null 2>&1 &
exec 4<>"$work/typed"
within 20 grep -q 'Escape character' "$work/terminal"
in_guest $l1 "(head -n 1 </dev/ttyS0 >/tmp/heard) >/dev/null 2>&1 & sleep 1; echo L1 speaks >/dev/ttyS0"
within 10 grep -q 'L1 speaks' "$work/terminal"
r=$?
printf 'L1 listens\r' >&4
[ $r = 0 ] && in_guest $l1 "sleep 1; cat /tmp/heard" | grep -q 'L1 listens'
r=$?
printf '\035' >&4
exec 4>&-
[ $r = 0 ] || tail "$work/terminal" >>"$said"
claim "console: both ways" $r

v suspend m && state paused
claim "suspend" $?
v resume m && state running
claim "resume" $?
goes_on resume "$at_numbers"

note snapshot
first=$(numbers $l1)
v snapshot-create-as m one && v snapshot-list m --name | grep -qx one
claim "snapshot-create-as, with memory" $?
l2_counts $l1 10
v snapshot-revert m one && reopen && state running
claim "snapshot-revert" $?
second=$(numbers $l1)
echo "L2, L1 were at $first when saved, at $at_numbers later, and are at $second now" >"$said"
ahead "$second" 0 "$first" && ahead "$at_numbers" 1 "$second"
claim "L2 is back where it was" $?
goes_on snapshot-revert "$second"
v snapshot-delete m one
claim "snapshot-delete" $?

note save
v save m "$work/saved" && state "shut off"
claim "save" $?
v restore "$work/saved" && reopen && state running
claim "restore" $?
goes_on restore "$at_numbers"
note managedsave
v managedsave m && v dominfo m | grep -q '^Managed save: *yes'
claim "managedsave" $?
v start m && reopen && state running
claim "start of what was saved" $?
goes_on managedsave "$at_numbers"

note setmem
memory()
{
	in_guest $l1 "sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo" | tail -n 1
}
before=$(memory)
v setmem m 320M --live
within 60 eval '[ "$(memory)" -lt $((before - 50000)) ]'
claim "setmem: 64 MiB less" $?
v setmem m 384M --live
within 60 eval '[ "$(memory)" -gt $((before - 10000)) ]'
claim "setmem: and back" $?

v attach-device m "$work/hotplug.xml" --live
sum=$(in_guest $l1 "for i in \$(seq 20); do [ ! -b /dev/vdb ] || break; sleep 1; done;" \
	"head -c 300000 /dev/vdb | md5sum")
[ "$sum" = "$(md5sum <"$work/hotplug")" ]
claim "attach-device: a disk, read by checksum" $?
v detach-device m "$work/hotplug.xml" --live
within 20 eval '! v domblklist m | grep -q vdb' && in_guest $l1 "! test -e /dev/vdb"
claim "detach-device" $?
within 20 eval 'v domifaddr m --source agent | grep -q 10.0.2.15/24'
claim "domifaddr, by the guest's agent" $?
in_guest $l1 "ping -c 2 10.0.2.2" >/dev/null
claim "L1 reaches the network" $?
goes_on "after all that" "$at_numbers"

note migrate
second_host
must libvirtd "libvirtd of a second host is up" $?
v migrate --live --unsafe --persistent --undefinesource m "$there_uri" tcp://127.0.0.1
must m "migrate, live, to another host's libvirtd" $?
! state running
claim "it is gone here" $?
host=$there_uri
state running
claim "and runs there" $?
l1=there/m
cp "$there/run/qemu/m.pid" "$there/m/pid"
goes_on migrate "$at_numbers"
v inject-nmi m
in_guest $l1 "sleep 1; grep -q '^ *NMI: *[1-9]' /proc/interrupts"
claim "inject-nmi" $?
v setvcpus m 2 --live &&
	in_guest $l1 "sleep 1; echo 1 >/sys/devices/system/cpu/cpu1/online;" \
		"grep -c ^processor /proc/cpuinfo" | grep -qx 2
claim "setvcpus: one more" $?
goes_on setvcpus "$at_numbers"
v setvcpus m 1 --live && within 20 in_guest $l1 "! test -e /sys/devices/system/cpu/cpu1"
claim "setvcpus: one less" $?
goes_on "setvcpus again" "$at_numbers"

note shutdown
v shutdown m --mode acpi
within 30 eval 'state "shut off"'
claim "shutdown" $?
v undefine m && ! v list --all --name | grep -qx m
claim "undefine" $?
note end
end_claims
