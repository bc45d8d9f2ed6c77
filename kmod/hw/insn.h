/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions as functions, named as the SDM names them with a
 * "hw_" before. Context: preemption off, in VMX operation (but VMXON).
 */
#ifndef HW_INSN_H
#define HW_INSN_H

#include <asm/asm.h>
#include <vmx/types.h>

/* The formatter takes the % of a label for an operator. */
/* clang-format off */

/* The formatter would tear the labels of asm goto apart. */
/* clang-format off */

/* Each: 0; -EINVAL when the processor answered VMfail; -EIO on a fault. */
static inline int hw_vmxon(u64 pa)
{
	asm goto("1: vmxon %[pa]\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 : [pa] "m"(pa)
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

static inline int hw_vmxoff(void)
{
	asm goto("1: vmxoff\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 :
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

static inline int hw_vmclear(u64 pa)
{
	asm goto("1: vmclear %[pa]\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 : [pa] "m"(pa)
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

static inline int hw_vmptrld(u64 pa)
{
	asm goto("1: vmptrld %[pa]\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 : [pa] "m"(pa)
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

static inline int hw_invept(unsigned long type, u64 eptp)
{
	struct {
		u64 eptp, zero;
	} desc = { eptp, 0 };

	asm goto("1: invept %[desc], %[type]\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 : [desc] "m"(desc), [type] "r"(type)
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

static inline int hw_invvpid(unsigned long type, u16 vpid, u64 gva)
{
	struct {
		u64 vpid, gva;
	} desc = { vpid, gva };

	asm goto("1: invvpid %[desc], %[type]\n\t"
		 "jna %l[fail]\n" _ASM_EXTABLE(1b, %l[fault])
		 :
		 : [desc] "m"(desc), [type] "r"(type)
		 : "cc", "memory"
		 : fail, fault);
	return 0;
fail:
	return -EINVAL;
fault:
	return -EIO;
}

/* clang-format on */

/* clang-format on */

#endif
