/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * u64 mode_trip(u32 cr0, u32 cr3, u32 cr4, void (*fn32)(void)): leave long
 * mode, load these, run fn32 as 32-bit code with flat segments, come back.
 * The value is what fn32 left in eax. Interrupts and traps must not happen.
 *
 * u64 real_trip(void *code, u32 size): copy 16-bit code to LOW_SCRATCH and
 * call it (near) in real mode with DS=ES=SS=0; the value is what it left in eax.
 */
#include "layout.h"

	.text
	.code64
	.globl mode_trip
mode_trip:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_rsp
	mov %cr0, %rax
	mov %rax, saved_cr0
	mov %cr3, %rax
	mov %rax, saved_cr3
	mov %cr4, %rax
	mov %rax, saved_cr4
	mov %edi, want_cr0
	mov %esi, want_cr3
	mov %edx, want_cr4
	mov %ecx, want_fn
	ljmp *far32
	.code32
to32:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $mode_stack_top, %esp
	mov %cr0, %eax			/* paging off, which ends long mode */
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov $0xc0000080, %ecx
	rdmsr
	mov %eax, saved_efer
	and $~0x100, %eax
	wrmsr
	mov want_cr3, %eax
	mov %eax, %cr3
	mov want_cr4, %eax
	mov %eax, %cr4
	mov want_cr0, %eax
	mov %eax, %cr0
	jmp 1f
1:	mov want_fn, %eax
	call *%eax
	mov %eax, result
	.globl back_to_long
back_to_long:
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov saved_cr4, %eax
	mov %eax, %cr4
	mov saved_cr3, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	mov saved_efer, %eax
	and $~0x400, %eax
	wrmsr
	mov saved_cr0, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE64, $2f
	.code64
2:	mov saved_rsp, %rsp
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov result, %eax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.globl real_trip
real_trip:
	mov $LOW_SCRATCH + 0x200, %eax
	mov %rax, %r8
	mov %rdi, %rax
	mov $LOW_SCRATCH, %edi
	mov %esi, %ecx
	mov %rax, %rsi
	rep movsb
	mov $LOW_SCRATCH + 0x400, %edi
	lea real_code(%rip), %rsi
	mov $real_code_end - real_code, %ecx
	rep movsb
	mov $0x11, %edi			/* ET, PE */
	xor %esi, %esi
	xor %edx, %edx
	mov $protected_part, %ecx
	jmp mode_trip

	.code32
protected_part:
	mov %esp, saved_esp
	lidt real_idt
	ljmp $SEL_CODE16, $(LOW_SCRATCH + 0x400)
back_in_protected:
	mov $SEL_DATA, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %ecx, %ss
	mov saved_esp, %esp
	ret

	.code16
real_code:
	mov $SEL_DATA16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	ljmp $0, $(LOW_SCRATCH + 0x400 + 1f - real_code)
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $LOW_SCRATCH + 0x1000, %sp
	mov $LOW_SCRATCH, %ax
	call *%ax
	cli
	mov %cr0, %ecx
	or $1, %cl
	mov %ecx, %cr0
	ljmpl $SEL_CODE32, $back_in_protected
real_code_end:

	.data
	.balign 8
far32:	.long to32
	.word SEL_CODE32
	.balign 8
saved_rsp: .quad 0
saved_cr0: .quad 0
saved_cr3: .quad 0
saved_cr4: .quad 0
saved_efer: .long 0
saved_esp: .long 0
want_cr0: .long 0
want_cr3: .long 0
want_cr4: .long 0
want_fn: .long 0
result:	.long 0
real_idt:
	.word 0x3ff
	.long 0

	.bss
	.balign 16
	.skip 4096
mode_stack_top:

	.section .note.GNU-stack, "", @progbits
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
