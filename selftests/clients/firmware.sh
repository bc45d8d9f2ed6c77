#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Firmware boots Linux: SeaBIOS from a virtio disk and from an IDE CD, both by isolinux; and
# OVMF, whose code is in flash that is a read-only memory slot, and whose variables are in
# flash that it writes to.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
patience=240

# started TEXT COMMAND: the machine is up and COMMAND in it succeeds; how long that took.
started()
{
	began=$(cut -d. -f1 /proc/uptime)
	up m && in_guest m "$2"
	r=$?
	[ $r = 0 ] || tell m
	claim "$1" $r
	echo "# $1: after $(($(cut -d. -f1 /proc/uptime) - began)) s of the machine's clock"
	return $r
}

# bios TEXT OPTION...: isolinux, which says so in the command line, boots the small Linux.
bios()
{
	text=$1
	shift
	machine m -serial chardev:console -serial chardev:shell -m 256 -cpu host "$@"
	started "SeaBIOS: Linux boots from $text" \
		"grep BOOT_IMAGE=/boot/vmlinuz /proc/cmdline && ! [ -e /sys/firmware/efi ]"
	finish m
}

kernel=small
medium=file=/clients/boot.iso,if=none,id=medium,format=raw,readonly=on
bios "a virtio disk" -M q35 -drive $medium -device virtio-blk-pci,drive=medium
bios "an IDE CD" -M pc -drive $medium -device ide-cd,drive=medium

kernel=cloud
cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/variables"
linux m -M q35 -m 384 -cpu host \
	-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
	-drive if=pflash,unit=1,format=raw,file="$work/variables"
started "OVMF: Linux boots" true || end_claims
in_guest m "ls /sys/firmware/efi && dmesg | grep 'efi: EFI v.* by'"
claim "OVMF: Linux finds EFI" $?
monitor m "info mtree -f" | grep -E 'romd\).*system.flash[01]'
claim "OVMF: its flash is read as memory" $?
! cmp -s /usr/share/OVMF/OVMF_VARS_4M.fd "$work/variables"
claim "OVMF: its variables are written" $?
l2 m
claim "OVMF: an L1 runs an L2" $?
end_claims
