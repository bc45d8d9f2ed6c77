/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM entry and VM exit. Tour, stop 6.
 *
 * Register contract of vmx_enter(): RDI holds the address of the gpr array, ESI
 * VMX_ENTER_* bits, RDX the address of the copy of HOST_RSP, RCX that of the
 * values of IA32_SPEC_CTRL, or 0. While the guest runs all general-purpose
 * registers but RSP are the guest's. After the exit the stack is as it was at the
 * entry: its top holds the gpr array's address, and RCX is below. From then on EAX
 * has the answer.
 *
 * GPR(n) is by enum gpr, in the order in which instructions encode registers;
 * slot 4 would be RSP, which is in the VMCS.
 *
 * Interrupts are off throughout. An NMI of the host's is possible before the
 * entry and after the exit, but not in between: there it is an exit.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "compat/entry.h"
#include "hw/entry.h"

#define GPR(n) (8 * (n))
#define VMCS_HOST_RSP 0x6c14
#define MSR_SPEC_CTRL 0x48 /* IA32_SPEC_CTRL */

	.section .noinstr.text, "ax"

SYM_FUNC_START(vmx_enter)
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx
	push	%rdi

	cmp	(%rdx), %rsp
	je	.Lhost_rsp_done
	mov	%rsp, (%rdx)
	mov	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lhost_rsp_done:
	UNWIND_HINT_SAVE
	/* The guest's IA32_SPEC_CTRL. No return and no indirect branch comes between it and the entry. */
	test	%rcx, %rcx
	jz	.Lspec_guest_done
	mov	SPEC_GUEST(%rcx), %rax
	cmp	SPEC_HOST(%rcx), %rax
	je	.Lspec_guest_done
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_SPEC_CTRL, %ecx
	wrmsr
.Lspec_guest_done:
	/*
	 * ZF: no VERW; CF: VMRESUME. BT and MOV leave ZF alone, VERW and MOV leave CF. VERW comes
	 * when nothing of the host is read or written any more but the guest's own registers.
	 */
	test	$VMX_ENTER_VERW, %sil
	bt	$VMX_ENTER_RESUME_BIT, %esi

	mov	GPR(0)(%rdi), %rax
	mov	GPR(1)(%rdi), %rcx
	mov	GPR(2)(%rdi), %rdx
	mov	GPR(3)(%rdi), %rbx
	mov	GPR(5)(%rdi), %rbp
	mov	GPR(6)(%rdi), %rsi
	mov	GPR(8)(%rdi), %r8
	mov	GPR(9)(%rdi), %r9
	mov	GPR(10)(%rdi), %r10
	mov	GPR(11)(%rdi), %r11
	mov	GPR(12)(%rdi), %r12
	mov	GPR(13)(%rdi), %r13
	mov	GPR(14)(%rdi), %r14
	mov	GPR(15)(%rdi), %r15
	mov	GPR(7)(%rdi), %rdi

	jz	.Lenter
	verw	data_selector(%rip)
.Lenter:
	jnc	.Llaunch
.Lresume:
	vmresume
	jmp	.Lfail
.Llaunch:
	vmlaunch
	jmp	.Lfail
	_ASM_EXTABLE(.Lresume, .Lfail)
	_ASM_EXTABLE(.Llaunch, .Lfail)

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR /* no branch leads here: the processor does */
	UNWIND_HINT_RESTORE
	push	%rax
	mov	8(%rsp), %rax
	mov	%rcx, GPR(1)(%rax)
	mov	%rdx, GPR(2)(%rax)
	mov	%rbx, GPR(3)(%rax)
	mov	%rbp, GPR(5)(%rax)
	mov	%rsi, GPR(6)(%rax)
	mov	%rdi, GPR(7)(%rax)
	mov	%r8, GPR(8)(%rax)
	mov	%r9, GPR(9)(%rax)
	mov	%r10, GPR(10)(%rax)
	mov	%r11, GPR(11)(%rax)
	mov	%r12, GPR(12)(%rax)
	mov	%r13, GPR(13)(%rax)
	mov	%r14, GPR(14)(%rax)
	mov	%r15, GPR(15)(%rax)
	pop	GPR(0)(%rax)
	xor	%eax, %eax /* the answer: there was a VM exit */
.Lout:
	/* No guest value is left for speculation to use. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE
	/*
	 * The host's IA32_SPEC_CTRL comes before the first return whose call was before the guest,
	 * as the guest may have left a prediction for it. LFENCE: whoever mispredicts the jump
	 * does not get further without the write.
	 */
	pop	%rdi
	pop	%rdi
	test	%rdi, %rdi
	jz	.Lspec_host_done
	mov	%eax, %ebx
	mov	SPEC_HOST(%rdi), %eax
	mov	SPEC_HOST + 4(%rdi), %edx
	mov	$MSR_SPEC_CTRL, %ecx
	wrmsr
	mov	%ebx, %eax
.Lspec_host_done:
	ALTERNATIVE "", "lfence", X86_FEATURE_MSR_SPEC_CTRL
	FORGET_BRANCHES

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lfail:
	mov	$1, %eax
	jmp	.Lout
SYM_FUNC_END(vmx_enter)

	.pushsection .rodata, "a"
	.balign 2
data_selector:
	.word	__KERNEL_DS
	.popsection

/*
 * Fills the branch history with branches of our own, so that none of the guest's steers the
 * kernel's indirect ones: five times five taken jumps in nested calls, as Intel's "Branch
 * History Injection" gives it for processors that cannot do it themselves. The returns stay
 * in the upper half of a cache line, where indirect target selection does not reach them.
 * Changes ECX and EDX, not EAX, which has vmx_enter()'s answer.
 */
	.balign 64
SYM_FUNC_START_LOCAL(forget_branches)
	mov	$5, %ecx
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Louter
	lfence
	RET
	.balign 64
	.skip	32 - (.Lreturn - .Louter), 0xcc
.Louter:
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Linner
.Lreturn:
	RET
	.balign 64
	.skip	32 - (.Llast - .Linner), 0xcc
.Linner:
	mov	$5, %edx
.Lagain:
	jmp	.Ltaken
	nop
.Ltaken:
	sub	$1, %edx
	jnz	.Lagain
	sub	$1, %ecx
	jnz	.Louter
.Llast:
	RET
SYM_FUNC_END(forget_branches)
STACK_FRAME_NON_STANDARD(forget_branches)

/*
 * Pushes the frame that the processor pushes for an NMI, and jumps to the kernel's handler, which
 * returns by IRET.
 */
SYM_FUNC_START(vmx_raise_nmi)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	call	NMI_ENTRY
	mov	%rbp, %rsp
	pop	%rbp
	RET
SYM_FUNC_END(vmx_raise_nmi)
