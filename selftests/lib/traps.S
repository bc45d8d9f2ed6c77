/* SPDX-License-Identifier: GPL-2.0-only */
/* One entry per vector, each 16 bytes; struct trap_frame is what they push. */
#include "layout.h"
#include "stubs.inc"

	.text
	.code64
	.balign 16
	.globl trap_stubs
trap_stubs:
	vector_stubs 256, trap_common

	.balign 16
trap_common:
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rdi
	push %rsi
	push %rbp
	push %rbx
	push %rdx
	push %rcx
	push %rax
	cld
	mov %rsp, %rdi
	mov %rsp, %rbx
	and $-16, %rsp
	call trap_entry
	mov %rbx, %rsp
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	add $16, %rsp
	iretq

/* int jump_set(u64 buf[8]): 0, or later what jump_back() was given. */
	.globl jump_set, jump_back
jump_set:
	mov (%rsp), %rax
	mov %rax, 0(%rdi)
	lea 8(%rsp), %rax
	mov %rax, 8(%rdi)
	mov %rbx, 16(%rdi)
	mov %rbp, 24(%rdi)
	mov %r12, 32(%rdi)
	mov %r13, 40(%rdi)
	mov %r14, 48(%rdi)
	mov %r15, 56(%rdi)
	xor %eax, %eax
	ret

/* void jump_back(u64 buf[8], int value) */
jump_back:
	mov %esi, %eax
	mov 8(%rdi), %rsp
	mov 16(%rdi), %rbx
	mov 24(%rdi), %rbp
	mov 32(%rdi), %r12
	mov 40(%rdi), %r13
	mov 48(%rdi), %r14
	mov 56(%rdi), %r15
	jmp *0(%rdi)

/*
 * u64 user_enter(u64 (*fn)(u64), u64 arg, void *stack_top, u64 *rsp0)
 * Call fn(arg) at CPL 3; it comes back through VECTOR_USER_RETURN.
 */
	.globl user_enter, user_leave
user_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp			/* a trap aligns RSP0 to 16 */
	mov %rsp, (%rcx)		/* TSS.RSP0: traps land below this frame */
	mov %rdi, %rax
	mov %rsi, %rdi
	pushq $SEL_UDATA
	push %rdx
	pushfq
	pushq $SEL_UCODE64
	lea user_trampoline(%rip), %rdx
	push %rdx
	iretq
user_trampoline:
	call *%rax
	int $VECTOR_USER_RETURN
	ud2

/* The handler of VECTOR_USER_RETURN: undo user_enter(), rax is the result. */
user_leave:
	add $48, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
