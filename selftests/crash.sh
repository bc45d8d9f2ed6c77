#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# crash.sh [-p]: another kernel takes over while a nested guest runs, by kexec, or with
# -p after a crash (kdump). It finds a processor that is not in VMX operation, and runs
# a nested guest there. Wants that kernel in /root/vmlinuz, its abyme.ko in /root, and
# for -p memory set aside by crashkernel=.
tests=/lib/abyme/tests
guests=/lib/abyme/guests
initramfs=/dev/shm/initramfs

if grep -qw next /proc/cmdline; then
	echo "TAP version 13"
	echo "1..1"
	insmod /root/abyme.ko && "$tests/mini" -n $guests/l2-vmcall.elf &&
		exec echo "ok 1 - a nested guest runs in the kernel that took over"
	echo "not ok 1 - a nested guest runs in the kernel that took over"
	exit 1
fi

# This system, less what the next kernel does not need: it takes long to hash.
cd / || exit
find . -xdev | grep -vE '^./(bin/abyme|root/vmlinuz|lib/modules/.|lib/abyme/(tests|guests)/.)' >/tmp/files
printf '.%s\n' $tests/mini $guests/l2-vmcall.elf >>/tmp/files
cpio -o -H newc </tmp/files >$initramfs 2>/dev/null

modprobe abyme || exit
while "$tests/mini" -n $guests/l2-long.elf; do :; done >/tmp/said 2>&1 &
until grep '^abyme [0-9]* [1-9]' /proc/modules; do # a VM is there
	sleep 0.1
done
"$tests/kexec" "$@" /root/vmlinuz $initramfs "$(cat /proc/cmdline) next"
exit 1
