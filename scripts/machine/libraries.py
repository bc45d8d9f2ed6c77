# SPDX-License-Identifier: GPL-2.0-only
"""Programs out of unpacked Debian packages, with the libraries that they load."""

import os
import re

from .paths import TOP, RigError, need, run_group, tool

QEMU = "usr/bin/qemu-system-x86_64"
# What it takes for -kernel, without network and graphics.
QEMU_FIRMWARE = ("usr/share/seabios/bios-256k.bin", "usr/share/qemu/kvmvapic.bin",
                 "usr/share/qemu/linuxboot_dma.bin")
LOADER = "lib64/ld-linux-x86-64.so.2"
DIRECTORY = "lib/x86_64-linux-gnu"


def prepared(name, *arguments):
    """The root of the packages that scripts/NAME unpacks."""
    status, output = run_group([os.path.join(TOP, "scripts", name), *arguments])
    if status:
        raise RigError(f"scripts/{' '.join((name, *arguments))} failed")
    return os.path.join(output.strip(), "root")


def data(root, names):
    """(host path, guest path) pairs of files of ROOT, by their guest paths."""
    return [(os.path.join(root, name), name) for name in names]


def _needed(path):
    """The libraries that a program or library asks for by name."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", tool([need("readelf", "binutils"), "-d", path]))


def _find(root, name):
    for directory in (DIRECTORY, f"usr/{DIRECTORY}", f"usr/{DIRECTORY}/pulseaudio"):
        path = os.path.join(root, directory, name)
        if os.path.exists(path):
            return path
    raise RigError(f"no library {name} in {root}")


def with_libraries(root, programs, loaded=()):
    """
    (host path, guest path) pairs of what runs PROGRAMS of ROOT in a machine without
    libraries of its own. programs: guest paths. loaded: libraries that are loaded at run
    time, without being asked for by name.
    """
    pairs = {name: os.path.join(root, name) for name in programs}
    todo, names = list(pairs.values()), list(loaded)
    while todo or names:
        for name in names or _needed(todo.pop()):
            guest = f"{DIRECTORY}/{name}"
            if guest not in pairs:
                pairs[guest] = _find(root, name)
                todo.append(pairs[guest])
        names = []
    pairs[LOADER] = pairs.get(f"{DIRECTORY}/ld-linux-x86-64.so.2") or _find(
        root, "ld-linux-x86-64.so.2")
    return [(host, guest) for guest, host in pairs.items()]
