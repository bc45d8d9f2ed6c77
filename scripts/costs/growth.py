# SPDX-License-Identifier: GPL-2.0-only
"""
How costs grow with what there is: selftests/rig/growth, and grow-l2, in the rig. A table, and
one picture of the series.
"""

import os
import re
import subprocess

from machine.paths import TOP, need
from .rig import HYPERVISORS, TIMEOUT, lines
from .table import number, table

GROW = re.compile(r"^grow (\S+) (\d+) (\d+)$")
TURNS = re.compile(r"^count turns by L2s: (\d+) (\d+)$")
BYTES = re.compile(r"^bytes since the first L2: (-?\d+)$")
SCRIPT = """\
modprobe {module} || exit
ABYME_DEV={device} /lib/abyme/tests/growth /lib/abyme/guests/grow-l2.elf
"""
PICTURE = os.path.join(TOP, "docs", "growth.svg")

# series: (what it is, what x counts)
TITLES = {
    "exit-by-vcpus": ("a CPUID of one vCPU", "vCPUs of its VM"),
    "exit-of-all-by-vcpus": ("a CPUID, all vCPUs at once, their threads' start included", "vCPUs of its VM"),
    "fault-by-vcpus": ("a first touch of 4 KiB", "vCPUs of its VM"),
    "exit-by-idle-vms": ("a CPUID", "idle VMs beside it"),
    "start-by-idle-vms": ("to create a VM that idles", "idle VMs, it included"),
    "turn-by-l2s": ("a turn of one L2: VMPTRLD, entry, eight pages, exit", "L2s of the L1"),
    "fault-by-memory": ("a first touch of 4 KiB", "MiB of the VM"),
    "dirty-fault-by-memory": ("a first write while dirty pages are logged", "MiB of the VM"),
    "log-start-by-memory": ("to begin the log, a page in each 64 KiB mapped", "MiB of the VM"),
    "log-read-nothing-by-memory": ("to read the log, no page dirty", "MiB of the VM"),
    "log-read-512-by-memory": ("to read the log, 512 pages dirty", "MiB of the VM"),
    "end-by-memory": ("to end the VM", "MiB of the VM"),
    "exit-by-depth": ("a CPUID of the innermost guest", "levels of abyme"),
}
BYTES_TITLES = {
    "bytes-of-vm": "a VM with its file descriptor",
    "bytes-of-irqchip": "its interrupt controllers and timer",
    "bytes-of-vcpu": "a vCPU that has run",
    "bytes-of-4-l2s": "an L1 with four L2s, more than with one",
    "bytes-of-16-l2s": "an L1 with sixteen L2s, more than with one",
}


def measure(hypervisor, kernel):
    """{series: {x: number}}, and a status."""
    module, device = HYPERVISORS[hypervisor]
    text, status = lines("rig", "--no-build", "--kernel", kernel, "--timeout", TIMEOUT, "--",
                         SCRIPT.format(module=module, device=device))
    series, held = {}, 0
    for line in text:
        if match := GROW.match(line):
            series.setdefault(match[1], {})[int(match[2])] = int(match[3])
        elif match := BYTES.match(line):
            held = int(match[1])
        elif match := TURNS.match(line):
            l2s = int(match[1])
            series.setdefault("turn-by-l2s", {})[l2s] = int(match[2])
            series[f"bytes-of-{l2s}-l2s"] = {1: held}
    return series, status


def depth_of_page():
    """{levels: instructions} of a CPUID, as docs/DEPTH.md has it."""
    with open(os.path.join(TOP, "docs", "DEPTH.md"), encoding="utf-8") as file:
        row = next((line for line in file if line.startswith("| CPUID |")), "")
    return dict(enumerate((int(word.replace(",", "")) for word in row.split("|")[2:-1]), 1))


def tables(growth):
    """@growth: {hypervisor: {series: {x: number}}}, of JSON, too, where x is a string."""
    rows = []
    for name, (what, of) in TITLES.items():
        for hypervisor, series in growth.items():
            points = series.get(name)
            if points:
                xs = ", ".join(f"{int(x):,}" for x in points)
                rows.append([what, f"{of}: {xs}", hypervisor,
                             ", ".join(number(y).replace(",", " ") for y in points.values())])
    byte_rows = [[what, *(number(next(iter(series.get(name, {0: None}).values())))
                          for series in growth.values())]
                 for name, what in BYTES_TITLES.items()]
    lines_ = table(["instructions of", "at", "by", "are"], rows).splitlines()
    lines_[1] = "| --- | --- | --- | --- |"
    return {"growth": "\n".join(lines_),
            "bytes": table(["bytes of kernel memory", *growth], byte_rows)}


# The picture: a panel is a title, what x counts, whether an axis is logarithmic, series.
PANELS = (
    ("an exit, by vCPUs of the VM", "vCPUs", "x", ("exit-by-vcpus", "exit-of-all-by-vcpus")),
    ("an exit, by idle VMs beside it", "idle VMs", "x", ("exit-by-idle-vms",)),
    ("a turn of one L2, by L2s", "L2s of one L1", "x", ("turn-by-l2s",)),
    ("a fault of 4 KiB, by memory", "MiB", "x", ("fault-by-memory", "dirty-fault-by-memory")),
    ("the dirty log, by memory", "MiB", "xy",
     ("log-start-by-memory", "log-read-512-by-memory", "log-read-nothing-by-memory")),
    ("an exit, by depth", "levels of abyme", "y", ("exit-by-depth",)),
)
SHORT = {"exit-of-all-by-vcpus": "all at once", "dirty-fault-by-memory": "logged",
         "log-start-by-memory": "begin", "log-read-512-by-memory": "read 512",
         "log-read-nothing-by-memory": "read nothing"}
COLOURS = {"abyme": "#0060ad", "kvm": "#dd6b20"}


def panel(growth, title, x_title, log, names):
    """Lines for gnuplot."""
    commands = [f'set title "{title}"', f'set xlabel "{x_title}"', "unset logscale",
                "set xtics auto", "set yrange [0:*]"]
    if "x" in log:
        commands.append("set logscale x 2")
    if "y" in log:
        commands += ["set logscale y 10", "set yrange [*:*]"]
    plots, data, ticks = [], [], set()
    for kind, name in enumerate(names, 1):
        for hypervisor, series in growth.items():
            points = series.get(name)
            if not points:
                continue
            label = f"{hypervisor} {SHORT.get(name, '')}".strip()
            plots.append(f'"-" using 1:2 with linespoints lw 2 dt {kind} pt {kind + 4} ps 0.6 '
                         f'lc rgb "{COLOURS[hypervisor]}" title "{label}"')
            data += [f"{x} {y}" for x, y in points.items()] + ["e"]
            ticks |= {int(x) for x in points}
    if not plots:
        return []
    commands.append(f"set xrange [{min(ticks) * 0.9}:{max(ticks) * 1.1}]")
    commands.append("set xtics (" + ", ".join(f'"{x}" {x}' for x in sorted(ticks)) + ")")
    return [*commands, "plot " + ", ".join(plots), *data]


def find_gnuplot():
    return need("gnuplot", "gnuplot-nox")


def draw(growth):
    """docs/growth.svg."""
    commands = ['set terminal svg size 960,860 font "sans,11" background rgb "white"',
                f'set output "{PICTURE}"', "set grid ytics", "set key above samplen 2",
                'set format y "%.1s%c"', "set multiplot layout 3,2 title "
                '"How costs grow: instructions, in the rig"']
    for each in PANELS:
        commands += panel(growth, *each)
    subprocess.run([find_gnuplot()], input="\n".join(commands) + "\n", text=True,
                   check=True)
