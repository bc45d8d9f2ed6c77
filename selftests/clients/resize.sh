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
frees m
breathes m 448 384
end_claims
