#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A client that makes kvmtool's calls (kvmtool/) instead of QEMU: L1 with a disk and a network,
# and an L2 in it.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
export ABYME_DEV="$DEVICE"
kernel=generic
patience=300	# the large kernel takes longer

# like_kvmtool NAME DISK TAP: it boots Linux, which finds processor and IOAPIC by MP tables, as
# there is no ACPI. The cloud kernel has no code for that.
like_kvmtool()
{
	mkdir -p "$work/$1"
	pipes "$work/$1/shell"
	{
		/clients/kvmtool-like "/clients/$kernel" "/clients/$kernel.img" "shell=ttyS0 acpi=off $linux" \
			"$2" "$3" <>"$work/$1/shell.in" >"$work/$1/shell.out" 2>"$work/$1/said" &
		echo $! >"$work/$1/pid"
		wait $!
		echo $? >"$work/$1/status"
	} &
	within 5 test -s "$work/$1/pid"
}

sample
head -c 4194304 /dev/zero >"$work/raw-disk"
dd if="$work/tftp/file" of="$work/raw-disk" conv=notrunc 2>/dev/null
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
modprobe tun && modprobe vhost_net && tunctl -t tap0 >/dev/null &&
	ifconfig tap0 10.9.0.1 netmask 255.255.255.0 up
claim "a tap in L0" $?
note start

like_kvmtool m "$work/raw-disk" tap0
up m && in_guest m "for i in virtio_pci virtio_blk virtio_net af_packet; do modprobe \$i; done; sleep 1" >/dev/null
r=$?
[ $r = 0 ] || { cat "$work/m/said" "$work/m/shell.log"; } >"$said"
claim "Linux boots" $r
note "it is up"
disk "virtio-blk" vda raw-disk
in_guest m "ifconfig eth0 10.9.0.2 netmask 255.255.255.0 up; sleep 1; ping -c 3 10.9.0.1"
claim "virtio-net with vhost: ping" $?
nc -l -p 7777 <"$work/tftp/file" &
[ "$(in_guest m "sleep 8 | nc 10.9.0.1 7777 | md5sum")" = "$sum" ]
claim "virtio-net with vhost: TCP by checksum" $?
in_guest m "grep -E 'virtio[01]-' /proc/interrupts" >"$said" && [ "$(grep -c MSI "$said")" -ge 3 ]
claim "interrupts by MSI-X" $?
l2 m
claim "L1 runs an L2" $?
in_guest m "reboot -f" >/dev/null &
within 20 eval "! alive m" && [ "$(cat "$work/m/status")" = 0 ]
claim "and ends" $?
end_claims
