/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions as functions, named as the SDM names them with a
 * "hw_" before. Context: preemption off, in VMX operation (but VMXON).
 */
#ifndef HW_INSN_H
#define HW_INSN_H

#include <asm/asm.h>
#include <vmx/types.h>

/* A module that is built with COUNTS=1 has its own definition, in selftests/counts/counts.h. */
#ifndef COUNT_INSN
#define COUNT_INSN(name) \
	do {             \
	} while (0)
#endif

/*
 * The end of a function that executes one instruction. It answers 0;
 * -EINVAL if the processor answered VMfail (CF or ZF is set); -EIO on a fault,
 * as when VMX operation has ended under us. The formatter takes the % of a
 * label for an operator.
 */
/* clang-format off */
#define VMX_INSN(insn, ...)                                                   \
	asm goto("1: " insn "\n\t"                                            \
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])                 \
		 : : __VA_ARGS__ : "cc", "memory" : fail, fault);             \
	return 0;                                                             \
fail:                                                                         \
	return -EINVAL;                                                       \
fault:                                                                        \
	return -EIO
/* clang-format on */

static inline int hw_vmxon(u64 pa)
{
	VMX_INSN("vmxon %[pa]", [pa] "m"(pa));
}

static inline int hw_vmxoff(void)
{
	VMX_INSN("vmxoff");
}

static inline int hw_vmclear(u64 pa)
{
	COUNT_INSN(vmclear);
	VMX_INSN("vmclear %[pa]", [pa] "m"(pa));
}

static inline int hw_vmptrld(u64 pa)
{
	COUNT_INSN(vmptrld);
	VMX_INSN("vmptrld %[pa]", [pa] "m"(pa));
}

static inline int hw_invept(unsigned long type, u64 eptp)
{
	struct {
		u64 eptp, zero;
	} desc = { eptp, 0 };

	VMX_INSN("invept %[desc], %[type]", [desc] "m"(desc), [type] "r"(type));
}

static inline int hw_invvpid(unsigned long type, u16 vpid, u64 gva)
{
	struct {
		u64 vpid, gva;
	} desc = { vpid, gva };

	VMX_INSN("invvpid %[desc], %[type]", [desc] "m"(desc), [type] "r"(type));
}

#endif
