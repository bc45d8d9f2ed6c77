#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Memory comes and goes while an L2 runs: balloon with free page reporting, virtio-mem,
# and memory modules (pc-dimm).
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
l2s=busy

linux m -M q35 -cpu host -m 448M,slots=2,maxmem=1G \
	-device virtio-balloon-pci,id=balloon,free-page-reporting=on \
	-object memory-backend-ram,id=hot,size=256M \
	-device virtio-mem-pci,id=vmem,memdev=hot,requested-size=0
up m && in_guest m "modprobe virtio_pci; modprobe virtio_balloon; modprobe virtio_mem;" \
	"echo online_movable >/sys/devices/system/memory/auto_online_blocks" && l2 m
must m "an L1 with balloon and virtio-mem runs an L2" $?
# A file comes and goes, as big as to be seen. L1's kernel reports what is free after 2 s.
in_guest m "dd if=/dev/zero of=/tmp/file bs=1M count=96 2>/dev/null" >/dev/null
full=$(resident m)
in_guest m "rm /tmp/file" >/dev/null
reaches resident m -lt $((full - 70))
claim "free page reporting: what L1 frees, QEMU has no more" $?
echo "# of QEMU's memory $full MiB were there, then $now MiB"
l2_counts m 3
claim "free page reporting: $counting" $?
breathes m 448 384
end_claims
