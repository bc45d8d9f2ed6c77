#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The devices that QEMU gives a guest: disks by checksum, networks, input, display, memory.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"

sample
for disk in blk scsi ide; do
	head -c 4194304 /dev/zero >"$work/$disk"
	dd if="$work/tftp/file" of="$work/$disk" conv=notrunc 2>/dev/null
done

# Its decompressor runs for a minute of the machine's clock, all the time with RFLAGS.IF = 0.
kernel=generic
patience=240
linux m -M pc -m 384 -cpu host -smp 2 \
	-drive file="$work/blk",if=none,id=blk,format=raw -device virtio-blk-pci,drive=blk \
	-device virtio-scsi-pci,id=scsi \
	-drive file="$work/scsi",if=none,id=scsi0,format=raw -device scsi-hd,drive=scsi0,bus=scsi.0 \
	-drive file="$work/ide",if=ide,format=raw \
	-netdev user,id=net,tftp="$work/tftp" -device virtio-net-pci,netdev=net,romfile= \
	-netdev user,id=old,tftp="$work/tftp",net=10.0.3.0/24 -device e1000,netdev=old,romfile= \
	-device virtio-rng-pci -device virtio-balloon-pci,id=balloon \
	-device piix3-usb-uhci -device usb-tablet -vga std
up m
must m "Linux boots on pc with disks, networks, balloon, RNG, USB and VGA" $?
in_guest m "for i in virtio_pci virtio_blk virtio_scsi sd_mod ata_piix virtio_net e1000 virtio_rng" \
	"virtio_balloon evdev psmouse uhci_hcd usbhid hid_generic af_packet; do modprobe \$i; done; sleep 1" >/dev/null

disk virtio-blk vda blk
scsi=$(in_guest m "cd /sys/block; for d in sd*; do grep -q QEMU \$d/device/vendor && echo \$d; done")
disk virtio-scsi "$scsi" scsi
ide=$(in_guest m "cd /sys/block; for d in sd*; do grep -q ATA \$d/device/vendor && echo \$d; done")
disk "IDE disk" "$ide" ide
in_guest m "grep -E 'virtio.*-req|virtio.*-input' /proc/interrupts | grep -q MSI"
claim "virtio interrupts by MSI-X" $?

net virtio-net virtio_net 10.0.2.2
net e1000 e1000 10.0.3.2

in_guest m "cat /sys/class/misc/hw_random/rng_current; head -c 64 /dev/hwrng | wc -c" | tail -n 1 | grep -qx 64
claim "virtio-rng" $?

# input TEXT EVENT COMMAND: the monitor's COMMAND arrives at the guest's input device.
input()
{
	in_guest m "n=\$(grep -A 5 -i '$2' /proc/bus/input/devices | sed -n 's/.*\(event[0-9]*\).*/\1/p' | head -n 1); (dd if=/dev/input/\$n bs=24 count=2 of=/tmp/event 2>/dev/null &); sleep 1" >/dev/null
	monitor m "$3" >/dev/null
	in_guest m "sleep 1; wc -c </tmp/event" | tail -n 1 | grep -qx 48
	claim "$1" $?
}
input "PS/2 keyboard" "AT Translated" "sendkey a"
# The monitor moves mice, which a tablet is not, but it can press a tablet's button.
monitor m "info mice" >"$work/mice"
monitor m "mouse_set $(sed -n 's/.*Mouse #\([0-9]*\): QEMU HID Tablet.*/\1/p' "$work/mice")" >/dev/null
input "USB tablet" "QEMU USB Tablet" "mouse_button 1"

monitor m "screendump $work/screen" >/dev/null
within 5 test -s "$work/screen"
head -c 15 "$work/screen" >"$said"
grep -q P6 "$said" && [ "$(tr -d '\000' <"$work/screen" | wc -c)" -gt 1000 ]
claim "VGA: a screenshot that is not black" $?

start=$(total m)
monitor m "balloon 256" >/dev/null
reaches total m -lt $((start - 100))
claim "balloon: inflated by 128 MiB" $?
monitor m "balloon 384" >/dev/null
reaches total m -gt $((start - 10))
claim "balloon: deflated" $?
end_claims
