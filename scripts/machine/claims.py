# SPDX-License-Identifier: GPL-2.0-only
"""A client's run in the rig: its output passed on, and its claims kept for scripts/clients-table."""

import os
import re
import subprocess
import sys

from .paths import BUILD, rig_process


def watch(argv, column, scripts):
    """
    Run the rig. build/clients/COLUMN/SCRIPT gets a line for each claim: how it ended, a tab,
    its text. A script's lines follow "# NAME"; before the first such line they are the first's.
    """
    results, name = {}, scripts[0]
    with rig_process(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as rig:
        for line in rig.stdout:
            text = line.decode("utf-8", "replace")
            sys.stdout.write(text)
            sys.stdout.flush()
            begin = re.match(r"# ([a-z0-9-]+)$", text)
            claim = re.match(r"\s*(ok|not ok) \d+ - (.*)", text)
            measured = re.match(r"\s*# measured: (.*): (.*)", text)
            if begin and begin[1] in scripts:
                name = begin[1]
            elif claim:
                results.setdefault(name, []).append((claim[1], claim[2].strip()))
            elif measured:
                results.setdefault(name, []).append((measured[2].strip(), measured[1]))
        rig.wait()
    for name, claims in results.items():
        path = os.path.join(BUILD, "clients", column, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{result}\t{claim}\n" for result, claim in claims)
    return rig.returncode
