/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the guest that runs (L1 or L2) by its linear addresses.
 *
 * Context of all functions: vCPU loaded, may sleep. They answer 0; -EFAULT with
 * *fault filled, to be injected with fault_inject(); -EAGAIN or -EINTR if the
 * guest is to run into it again, or L1 is owed an exit of L2 (stop, and answer 1);
 * -ENXIO if the address has no memory behind it; or another errno.
 */
#ifndef EMULATE_GVA_H
#define EMULATE_GVA_H

#include <vmx/gpr.h>
#include "emulate/fault.h"
#include "emulate/pagewalk.h"

struct vcpu;

/* At most this many bytes at once: it touches two pages then. */
#define GVA_MAX_LEN 4096

/* Accesses with the rights of the guest's CPL. A write is done wholly or not at all. */
int gva_read(struct vcpu *vcpu, u64 linear, void *buf, size_t len, struct x86_fault *fault);
int gva_write(struct vcpu *vcpu, u64 linear, const void *buf, size_t len, struct x86_fault *fault);

/*
 * The operand of an instruction that L0 executes for the guest, VMX instructions for the most
 * part. Where there is no memory the kernel's devices are asked, but not userspace's: if none
 * answers, reads give ones and writes are lost. A data breakpoint on the operand becomes due.
 */
int gva_read_bus(struct vcpu *vcpu, u64 linear, void *buf, size_t len, struct x86_fault *fault);
int gva_write_bus(struct vcpu *vcpu, u64 linear, const void *buf, size_t len,
		  struct x86_fault *fault);

/* Would a write of these bytes fault? Writes nothing, but sets accessed and dirty flags. */
int gva_probe_write(struct vcpu *vcpu, u64 linear, size_t len, struct x86_fault *fault);

/* Translates one linear address to L1's physical one. */
int gva_translate(struct vcpu *vcpu, u64 linear, const struct access *access, u64 *gpa,
		  struct x86_fault *fault);

/* Makes a linear address of segment and offset, and raises #GP or #SS where the processor does. */
int gva_linear(struct vcpu *vcpu, enum segreg seg, u64 offset, u32 size, bool write, u64 *linear,
	       struct x86_fault *fault);

/* May code go on at this offset? 0; else -EFAULT with the processor's #GP. */
int gva_may_jump(struct vcpu *vcpu, u64 offset, struct x86_fault *fault);

/* The address of a memory operand by the VM-exit instruction information and qualification. */
int gva_operand(struct vcpu *vcpu, u64 exit_qual, u32 insn_info, u32 size, bool write, u64 *linear,
		struct x86_fault *fault);

/*
 * Read or write the operand, 8 bytes of memory, of the instruction of L1's that exited, with
 * interrupts off. That works if gva_read_bus() or gva_write_bus() was the last to reach an
 * operand in the same page. Context: VCPU_IN_GUEST; the caller has found CPL 0 and 64-bit mode.
 * Return: 0; or EXIT_LATER, with nothing done.
 */
int gva_read_again(struct vcpu *vcpu, u64 *value);
int gva_write_again(struct vcpu *vcpu, u64 value);

/* Gives the fault to the guest that runs. Answers 1, as a handler of exits does. */
int fault_inject(struct vcpu *vcpu, const struct x86_fault *fault);

#endif
