# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/bench measures, each kind in a file of its own."""
