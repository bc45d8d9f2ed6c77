# SPDX-License-Identifier: GPL-2.0-only
"""The scripts that run the rig, and what they print."""

import os
import sys

from machine.paths import TOP, run_group, say

TIMEOUT = "1500"  # seconds, as the machine may have others to serve
HYPERVISORS = {"abyme": ("abyme", "/dev/abyme"), "kvm": ("kvm_intel", "/dev/kvm")}


def lines(script, *arguments):
    """The output of scripts/@script, line by line, and its status."""
    status, output = run_group([os.path.join(TOP, "scripts", script), *arguments])
    if status:
        sys.stderr.write(output)
        say(f"scripts/{script} {' '.join(arguments[:2])} failed")
    return [line.strip() for line in output.splitlines()], status
