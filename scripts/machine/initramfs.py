# SPDX-License-Identifier: GPL-2.0-only
"""Build an initramfs: BusyBox, kernel modules, what abyme built, and extras."""

import lzma
import os
import re
import tempfile

from .cpio import Archive
from .paths import BUILD, RigError, need, need_file, say, tool

MODULES = ("kvm_intel", "kvm", "irqbypass", "msr")
BUSYBOX_PACKAGE = "busybox-static"


def _busybox(archive):
    path = need("busybox", BUSYBOX_PACKAGE)
    archive.copy(path, "bin/busybox")
    for name in tool([path, "--list"]).split():
        if name != "busybox":
            archive.link(f"bin/{name}", "busybox")


def _find_modules(kernel, wanted):
    """Map module name to file, dependencies included, for what is a module."""
    files = {}
    for directory, _, names in os.walk(os.path.realpath(kernel.modules)):
        for name in names:
            match = re.fullmatch(r"(.+)\.ko(\.xz)?", name)
            if match:
                files[match[1].replace("-", "_")] = os.path.join(directory, name)
    found, todo = {}, [name.replace("-", "_") for name in wanted]
    while todo:
        name = todo.pop()
        if name in found or name not in files:
            continue
        found[name] = files[name]
        info = tool([need("modinfo", "kmod"), "-F", "depends", files[name]])
        todo += [dep.replace("-", "_") for dep in info.strip().split(",") if dep]
    for name in wanted:
        if name.replace("-", "_") in found or _is_built_in(kernel, name.replace("-", "_")):
            continue
        if name in MODULES:
            raise RigError(f"no module {name} in {kernel.modules}")
        say(f"note: no module {name} in {kernel.modules}")
    return found


def _is_built_in(kernel, name):
    path = os.path.join(kernel.modules, "modules.builtin")
    if not os.path.exists(path):
        return False
    with open(path, encoding="ascii") as file:
        return f"/{name}.ko" in file.read().replace("-", "_")


def _unpacked(name, path, directory):
    """The module as BusyBox's modprobe can load it."""
    if not path.endswith(".xz"):
        return path
    output = os.path.join(directory, name + ".ko")
    with lzma.open(path) as packed, open(output, "wb") as file:
        file.write(packed.read())
    return output


def _modules(archive, kernel, wanted, own_module):
    """
    Modules and the index that modprobe needs; without their BTF, which the kernel takes long
    to look through, and without the signature that covers it.
    """
    with tempfile.TemporaryDirectory() as tmp:
        base = os.path.join(tmp, "lib", "modules", kernel.release)
        os.makedirs(os.path.join(base, "kernel"))
        files = {name: _unpacked(name, path, tmp)
                 for name, path in _find_modules(kernel, wanted).items()}
        if own_module:
            # Without debugging sections it is a tenth of the size.
            files["abyme"] = os.path.join(tmp, "abyme.ko")
            tool([need("strip", "binutils"), "--strip-debug", "-R", ".BTF", "-o",
                  files["abyme"], own_module])
        for name, path in files.items():
            if name != "abyme":
                files[name] = os.path.join(tmp, name + ".lean.ko")
                tool([need("objcopy", "binutils"), "-R", ".BTF", path, files[name]])
        for name, path in files.items():
            os.symlink(path, os.path.join(base, "kernel", name + ".ko"))
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            path = os.path.join(kernel.modules, name)
            if os.path.exists(path):
                os.symlink(os.path.realpath(path), os.path.join(base, name))
        tool([need("depmod", "kmod"), "-b", tmp, kernel.release])
        for name in list(files):
            archive.copy(os.path.join(base, "kernel", name + ".ko"),
                         f"lib/modules/{kernel.release}/kernel/{name}.ko")
        for name in ("modules.dep", "modules.alias", "modules.softdep", "modules.symbols"):
            path = os.path.join(base, name)
            if os.path.exists(path):
                archive.copy(path, f"lib/modules/{kernel.release}/{name}")
    if own_module:
        archive.link("lib/modules/abyme.ko", f"{kernel.release}/kernel/abyme.ko")


def _built(archive, with_tests):
    """The launcher, and what the test author's directories produced."""
    launcher = os.path.join(BUILD, "abyme")
    if os.path.exists(launcher):
        archive.copy(launcher, "bin/abyme")
    if not with_tests:
        return
    for source, target in (("guests", "lib/abyme/guests"), ("rig", "lib/abyme/tests")):
        directory = os.path.join(BUILD, "selftests", source)
        if os.path.isdir(directory):
            for name in sorted(os.listdir(directory)):
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not name.endswith((".o", ".d")):
                    archive.copy(path, f"{target}/{name}")


def compress(path, output):
    """LZ4 in the form that the kernel reads: fast to unpack, which counts here."""
    tool([need("lz4", "lz4"), "-l", "-9", "-f", "-q", path, output])


def build(output, kernel, *, init, own_module=None, modules=MODULES, add=(),
          data=(), with_tests=True):
    """
    Write the initramfs OUTPUT for KERNEL.
    add: (host path, guest path) pairs; data: (guest path, bytes, mode) triples.
    """
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(output))) as file:
        archive = Archive(file)
        for directory in ("dev", "proc", "sys", "tmp", "root", "run", "mnt", "etc"):
            archive.directory(directory)
        archive.device("dev/console", 5, 1)
        archive.device("dev/null", 1, 3)
        _busybox(archive)
        archive.copy(need_file(init, "nothing: it belongs to abyme"), "init")
        if kernel.directory:
            _modules(archive, kernel, modules, own_module)
        _built(archive, with_tests)
        for host, guest in add:
            if not os.path.exists(host):
                raise RigError(f"--add: no file {host}")
            # As cp does it.
            if not os.path.isdir(host) and (guest.endswith("/") or archive.has(guest)):
                guest = os.path.join(guest, os.path.basename(host))
            archive.copy(os.path.realpath(host), guest)
        for name, content, mode in data:
            archive.data(name, content, mode)
        archive.close()
        file.flush()
        compress(file.name, output)
