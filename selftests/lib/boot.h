/* SPDX-License-Identifier: GPL-2.0-only */
/* What the library's own files share; images do not need it. */
#ifndef LIB_BOOT_H
#define LIB_BOOT_H

#include "guest.h"

/* RAX of the VMCALL by which an L2 ends the claim. */
#define L2_GAVE_UP 0x6a7e0b90ULL

void console_init(void);
void claims_run(void);
void __attribute__((noreturn)) claim_abort(void);

void traps_init(void);
void set_gate(unsigned int vector, u64 address, unsigned int dpl);
void trap_entry(struct trap_frame *frame);

int __attribute__((returns_twice)) jump_set(u64 buf[8]);
void __attribute__((noreturn)) jump_back(u64 buf[8], int value);
u64 user_enter(u64 (*fn)(u64), u64 arg, void *stack_top, u64 *rsp0);
void user_leave(void);

extern u8 trampoline[], trampoline_end[];
extern u32 trampoline_count;
extern u32 ap_stack;
extern u8 boot_stack[];

#endif
