# SPDX-License-Identifier: GPL-2.0-only
"""
A model of cycles from counts. Its constants are about what processors from Haswell to Ice Lake
are reported to take; nobody has measured them here, where there is no such processor.
"""

from . import images
from .table import number, table

TRANSITION = 1100
INSNS = {"VMREAD": 20, "VMWRITE": 25, "VMPTRLD": 120, "VMCLEAR": 120}
OTHER = 0.8  # an instruction of any other kind


def constants_table():
    rows = [("a transition: the exit and the entry after it", number(TRANSITION)),
            *((name, number(cycles)) for name, cycles in INSNS.items()),
            ("any other instruction", OTHER)]
    return table(["what", "cycles"], rows)


def cycles(instructions, exits, insns=None):
    """Of one operation; without @insns as if none of the instructions were VMX'."""
    insns = insns or {}
    other = max(instructions - sum(insns.values()), 0)
    return round(exits * TRANSITION + other * OTHER +
                 sum(insns[name] * INSNS[name] for name in insns))


def operations_table(costs, insns):
    """@costs: {hypervisor: {operation: cost}}; @insns: {operation: cost}, abyme's."""
    heading = ["cycles, by the model"] + ["abyme, VMX instructions apart"] * bool(insns)
    rows = []
    for operation in dict.fromkeys(name for each in costs.values() for name in each):
        row = [operation]
        if insns:
            counted = {name: images.per_operation(insns.get(operation), name) for name in INSNS}
            known = None not in counted.values()
            row.append(number(of(costs["abyme"].get(operation), counted) if known else None))
        rows.append(row + [number(of(each.get(operation))) for each in costs.values()])
    return table(heading + [f"{name}, by exits and instructions" for name in costs], rows)


def of(cost, insns=None):
    exits = images.per_operation(cost, "exits")
    if not cost or exits is None or "instructions" not in cost:
        return None
    return cycles(cost["instructions"], exits, insns)
