#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The images that count what exits cost; see guests-l1.sh.
exec sh "$(dirname "$0")/guests-l1.sh" bench "$@"
