# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and the small helpers that everything here needs."""

import contextlib
import fcntl
import os
import signal
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


def tool(argv, **options):
    """What a program wrote. When it fails, what it says of that is the error's text."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", check=False, **options)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise RigError(f"{os.path.basename(argv[0])} failed, status {done.returncode}: {said}")
    return done.stdout


def on_terminal():
    """Whether a person sits there. What is closed is None."""
    return all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _interrupted(number, _frame):
    ignore_signals()
    raise SystemExit(128 + number)


def heed_signals():
    """Let the signals that end us unwind what we have begun."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)


def ignore_signals():
    """A second Ctrl-C doesn't stop us from cleaning up after the first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def no_reader():
    """Nobody reads our output any more: the status of a program that SIGPIPE ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 128 + signal.SIGPIPE


def run_group(argv, **options):
    """
    Run a command that has children of its own. When we are interrupted they
    are ended with it, and waited for. Return: its status and what it wrote.
    """
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          process_group=0, **options) as process:
        try:
            output = process.communicate()[0]
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, output


@contextlib.contextmanager
def rig_process(argv, **options):
    """The rig, which cleans up after itself before we go on, whatever ends us."""
    with subprocess.Popen(argv, **options) as rig:
        try:
            yield rig
        except BaseException:
            rig.terminate()
            rig.wait()
            raise


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
        status, output = run_group(argv, stderr=subprocess.STDOUT, env=environment)
    if status:
        sys.stderr.write(output)
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
        status, output = run_group([os.path.join(TOP, "scripts", "kernel"), name])
        if status:
            raise RigError(f"no kernel {name!r}")
        self.directory = output.strip()
        self.image = os.path.join(self.directory, "vmlinuz")
        with open(os.path.join(self.directory, "release"), encoding="ascii") as file:
            self.release = file.read().strip()

    @property
    def modules(self):
        return os.path.join(self.directory, "modules")

    @property
    def build(self):
        return os.path.join(self.directory, "build")
