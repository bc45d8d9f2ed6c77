# SPDX-License-Identifier: GPL-2.0-only
"""
The record of what each operation costs abyme, and the comparison with it: instructions may
grow by a little, exits not by one.
"""

import json
import os

from machine.paths import TOP, Kernel
from . import images

RECORD = os.path.join(TOP, "selftests", "bench.json")
TOLERANCE = 1.03, 10  # of small counts some instructions more
EXACT = "operations", "exits"
RECORDED = "instructions", *EXACT


def version(kernel):
    """6.1 of 6.1.192-abyme-small: the record has the counts of each kernel apart."""
    return ".".join(Kernel(kernel).release.split(".")[:2])


def read_record():
    with open(RECORD, encoding="ascii") as file:
        return json.load(file)


def claims(name, was, now):
    """(text, whether it holds) of one operation."""
    count, limit = now.get("instructions"), max(was["instructions"] * TOLERANCE[0],
                                                was["instructions"] + TOLERANCE[1])
    yield (f"{name}: {count} instructions, recorded {was['instructions']}",
           count is not None and count <= limit)
    yield (f"{name}: {now.get('exits')} exits for {now.get('operations')}, recorded "
           f"{was['exits']} for {was['operations']}",
           all(now.get(key) == was[key] for key in EXACT))


def compared(record, costs):
    return [claim for name, was in record.items()
            for claim in claims(name, was, costs.get(name, {}))]


def again(kernel, costs):
    """
    Measures once more, and takes the smaller count of each operation: a tick of the host's timer
    in a loop of few operations is much for each.
    """
    more, failed = images.measure("abyme", kernel)
    return {name: min(cost, more.get(name, cost), key=lambda c: c.get("instructions", 0))
            for name, cost in costs.items()}, failed


def guard(kernel):
    """Compare with the record, as TAP."""
    record = read_record().get(version(kernel))
    if record is None:
        print(f"TAP version 13\n1..0 # SKIP no record for Linux {version(kernel)}")
        return 0
    costs, failed = images.measure("abyme", kernel)
    if not failed and not all(good for _, good in compared(record, costs)):
        costs, failed = again(kernel, costs)
    results = compared(record, costs)
    results.append(("each operation that was measured is recorded", costs.keys() <= record.keys()))
    results.append(("the usual module does not count its VMX instructions",
                    all(set(cost) <= set(RECORDED) for cost in costs.values())))
    print(f"TAP version 13\n1..{len(results)}")
    for number, (text, good) in enumerate(results, 1):
        failed |= not good
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    return int(failed)


def record(kernel):
    costs, failed = images.measure("abyme", kernel)
    if failed or not all("exits" in cost for cost in costs.values()):
        return 1
    kept = read_record() if os.path.exists(RECORD) else {}
    kept[version(kernel)] = {name: {key: cost[key] for key in RECORDED}
                             for name, cost in costs.items()}
    with open(RECORD, "w", encoding="ascii") as file:
        file.write(dumps(kept))
    return 0


def dumps(kept):
    """An operation a line, so that a change shows what has changed."""
    rows = [f' "{release}": {{\n' + ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(cost)}" for name, cost in costs.items()) + "\n }"
        for release, costs in kept.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"
