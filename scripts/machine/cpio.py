# SPDX-License-Identifier: GPL-2.0-only
"""Write initramfs archives ("newc" cpio) without being root."""

import os
import stat


class Archive:
    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.seen = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        encoded = os.fsencode(name) + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + encoded, data):
            self.file.write(part + bytes(-len(part) % 4))

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self.seen:
            self.directory(parent)

    def directory(self, name):
        name = name.strip("/")
        if not name or name in self.seen:
            return
        self._parents(name)
        self.seen.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def has(self, name):
        """Whether it is a directory of this archive's."""
        return name.strip("/") in self.seen

    def data(self, name, data, mode=0o644):
        name = name.strip("/")
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        name = name.strip("/")
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def device(self, name, major, minor):
        self._parents(name)
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def copy(self, source, name):
        """Copy a file, or a directory with the files, directories and links in it."""
        if os.path.isdir(source):
            self.directory(name)
            for child in sorted(os.listdir(source)):
                path, target = os.path.join(source, child), f"{name.rstrip('/')}/{child}"
                if os.path.islink(path):
                    self.link(target, os.readlink(path))
                elif os.path.isdir(path) or os.path.isfile(path):
                    self.copy(path, target)
            return
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        with open(source, "rb") as file:
            self.data(name, file.read(), mode)

    def close(self):
        self._entry("TRAILER!!!", 0)
