#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The power button of a machine whose L1 runs an L2.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"

linux m -M q35 -m 256 -cpu host
up m && l2 m && heeds_button m
must m "an L1 on q35 runs an L2" $?
monitor m system_powerdown >/dev/null
within 30 eval "! alive m"
r=$?
[ $r = 0 ] || tell m
claim "system_powerdown: L1 powers off by itself, and QEMU ends" $r
end_claims
