# SPDX-License-Identifier: GPL-2.0-only
"""Tables in Markdown, on the terminal and between two marks of a page in docs/."""

import os

from machine.paths import TOP, RigError

END = "<!-- end -->"


def number(value):
    return "-" if value is None else f"{value:,}"


def table(heading, rows):
    """Lines of a table: the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [heading, *rows]]
    lines.insert(1, "| --- |" + " ---: |" * (len(heading) - 1))
    return "\n".join(lines)


def put(page, parts):
    """Have docs/@page say between "<!-- bench: NAME -->" and the next END what @parts says."""
    path = os.path.join(TOP, "docs", page)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, part in parts.items():
        before, mark, after = text.partition(f"<!-- bench: {name} -->\n")
        _, end, after = after.partition(END)
        if not mark or not end:
            raise RigError(f"docs/{page} has no place for '{name}'")
        text = f"{before}{mark}{part}\n{end}{after}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
