# SPDX-License-Identifier: GPL-2.0-only
"""
What one operation costs: the guest images named bench-*, once by the launcher, for
instructions, and once by selftests/rig/spent, for the processor's exits.
"""

import re

from machine.paths import say
from .rig import HYPERVISORS, TIMEOUT, lines

COUNT = re.compile(r"^count (\S.*?) (\d+)$")  # of an image: operation, instructions for one
SPENT = re.compile(r"^spent (\d+) (.*)$")  # of spent: how many operations, pairs of name and number
BY_SPENT = "by spent"

BY_LAUNCHER = """\
for image in /lib/abyme/guests/bench-*.elf; do
	abyme run --device {device} --nested "$image"; [ $? = 1 ] || echo "failed: $image"
done
"""
SCRIPT = """\
modprobe {module} || exit
{launcher}
echo {by_spent}
for image in /lib/abyme/guests/bench-*.elf; do
	ABYME_DEV={device} /lib/abyme/tests/spent "$image" || echo "failed: $image"
done
"""


def pairs(text):
    """{"exits": 201, ...} of "exits 201 ..."."""
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2])}


def parse_spent(text):
    """
    {operation: {"operations": how many, "exits": of all of them, ...}}. What two marks have
    spent with nothing in between, and no operation's name after it, is subtracted.
    """
    costs, nothing, spent = {}, {}, None
    for line in text:
        if match := SPENT.match(line):
            nothing = spent[1] if spent else nothing
            spent = int(match[1]), pairs(match[2])
        elif (match := COUNT.match(line)) and spent:
            rounds, numbers = spent
            costs[match[1]] = {"operations": rounds,
                               **{name: max(number - nothing.get(name, 0), 0)
                                  for name, number in numbers.items()}}
            spent = None
    return costs


def measure(hypervisor, kernel, variant=None):
    """
    {operation: {"instructions": of one, "operations": N, "exits": of N}}, and a status. With
    @variant, a module that is not the usual one, no instructions.
    """
    module, device = HYPERVISORS[hypervisor]
    script = SCRIPT.format(module=module, device=device, by_spent=BY_SPENT,
                           launcher="" if variant else BY_LAUNCHER.format(device=device))
    text, failed = lines("rig", "--no-build", "--kernel", kernel, "--timeout", TIMEOUT,
                         *(["--variant", variant] if variant else []), "--", script)
    for line in text:
        if line.startswith("failed:"):
            say(f"{hypervisor}: {line}")
            failed = 1
    middle = text.index(BY_SPENT) if BY_SPENT in text else len(text)
    spent = parse_spent(text[middle:])
    if variant:
        return spent, failed
    costs = {}
    for line in text[:middle]:
        if match := COUNT.match(line):
            costs[match[1]] = {"instructions": int(match[2]), **spent.get(match[1], {})}
    return costs, failed


def per_operation(cost, name):
    """How many exits, say, one operation takes; None if nobody has counted."""
    if not cost or name not in cost or not cost.get("operations"):
        return None
    return cost[name] / cost["operations"]


def decimal(value):
    """2 of 2.003, 0.08 of 0.0781: what begins once is no part of an operation."""
    if value is None:
        return "-"
    if value and abs(value - round(value)) > 0.01 or 0 < value < 0.01:
        return f"{value:,.2f}" if value >= 0.005 else f"{value:.3f}"
    return f"{round(value):,}"
