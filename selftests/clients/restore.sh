#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose L1 runs an L2 at work is saved to a file, and goes on in another process,
# also after the hypervisor's module was loaded anew.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small
l2s=busy
options="-M q35 -m 256 -cpu host"

# restored NAME WHEN
restored()
{
	restore "$1"
	goes_on "$1"
	must "$1" "in another process L2 counts on: $2" $?
}

linux m $options
up m && l2 m
must m "an L1 on q35 runs an L2" $?
save m "the machine is saved to a file"
restored r1 "first"
save r1 "the machine is saved to a file"
restored r2 "once more"
save r2 "the machine is saved to a file"
reload
restored r3 "after the module was loaded anew"
end_claims
