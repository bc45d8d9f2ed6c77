/* SPDX-License-Identifier: GPL-2.0-only */
/* Out of long mode and back; see modes.h. */
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
