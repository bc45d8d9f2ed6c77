# SPDX-License-Identifier: GPL-2.0-only
"""Commands as a page of the documents has them."""

import os
import re

from .paths import TOP, RigError


def blocks(page, scripts):
    """
    The page's blocks as {name: text}: what follows a line "<!-- NAME -->" in ```.
    Every block that is a command must have a name, and a line of a script that runs it.
    page, scripts: file names from the project's root.
    """
    text = _read(page)
    found = dict(re.findall(r"^<!-- (\S+) -->\n```\w*\n(.*?)^```$", text, re.M | re.S))
    if text.count("```sh\n") != len(re.findall(r"^<!-- \S+ -->\n```sh\n", text, re.M)):
        raise RigError(f"{page} has commands without a name: <!-- NAME --> before them")
    lines = "".join(map(_read, scripts))
    for name in found:
        if not re.search(rf"\b{re.escape(name.removesuffix('-prints'))}\b", lines):
            raise RigError(f"no test has {page}'s block {name}")
    return found


def inline(page, beginning):
    """The one command inside of a line that begins so."""
    found = re.findall(rf"`({re.escape(beginning)}[^`]*)`", _read(page))
    if len(found) != 1:
        raise RigError(f"{page} has {len(found)} commands that begin with {beginning!r}, not one")
    return found[0]


def write(texts, directory):
    """Each as a file of its name."""
    os.makedirs(directory)
    for name, text in texts.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)


def _read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()
