# SPDX-License-Identifier: GPL-2.0-only
"""Start a machine, watch it, pass on what it says, and end it whatever happens."""

import codecs
import ctypes
import math
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import tty

TIMEOUT_STATUS = 124
BROKEN_STATUS = 125
USUAL_TIMEOUT = 600
POLL_SECONDS = 0.05
QUIET_REPORT_SECONDS = 30
CONNECT_SECONDS = 20
_PR_SET_PDEATHSIG = 1
_EXIT = re.compile(rb"\x01rig-exit:(\d+)\x01")
_UP = b"\x01rig-up\x01"
_PANIC = re.compile(rb"Kernel panic - not syncing[^\n]*")


def _die_with_parent():
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Tail:
    """Read what is new in a file that another process writes."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return b""
        self.offset += len(data)
        return data


class Progress:
    """One line on a terminal, a line now and then elsewhere."""

    def __init__(self, what, quiet):
        self.what = what
        self.quiet = quiet
        self.start = time.monotonic()
        self.next_report = self.start + QUIET_REPORT_SECONDS
        self.next_draw = self.start
        self.live = sys.stderr.isatty()
        self.drawn = False
        self.last = ""
        self.partial = ""

    def feed(self, console):
        """Remember the last whole line of the console."""
        lines = (self.partial + console).split("\n")
        self.partial = lines.pop()[-200:]
        lines = [line.strip() for line in lines if line.strip()]
        if lines:
            self.last = re.sub(r"[^ -~]", "", lines[-1])

    def tick(self):
        now = time.monotonic()
        text = f"[{now - self.start:4.0f} s] {self.what}: {self.last}"
        if self.quiet:
            return
        if self.live and now >= self.next_draw:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r\033[K" + text[:width])
            sys.stderr.flush()
            self.drawn, self.next_draw = True, now + 0.5
        elif not self.live and now >= self.next_report:
            print(text, file=sys.stderr, flush=True)
            self.next_report = now + QUIET_REPORT_SECONDS

    def clear(self):
        if self.drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self.drawn = False


class Machine:
    """A running backend."""

    def __init__(self, backend, job, timeout, quiet=False):
        """timeout: seconds; None for the usual ones until it is up, and for a command."""
        self.backend = backend
        self.job = job
        self.deadline = time.monotonic() + (timeout or USUAL_TIMEOUT)
        self.endless_when_up = not timeout
        self.process = None
        self.terminals = []  # what the backend draws on, to be read and thrown away
        self.screen = None
        self.console = b""
        self.progress = Progress(backend.name, quiet)

    def start(self):
        argv = self.backend.command(self.job)
        with open(self.job.path("stderr"), "wb") as errors:
            streams = {"stdin": subprocess.DEVNULL, "stdout": errors, "stderr": errors}
            slave = None
            if self.backend.wants_terminal:
                master, slave = pty.openpty()
                self.terminals.append(master)
                termios.tcsetwinsize(slave, (25, 80))
                streams = {"stdin": slave, "stdout": slave, "stderr": errors}
            # pylint: disable=subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                argv, start_new_session=True, preexec_fn=_die_with_parent, cwd=self.job.tmp,
                env={**os.environ, "TERM": "xterm"}, **streams)
            if slave is not None:
                os.close(slave)

    def stop(self):
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        while self.terminals:
            os.close(self.terminals.pop())

    def find_screen(self):
        """Some backends make a terminal for the machine's display."""
        if not self.terminals or self.screen:
            return
        self.screen = self.backend.screen(self.job)
        if self.screen:
            screen = os.open(self.screen, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            self.terminals.append(screen)
            tty.setraw(screen)

    def drain(self):
        """Throw away what the backend draws, waiting a moment for it."""
        self.find_screen()
        ready = select.select(self.terminals, [], [], POLL_SECONDS)[0]
        for terminal in ready:
            try:
                os.read(terminal, 65536)
            except OSError:
                self.terminals.remove(terminal)
                os.close(terminal)
        if ready:
            time.sleep(POLL_SECONDS / 2)

    def ended(self):
        return self.process.poll() is not None

    def late(self):
        return time.monotonic() > self.deadline

    def log(self):
        text = ""
        for name in ("machine.log", "stderr"):
            try:
                with open(self.job.path(name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
            except FileNotFoundError:
                pass
        return text

    def run_command(self, out):
        """Until the command's status, a panic, the end or the deadline."""
        console, output = Tail(self.job.path("console")), Tail(self.job.path("output"))
        pending, panic_since = b"", None
        while True:
            over = self.ended()
            self.drain()
            new = console.read()
            self.console += new
            self.progress.feed(new.decode("utf-8", "replace"))
            data = output.read()
            if data:
                self.progress.clear()
                pending += data
                match = _EXIT.search(pending)
                keep = match.start() if match else pending.rfind(b"\x01")
                keep = len(pending) if keep < 0 else keep
                out.write(pending[:keep])
                out.flush()
                self.progress.feed(data.decode("utf-8", "replace"))
                pending = pending[keep:]
                if match:
                    return int(match.group(1))
            self.progress.tick()
            if over:
                return BROKEN_STATUS
            if self.late():
                return TIMEOUT_STATUS
            if panic_since is None and _PANIC.search(self.console):
                panic_since = time.monotonic()
            if panic_since and time.monotonic() > panic_since + 1:
                return BROKEN_STATUS

    def run_bare(self, out):
        """
        A bare image: its first serial port is its output, the last byte of
        its second, if any, its status.
        """
        console = Tail(self.job.path("console"))
        while True:
            over = self.ended()
            self.drain()
            new = console.read()
            if new:
                self.progress.clear()
                out.write(new)
                out.flush()
            self.progress.tick()
            if over:
                break
            if self.late():
                return TIMEOUT_STATUS
        if self.backend.name != "bochs":
            return self.process.returncode >> 1
        if "Shutdown port: shutdown requested" not in self.log():
            return BROKEN_STATUS
        status = Tail(self.job.path("output")).read()
        return status[-1] if status else 0

    def connect(self):
        end = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return self.backend.connect(self.job)
            except OSError:
                if self.ended() or time.monotonic() > end:
                    raise
                self.drain()

    def run_interactive(self):
        """A terminal on the machine's console, raw once it is up."""
        relay = Relay(self, self.connect())
        try:
            return relay.run()
        finally:
            relay.restore()


class Relay:
    """Carries bytes between our terminal and the machine's console."""

    def __init__(self, machine, connection):
        self.machine = machine
        self.connection = connection
        self.saved = None
        self.pending = b""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def raw(self):
        self.machine.progress.clear()
        self.saved = termios.tcgetattr(0)
        tty.setraw(0)

    def restore(self):
        if self.saved:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)
            self.saved = None

    def from_machine(self, data):
        """Return the status once the machine has said it, else None."""
        if not self.saved:
            self.pending += data
            self.machine.console += data
            self.machine.progress.feed(self.decoder.decode(data))
            if _UP not in self.pending:
                return None
            if self.machine.endless_when_up:
                self.machine.deadline = math.inf
            data = self.pending[self.pending.index(_UP) + len(_UP):]
            self.pending = b""
            self.raw()
        self.pending += data
        match = _EXIT.search(self.pending)
        keep = match.start() if match else self.pending.rfind(b"\x01")
        keep = len(self.pending) if keep < 0 else keep
        os.write(1, self.pending[:keep])
        self.pending = self.pending[keep:]
        return int(match.group(1)) if match else None

    def run(self):
        machine, status = self.machine, None
        while status is None:
            machine.find_screen()
            sources = [self.connection, *machine.terminals] + ([0] if self.saved else [])
            ready = select.select(sources, [], [], 0.2)[0]
            if not self.saved:
                machine.progress.tick()
            if set(ready) & set(machine.terminals):
                machine.drain()
            if 0 in ready:
                keys = os.read(0, 4096)
                if not keys:
                    return 128 + signal.SIGHUP
                self.connection.sendall(keys)
            if self.connection in ready:
                data = self.connection.recv(65536)
                if not data:
                    return BROKEN_STATUS
                status = self.from_machine(data)
            if machine.late():
                return TIMEOUT_STATUS
            if not ready and machine.ended():
                return BROKEN_STATUS
        return status
