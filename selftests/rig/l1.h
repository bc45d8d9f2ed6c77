/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An L1 of a few instructions, in 64-bit mode: userspace has put its VMXON region, its
 * VMCS and the fields of that into its memory.
 */
#ifndef RIG_L1_H
#define RIG_L1_H

#include "vm.h"

#define L1_CODE 0x8000
#define L1_HANDLER 0x8800 /* of each vector below LONG_VECTORS */
#define L1_STACK 0x13000
#define L2_STACK 0x14000
#define L1_RAM 0x200000
#define L1_FAILED 0x24 /* the port that L1 writes if VMLAUNCH fails */

/*
 * To be the start of L1's code, at L1_CODE: VMX operation, a current VMCS, all fields of
 * the table, VMLAUNCH. RSP is L1_STACK.
 */
#define L1_ENTERS                                                                       \
	"movq $0x10000, (%rsp); vmxon (%rsp)\n"                                         \
	"movq $0x11000, (%rsp); vmclear (%rsp); vmptrld (%rsp)\n"                       \
	"mov $0xe000, %esi\n"                                                           \
	"1: lodsq; mov %rax, %rdx; lodsq; test %rdx, %rdx; js 2f; vmwrite %rax, %rdx\n" \
	"jmp 1b\n"                                                                      \
	"2: vmlaunch; out %al, $0x24\n"

/* What differs between one L1 and another. */
struct l1_setup {
	u32 pin, proc, exit;  /* controls beyond those that must be */
	u64 exit_rip, l2_rip; /* L1's after an exit, L2's first */
	const u64 (*more)[2]; /* fields and values, written last */
	int more_count;
};

/* vCPU 0, with CPUID set, becomes such an L1. @code, of @size bytes, to L1_CODE. */
void l1_put(struct vm *vm, const struct l1_setup *setup, const u8 *code, size_t size);
u64 l1_get_msr(struct vm *vm, u32 index);
void l1_set_msr(struct vm *vm, u32 index, u64 value);

#endif
