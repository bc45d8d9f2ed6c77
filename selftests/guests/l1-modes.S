/* SPDX-License-Identifier: GPL-2.0-only */
/* What l1-modes.c runs outside long mode. */
#include "layout.h"
	.text

/* 32-bit functions: each leaves its result in eax. */
	.code32
	.globl read_cr0_32, store_and_load, cpuid_32, io_32, peek_high
read_cr0_32:
	mov %cr0, %eax
	ret
store_and_load:
	movl $0x12345678, LOW_SCRATCH + 0x800
	mov LOW_SCRATCH + 0x800, %eax
	ret
cpuid_32:
	xor %eax, %eax
	cpuid
	mov %ebx, %eax
	ret
io_32:
	mov $0x21, %dx
	mov $0xff, %al
	out %al, %dx
	xor %eax, %eax
	in %dx, %al
	ret
peek_high:
	mov 0x40000000, %eax
	ret

/* 16-bit functions, copied to LOW_SCRATCH. */
	.code16
	.globl real_add, real_add_end, real_segments, real_segments_end
	.globl real_int, real_int_end, real_cpuid, real_cpuid_end
	.globl real_string, real_string_end, real_loop, real_loop_end
real_add:
	mov $0x1234, %ax
	add $0x1111, %ax
	movzwl %ax, %eax
	ret
real_add_end:
real_segments:
	mov $0x0a00, %bx		/* 0xa000, which is LOW_SCRATCH */
	mov %bx, %es
	movw $0xbeef, %es:0x900
	mov LOW_SCRATCH + 0x900, %ax
	movzwl %ax, %eax
	ret
real_segments_end:
real_int:
	/* vector 0x60: IP and CS at 0x180 */
	movw $LOW_SCRATCH + (1f - real_int), 0x180
	movw $0, 0x182
	mov $1, %ax
	int $0x60
	movzwl %ax, %eax
	ret
1:	add $0x41, %ax
	iret
real_int_end:
real_cpuid:
	xor %eax, %eax
	cpuid
	mov %ebx, %eax
	ret
real_cpuid_end:
real_string:
	mov $0x21, %dx
	mov $0xff, %al
	out %al, %dx
	mov $LOW_SCRATCH + 0xa00, %di
	mov $4, %cx
	rep insb
	mov LOW_SCRATCH + 0xa00, %eax
	ret
real_string_end:
real_loop:
	xor %eax, %eax
	mov $1000, %cx
1:	inc %eax
	loop 1b
	ret
real_loop_end:

	.section .note.GNU-stack, "", @progbits
