/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * u64 l2_enter(u64 regs[16], bool resume, u64 *rsp): VM entry with L2's registers.
 * With rsp, HOST_RSP is written only if it is to be another than *rsp.
 * 0: L2 ran and exited, regs are its own now. 1: VMfailInvalid, 2: VMfailValid,
 * 3: the instruction trapped.
 */
#define ENC_HOST_RSP 0x6c14

	.text
	.code64
	.globl l2_enter, l2_exit, l2_return
l2_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi
	test %rdx, %rdx
	jz 0f
	cmp %rsp, (%rdx)
	je 7f
	mov %rsp, (%rdx)
0:	mov $ENC_HOST_RSP, %eax
8:	vmwrite %rsp, %rax
7:
	test %sil, %sil
	mov 0x00(%rdi), %rax
	mov 0x08(%rdi), %rcx
	mov 0x10(%rdi), %rdx
	mov 0x18(%rdi), %rbx
	mov 0x28(%rdi), %rbp
	mov 0x30(%rdi), %rsi
	mov 0x40(%rdi), %r8
	mov 0x48(%rdi), %r9
	mov 0x50(%rdi), %r10
	mov 0x58(%rdi), %r11
	mov 0x60(%rdi), %r12
	mov 0x68(%rdi), %r13
	mov 0x70(%rdi), %r14
	mov 0x78(%rdi), %r15
	mov 0x38(%rdi), %rdi
	jnz 2f
1:	vmlaunch
	jmp 3f
2:	vmresume
3:	mov $1, %eax
	jc 5f
	mov $2, %eax
	jmp 5f
4:	mov $3, %eax
5:	add $8, %rsp
6:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* Where the processor goes at a VM exit; regs lies on top of the stack. */
l2_exit:
	push %rdi
	mov 8(%rsp), %rdi
	mov %rax, 0x00(%rdi)
	mov %rcx, 0x08(%rdi)
	mov %rdx, 0x10(%rdi)
	mov %rbx, 0x18(%rdi)
	mov %rbp, 0x28(%rdi)
	mov %rsi, 0x30(%rdi)
	mov %r8, 0x40(%rdi)
	mov %r9, 0x48(%rdi)
	mov %r10, 0x50(%rdi)
	mov %r11, 0x58(%rdi)
	mov %r12, 0x60(%rdi)
	mov %r13, 0x68(%rdi)
	mov %r14, 0x70(%rdi)
	mov %r15, 0x78(%rdi)
	pop %rax
	mov %rax, 0x38(%rdi)
	add $8, %rsp
	xor %eax, %eax
	jmp 6b

/* What an L2 function returns to. */
l2_return:
	vmcall
	jmp l2_return

	.pushsection .catch_table, "a"
	.quad 8b, 4b
	.quad 1b, 4b
	.quad 2b, 4b
	.popsection

	.section .note.GNU-stack, "", @progbits
