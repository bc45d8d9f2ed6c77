#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A tap with vhost-net: the host's kernel carries the guest's frames. And a TCP connection
# that lasts while the machine moves to another QEMU, with an L2 running.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"

mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
modprobe tun && modprobe bridge && modprobe vhost_net
brctl addbr br0 && ifconfig br0 10.9.0.1 netmask 255.255.255.0 up
claim "a bridge in L0" $?

# tap NAME VHOST: QEMU's options for a tap on the bridge.
tap()
{
	tunctl -t "$1" >/dev/null 2>&1 || ip tuntap add "$1" mode tap
	brctl addif br0 "$1"
	ifconfig "$1" up
	net="-netdev tap,id=net,ifname=$1,script=no,downscript=no,vhost=$2"
	net="$net -device virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,romfile="
}

base="-M q35 -m 384 -cpu host"
tap tap0 on
linux a $base $net
up a
must a "Linux boots with vhost-net on a tap" $?
in_guest a "modprobe virtio_pci; modprobe virtio_net; modprobe af_packet; ifconfig eth0 10.9.0.2 netmask 255.255.255.0 up; sleep 1; ping -c 3 10.9.0.1"
claim "vhost-net: ping" $?
head -c 400000 /bin/busybox >"$work/file"
nc -l -p 7777 <"$work/file" &
sum=$(md5sum <"$work/file")
got=$(in_guest a "sleep 8 | nc 10.9.0.1 7777 | md5sum")
[ "$got" = "$sum" ]
claim "vhost-net: TCP by checksum" $?

sleep 1000 | nc -l -p 7778 >"$work/received" &
in_guest a "(i=0; while [ \$i -lt 100000 ]; do i=\$((i + 1)); echo \$i; usleep 100000; done) | nc 10.9.0.1 7778 >/dev/null 2>&1 &"
within 10 test -s "$work/received"
claim "a TCP connection from L1 to L0" $?
l2 a
must a "and L1 runs an L2" $?
tap tap1 on
options="$base $net"
move a b
must b "the machine moves to another QEMU" $?
seen=$(tail -n 1 "$work/received")
within 20 eval 'test "$(tail -n 1 "$work/received")" -gt $((seen + 10))'
r=$?
echo "$seen was received before, $(tail -n 1 "$work/received") after" >"$said"
claim "the connection lasts" $r
seq 1 "$(tail -n 2 "$work/received" | head -n 1)" >"$work/wanted"
head -n "$(wc -l <"$work/wanted")" "$work/received" | cmp - "$work/wanted" >"$said" 2>&1
claim "and no number is missing" $?
goes_on b
claim "L2 counts on" $?
end_claims
