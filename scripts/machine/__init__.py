# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/rig and scripts/run-nest are made of."""
