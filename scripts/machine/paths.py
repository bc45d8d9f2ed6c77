# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and the small helpers that everything here needs."""

import fcntl
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "abyme")


class RigError(Exception):
    """Something is missing or went wrong; the text is for the user."""


def say(text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr, flush=True)


def need(program, package):
    """Full path of a program, or an error that names the Debian package."""
    for directory in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]:
        path = os.path.join(directory, program)
        if os.access(path, os.X_OK):
            return path
    raise RigError(f"{program} is missing; run scripts/setup or install {package}")


def need_file(path, package):
    if not os.path.exists(path):
        raise RigError(f"{path} is missing; run scripts/setup or install {package}")
    return path


def make(kernel, *targets):
    """Bring targets up to date for a kernel; copies of us wait for each other."""
    argv = ["make", "-s", "-C", TOP, *targets]
    if kernel.directory:
        argv.append(f"KDIR={kernel.build}")
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=environment, check=False)
    if run.returncode:
        sys.stderr.write(run.stdout)
        raise RigError("the build failed")


class Kernel:
    """A kernel in the cache (scripts/kernel), or a bare image file."""

    def __init__(self, name):
        self.directory = None
        self.release = None
        if os.path.sep in name or os.path.isfile(name):
            self.image = os.path.abspath(name)
            if not os.path.isfile(self.image):
                raise RigError(f"no kernel image {name}")
            return
        run = subprocess.run([os.path.join(TOP, "scripts", "kernel"), name],
                             stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            raise RigError(f"no kernel {name!r}")
        self.directory = run.stdout.strip()
        self.image = os.path.join(self.directory, "vmlinuz")
        with open(os.path.join(self.directory, "release"), encoding="ascii") as file:
            self.release = file.read().strip()

    @property
    def modules(self):
        return os.path.join(self.directory, "modules")

    @property
    def build(self):
        return os.path.join(self.directory, "build")
