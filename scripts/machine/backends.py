# SPDX-License-Identifier: GPL-2.0-only
"""
The machines a rig can be: Bochs (VT-x in software), QEMU on a processor that
offers nested VT-x ("kvm"), and QEMU without VT-x ("tcg").

A backend is given a Job and answers with the command line to start. Serial
port 1 is the console, serial port 2 carries the command's output.
"""

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess

from . import iso
from .libraries import prepared
from .paths import RigError, need, need_file

# Our name: Bochs' name, and what the model needs from Linux to live with its CPUID.
BOCHS_MODELS = {
    "haswell": ("corei7_haswell_4770", ""),
    "broadwell": ("broadwell_ult", ""),
    "skylake-x-xsaves": ("corei7_skylake_x", "clearcpuid=avx512f"),
    "skylake-x": ("corei7_skylake_x", "noxsaves clearcpuid=xsavec,xsaves"),
    "icelake": ("corei7_icelake_u", "noxsave"),
    # With FSRM or WAITPKG Linux stands still; AMX comes without XFD, which ends in #GP from Linux'
    # XSETBV; and the emulator can load no CR4 with LA57. The TSC runs at its speed here (.ips), not
    # at that of the processor which CPUID has.
    "tigerlake": ("tigerlake", "tsc_early_khz=50000 clearcpuid=fsrm"),
    "sapphire-rapids": ("sapphire_rapids", "tsc_early_khz=50000 no5lvl "
                        "clearcpuid=fsrm,waitpkg,amx_tile"),
}
KERNEL_ARGUMENTS = ("console=ttyS0,115200 panic=-1 mitigations=off tsc=reliable "
                    "cryptomgr.notests nokaslr")
# Bochs' processors have no such registers; reads would fault, which costs KVM
# hundreds of instructions an exit. DEBUGCTL, MPERF, APERF.
MISSING_MSRS = ("0x1d9", "0xe7", "0xe8")
BOCHS_MEMORY_LIMIT = 2048
BOCHS_CPUS_LIMIT = 8
USUAL_MIPS = 50


class Job:
    """What to boot. image: multiboot ELF for a bare run, else None."""

    def __init__(self, tmp, **what):
        self.tmp = tmp
        self.kernel = what.get("kernel")
        self.initramfs = what.get("initramfs")
        self.arguments = what.get("arguments", "")
        self.image = what.get("image")
        self.modules = what.get("modules", [])
        self.cpus = what.get("cpus", 1)
        self.memory = what.get("memory", 2048)
        self.mips = what.get("mips", USUAL_MIPS)
        self.model = what.get("model")
        self.interactive = what.get("interactive", False)

    def path(self, name):
        return os.path.join(self.tmp, name)


class Bochs:
    name = "bochs"
    # Bochs' display needs a terminal of its own.
    wants_terminal = True

    def __init__(self, version=None):
        """version: one that scripts/emulator knows; None: what is installed."""
        self.port = None
        self.root = None
        if version:
            self.root = prepared("emulator", version)

    def _program(self, root):
        """root: where the unpacked Bochs is. Bochs has little room for that name: it runs there."""
        if not root:
            return [need("bochs", "bochs and bochs-term")]
        beside, root = os.path.split(root)
        libraries = f"{root}/usr/lib/x86_64-linux-gnu"
        # Not by lib64/, whose link may be absolute and leave root.
        loader = f"{root}/lib/x86_64-linux-gnu"
        if not os.path.exists(os.path.join(beside, loader)):
            loader = libraries
        return ["env", "-C", beside, f"LTDL_LIBRARY_PATH={libraries}/bochs/plugins",
                f"BXSHARE={root}/usr/share/bochs", f"{loader}/ld-linux-x86-64.so.2",
                "--library-path", f"{libraries}:{root}/lib/x86_64-linux-gnu",
                f"{root}/usr/bin/bochs-bin"]

    def default_memory(self):
        return BOCHS_MEMORY_LIMIT

    def _model(self, name):
        """Bochs' name and Linux' arguments for a name of ours or of Bochs'."""
        rows = {**{row[0]: row for row in BOCHS_MODELS.values()}, **BOCHS_MODELS}
        return rows.get(name or "haswell", (name, ""))

    def _check_model(self, root, model):
        """Bochs itself would only say that a line of its configuration is malformed."""
        known = subprocess.run([*self._program(root), "-help", "cpu"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, check=False).stderr.split()
        if model not in known:
            raise RigError(f"--model {model}: there are {', '.join(BOCHS_MODELS)}, and what "
                           "'bochs -help cpu' lists")

    def model_arguments(self, model):
        return self._model(model)[1]

    def _iso(self, job):
        if job.image:
            files, parts = {}, []
            for number, (path, arguments) in enumerate([(job.image, job.arguments), *job.modules]):
                files[f"m{number}"] = path
                parts.append(f"/boot/m{number} {arguments}".strip())
            entry = "KERNEL mboot.c32\nAPPEND " + " --- ".join(parts)
        else:
            files = {"vmlinuz": job.kernel.image, "initrd": job.initramfs}
            entry = iso.linux(job.arguments)
        iso.build(job.path("boot.iso"), files, entry)

    def _console(self, job):
        if not job.interactive:
            return f"mode=file, dev={job.path('console')}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        return f"mode=socket-server, dev=127.0.0.1:{self.port}"

    def command(self, job):
        if job.memory > BOCHS_MEMORY_LIMIT:
            raise RigError(f"--memory: Bochs has at most {BOCHS_MEMORY_LIMIT} MiB")
        if job.cpus > BOCHS_CPUS_LIMIT:
            raise RigError(f"--cpus: Bochs has at most {BOCHS_CPUS_LIMIT}")
        root = job.path("bochs") if self.root else ""
        if root:
            os.symlink(self.root, root)
        model = self._model(job.model)[0]
        self._check_model(root, model)
        self._iso(job)
        with open(job.path("msrs"), "w", encoding="ascii") as file:
            for msr in MISSING_MSRS:
                file.write(f"{msr} 0 " + "00000000 " * 5 + "00000000\n")
        bios = f"{root}/usr/share/bochs/BIOS-bochs-latest"
        vga = f"{root}/usr/share/bochs/VGABIOS-lgpl-latest"
        need_file(bios, "bochsbios")
        need_file(vga, "vgabios")
        # The processors say why an entry failed; everyone else keeps quiet.
        reported = ", ".join(f"cpu{number}=report" for number in range(job.cpus))
        with open(job.path("bochsrc"), "w", encoding="ascii") as file:
            file.write(f"""\
display_library: term
cpu: model={model}, count={job.cpus}, ips={job.mips}000000, msrs="{job.path('msrs')}", reset_on_triple_fault=0
memory: guest={job.memory}, host={job.memory}
romimage: file={bios}
vgaromimage: file={vga}
ata0: enabled=1
ata0-master: type=cdrom, path={job.path('boot.iso')}, status=inserted
boot: cdrom
com1: enabled=1, {self._console(job)}
com2: enabled=1, mode=file, dev={job.path('output')}
log: {job.path('machine.log')}
panic: action=fatal
error: action=ignore, {reported}
info: action=ignore
debug: action=ignore
clock: sync=none
""")
        with open(job.path("rc"), "w", encoding="ascii") as file:
            file.write("c\n")
        return [*self._program(root), "-q", "-f", job.path("bochsrc"), "-rc", job.path("rc")]

    def connect(self, job):
        del job
        return socket.create_connection(("127.0.0.1", self.port))

    def screen(self, job):
        """
        The terminal that Bochs draws the machine's display on, or None as long as
        it has none. Bochs makes it itself, and stops for ever once it is full of
        what nobody read.
        """
        with open(job.path("stderr"), encoding="utf-8", errors="replace") as file:
            found = re.search(r'^Bochs connected to screen "(/dev/[^"]+)"$', file.read(), re.M)
        return found and found[1]

    def refusals(self, log):
        """Why VM entries failed, out of Bochs' log: "ticks severity[CPUn] why"."""
        pattern = re.compile(r"\[(CPU\d+) *\] (VMFAIL.*|VMENTER.*|VMENTRY.*|VMEXIT:.*[Ff]ailed.*)")
        found = (pattern.search(line) for line in log.splitlines())
        return [f"{match[1]}: {match[2]}" for match in found if match]


class Qemu:
    wants_terminal = False

    def __init__(self, name):
        self.name = name

    def default_memory(self):
        return 2048

    def model_arguments(self, model):
        del model
        return ""

    def command(self, job):
        argv = [need("qemu-system-x86_64", "qemu-system-x86"), "-nodefaults",
                "-no-user-config", "-display", "none", "-no-reboot",
                "-m", str(job.memory), "-smp", str(job.cpus),
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if self.name == "kvm":
            argv += ["-accel", "kvm", "-cpu", job.model or "host"]
        else:
            argv += ["-accel", "tcg", "-cpu", job.model or "Haswell-noTSX"]
        if job.interactive:
            argv += ["-chardev", f"socket,id=console,path={job.path('console.sock')},"
                     "server=on,wait=on", "-serial", "chardev:console"]
        else:
            argv += ["-serial", f"file:{job.path('console')}"]
        argv += ["-serial", f"file:{job.path('output')}"]
        if job.image:
            argv += ["-kernel", job.image, "-append", job.arguments]
            if job.modules:
                argv += ["-initrd", ",".join(f"{path} {arguments}".strip()
                                             for path, arguments in job.modules)]
        else:
            argv += ["-kernel", os.path.realpath(job.kernel.image),
                     "-initrd", job.initramfs, "-append", job.arguments]
        return argv

    def connect(self, job):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(job.path("console.sock"))
        return connection

    def refusals(self, log):
        del log
        return []


# KVM_GET_API_VERSION, KVM_GET_SUPPORTED_CPUID of <linux/kvm.h>
_KVM_API_VERSION = 0xae00
_KVM_SUPPORTED_CPUID = 0xc008ae05
_CPUID_ENTRIES = 256
_ECX_VMX = 1 << 5


def why_no_kvm(device="/dev/kvm"):
    """Why KVM here would show no VT-x to a guest, and nothing less will do; "" when it does."""
    try:
        with open(device, "r+b", buffering=0) as kvm:
            if fcntl.ioctl(kvm, _KVM_API_VERSION) != 12:
                return f"{device} speaks another version of the API"
            buffer = bytearray(struct.pack("II", _CPUID_ENTRIES, 0) + bytes(40 * _CPUID_ENTRIES))
            fcntl.ioctl(kvm, _KVM_SUPPORTED_CPUID, buffer)
    except FileNotFoundError:
        return f"there is no {device}; sudo modprobe kvm_intel makes it on an Intel processor"
    except PermissionError:
        return f"you may not open {device}; join the group kvm (sudo adduser $USER kvm)"
    except OSError as error:
        return f"{device}: {error.strerror}"
    count = struct.unpack_from("I", buffer)[0]
    leaves = {}
    for number in range(count):
        leaf, _, _, *registers = struct.unpack_from("7I", buffer, 8 + 40 * number)
        leaves.setdefault(leaf, registers)
    if 0 not in leaves or 1 not in leaves:
        return f"{device} offers no usable CPUID"
    vendor = struct.pack("3I", leaves[0][1], leaves[0][3], leaves[0][2])
    if vendor != b"GenuineIntel":
        return "this processor is not Intel's, so KVM has no VT-x to offer"
    if not leaves[1][2] & _ECX_VMX:
        return f"{device} offers no VT-x to guests; load it with: sudo modprobe kvm_intel nested=1"
    return ""


def choose(name, bochs=None, shown=False):
    """
    The backend of that name. bochs: the emulator's version, if not the installed one.
    shown: it is not to run here.
    """
    why_not = why_no_kvm() if name in ("kvm", "auto") and not shown else ""
    if name == "kvm" and why_not:
        raise RigError(f"--backend kvm: {why_not}")
    if name in ("kvm", "tcg"):
        return Qemu(name)
    if name == "bochs" or bochs or why_not or not shutil.which("qemu-system-x86_64"):
        return Bochs(bochs)
    return Qemu("kvm")
