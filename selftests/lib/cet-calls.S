/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls under CET, the handler of #CP, and functions that CET likes or does not. */
#include "cet.h"
#include "layout.h"

	.text
	.code64
	.globl cet_call, cet_fault, cet_marked, cet_unmarked, cet_returns_elsewhere
	.globl cet_jumps_back

/* u64 cet_call(u64 (*fn)(void), u64 s_cet) */
cet_call:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, cet_rsp(%rip)
	mov %rdi, %rbx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
	mov $MSR_S_CET, %ecx
	wrmsr
	test $1, %sil
	jz 1f
	setssbsy
1:	call *%rbx
	mov %rax, %rbx
	xor %eax, %eax
	xor %edx, %edx
	mov $MSR_S_CET, %ecx
	wrmsr
	mov %rbx, %rax
cet_resume:
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/*
 * The gate of #CP. It switches CET off, so that it may return elsewhere than a shadow stack
 * says: to the end of cet_call(), or at CPL 3 to that of user_call().
 */
cet_fault:
	endbr64
	xor %eax, %eax
	xor %edx, %edx
	mov $MSR_S_CET, %ecx
	wrmsr
	mov $MSR_U_CET, %ecx
	wrmsr
	pop %rax
	btc $32, %rax			/* CET_FAULT */
	lea cet_user_resume(%rip), %rcx
	testb $3, 8(%rsp)
	jnz 1f
	mov cet_rsp(%rip), %rcx
	mov %rcx, 24(%rsp)
	lea cet_resume(%rip), %rcx
1:	mov %rcx, (%rsp)
	iretq

cet_user_resume:
	int $VECTOR_USER_RETURN

cet_marked:
	endbr64
	mov $0x600d, %eax
	ret

cet_unmarked:
	mov $0x600d, %eax
	ret

cet_returns_elsewhere:
	endbr64
	lea 1f(%rip), %rax
	xchg %rax, (%rsp)
	ret
1:	mov %rax, %rcx
	mov $0x600d, %eax
	jmp *%rcx

cet_jumps_back:
	endbr64
	pop %rcx
	mov $0x600d, %eax
	jmp *%rcx

	.bss
	.balign 8
cet_rsp:
	.quad 0

	.section .note.GNU-stack, "", @progbits
