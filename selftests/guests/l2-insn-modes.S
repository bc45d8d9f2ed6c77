/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How l2-insn-modes.c gets into 32-bit and 16-bit code in VMX operation, and to
 * other privilege levels, and back by a trap or by a jump to trip_done.
 */
#include "layout.h"
#include "stubs.inc"

#define NO_TRAP 0xffff

	.text
	.code32
/* Called by mode_trip(). trip_vmcs 0: outside VMX operation. */
	.globl trip_32
trip_32:
	mov %esp, trip_esp
	lidt trip_idt
	mov trip_tr, %eax
	ltr %ax
	cmpl $0, trip_vmcs
	je 1f
	vmxon trip_vmxon
	jbe trip_failed
	vmptrld trip_vmcs
	jbe trip_failed
1:	ljmp *trip_target
trip_failed:
	movl $-1, trip_vector
	jmp trip_leave

	.globl trip_done
trip_done:				/* MOV and POP leave RFLAGS alone */
	mov $SEL_DATA, %ecx
	mov %ecx, %ds
	mov %ecx, %ss
	mov trip_esp, %esp
	pushf
	pop trip_flags
	movl $NO_TRAP, trip_vector
	testb $0x40, trip_flags
	jz trip_leave
	mov $0x4400, %eax		/* VM-instruction error */
	vmread %eax, trip_reason
trip_leave:
	mov $SEL_DATA, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %ecx, %ss
	xor %ecx, %ecx
	mov %ecx, %fs
	mov %ecx, %gs
	mov trip_esp, %esp
	cmpl $0, trip_vmcs
	je 1f
	vmclear trip_vmcs
	vmxoff
1:	ret

	.balign 16
	.globl trip_stubs
trip_stubs:
	vector_stubs 32, trip_trap
trip_trap:
	mov $SEL_DATA, %ecx
	mov %ecx, %ds
	pop trip_vector
	pop trip_error
	mov %cr2, %ecx
	mov %ecx, trip_cr2
	jmp trip_leave

/* The host RIP of a VMCS. */
	.globl trip_exit
trip_exit:
	mov $0x4402, %eax		/* exit reason */
	vmread %eax, trip_reason
	jmp trip_done

/* 16-bit code leaves by this; its CS has another base. */
	.code16
	.globl trip_leave_16, trip_leave_16_end
trip_leave_16:
	ljmpl $SEL_CODE32, $trip_done
trip_leave_16_end:

/*
 * void ring_trip(u64 cs, u64 ss, const u8 *code, u64 *rsp0): run @code, which
 * must trap; the handler of the trap goes on at ring_back with ring_rsp.
 */
	.code64
	.globl ring_trip, ring_back, ring_rsp
ring_trip:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, ring_rsp
	lea -512(%rsp), %rax
	and $-16, %rax
	mov %rax, (%rcx)
	push %rsi
	push %rax
	pushq $2
	push %rdi
	push %rdx
	iretq
ring_back:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 8
ring_rsp:
	.skip 8
	.globl trip_esp, trip_vector, trip_error, trip_cr2, trip_flags, trip_reason
trip_esp: .skip 4
trip_vector: .skip 4
trip_error: .skip 4
trip_cr2: .skip 4
trip_flags: .skip 4
trip_reason: .skip 4

	.section .note.GNU-stack, "", @progbits
