/* SPDX-License-Identifier: GPL-2.0-only */
/* Trips out of long mode and back. Interrupts and traps must not happen on the way. */
#ifndef LIB_MODES_H
#define LIB_MODES_H

#include "guest.h"

/*
 * Load these control registers and call @fn32 in 32-bit code with flat segments.
 * Return: what it left in EAX. Not in VMX operation, which forbids to leave paging.
 */
u64 mode_trip(u32 cr0, u32 cr3, u32 cr4, void (*fn32)(void));
/*
 * Copy @size bytes of 16-bit code to LOW_SCRATCH and call it (near) in real mode
 * with DS=ES=SS=0. Return: what it left in EAX. The IDT is the real mode's afterwards.
 */
u64 real_trip(const void *code, u32 size);

#endif
