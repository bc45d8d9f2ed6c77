#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine that may halt the processor itself, without an exit.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

linux m -m 192 -M q35 -cpu host -overcommit cpu-pm=on
up m
must m "-overcommit cpu-pm=on: Linux boots" $?
runs m
claim "and its clock goes on" $?
end_claims
