/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests that turn a guest's state over: the image that they begin with, the way back to that
 * moment, and a short run of whatever came of it.
 */
#ifndef RIG_SHAKE_H
#define RIG_SHAKE_H

#include "machine.h"

extern u64 shake_seed;

u64 shake_draw(void);
/* The image @name, run to its first write to port 0x80, or the first in L2. */
struct vm *shake_start(const char *name, bool in_l2);
/* The guest's memory as it is now is what shake_back() comes back to. */
void shake_keep(struct vm *vm);
void shake_back(struct vm *vm);
/*
 * A few exits or a millisecond. With RFLAGS.IF clear an emulated processor may keep the machine's
 * own interrupts out for as long as the guest loops, so then it goes by single steps.
 * @exits counts. Return: NULL, or what there was that is not defined.
 */
const char *shake_run(struct vm *vm, u32 *exits);

#endif
