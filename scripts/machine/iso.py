# SPDX-License-Identifier: GPL-2.0-only
"""El Torito images: isolinux, and what it shall boot."""

import os
import shutil
import tempfile

from .paths import need, need_file, tool

SYSLINUX = "/usr/lib/syslinux/modules/bios"
ISOLINUX = "/usr/lib/ISOLINUX"


def linux(arguments):
    """The entry of a Linux whose files are boot/vmlinuz and boot/initrd."""
    return f"LINUX /boot/vmlinuz\nINITRD /boot/initrd\nAPPEND {arguments}"


def build(output, files, entry, *, directives="", hybrid=False):
    """
    Write the image OUTPUT. files: name below boot/ to host path; entry: what isolinux does
    with them. hybrid: it boots as a hard disk as well, by its MBR.
    """
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(output))) as root:
        os.makedirs(os.path.join(root, "isolinux"))
        os.makedirs(os.path.join(root, "boot"))
        for path, package in ((f"{ISOLINUX}/isolinux.bin", "isolinux"),
                              (f"{SYSLINUX}/ldlinux.c32", "syslinux-common"),
                              (f"{SYSLINUX}/libcom32.c32", "syslinux-common"),
                              (f"{SYSLINUX}/mboot.c32", "syslinux-common")):
            shutil.copy(need_file(path, package), os.path.join(root, "isolinux"))
        for name, path in files.items():
            os.symlink(os.path.realpath(path), os.path.join(root, "boot", name))
        with open(os.path.join(root, "isolinux", "isolinux.cfg"), "wb") as file:
            file.write(os.fsencode(f"{directives}DEFAULT rig\nTIMEOUT 1\nPROMPT 0\nLABEL rig\n"
                                   f"{entry}\n"))
        argv = [need("xorriso", "xorriso"), "-as", "mkisofs", "-quiet", "-f", "-o", output,
                "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
                "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
        if hybrid:
            argv += ["-isohybrid-mbr", need_file(f"{ISOLINUX}/isohdpfx.bin", "isolinux")]
        tool([*argv, root])
