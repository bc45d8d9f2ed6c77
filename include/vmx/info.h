/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bits of the information fields: event injection, exit information, exit
 * qualifications, VMX-instruction information, and non-register guest state.
 */
#ifndef VMX_INFO_H
#define VMX_INFO_H

#include <vmx/types.h>

/* Interruption information: entry, exit and IDT-vectoring alike. */
#define INTR_VECTOR 0xffu
#define INTR_TYPE_MASK (7u << 8)
#define INTR_TYPE_EXT (0u << 8)
#define INTR_TYPE_NMI (2u << 8)
#define INTR_TYPE_HARD_EXC (3u << 8)
#define INTR_TYPE_SOFT_INT (4u << 8)
#define INTR_TYPE_PRIV_SW_EXC (5u << 8) /* INT1 */
#define INTR_TYPE_SOFT_EXC (6u << 8)	/* INT3, INTO */
#define INTR_TYPE_OTHER (7u << 8)	/* entry only: pending MTF */
#define INTR_HAS_ERROR BIT(11)
#define INTR_NMI_UNBLOCK BIT(12) /* exit only: IRET had unblocked NMIs */
#define INTR_VALID BIT(31)
#define INTR_ENTRY_RESERVED 0x7ffff000u

static inline bool intr_type_software(u32 info)
{
	u32 type = info & INTR_TYPE_MASK;

	return type == INTR_TYPE_SOFT_INT || type == INTR_TYPE_SOFT_EXC ||
	       type == INTR_TYPE_PRIV_SW_EXC;
}

/* Exception vectors */
#define VEC_DE 0
#define VEC_DB 1
#define VEC_NMI 2
#define VEC_BP 3
#define VEC_OF 4
#define VEC_BR 5
#define VEC_UD 6
#define VEC_NM 7
#define VEC_DF 8
#define VEC_TS 10
#define VEC_NP 11
#define VEC_SS 12
#define VEC_GP 13
#define VEC_PF 14
#define VEC_MF 16
#define VEC_AC 17
#define VEC_MC 18
#define VEC_XM 19
#define VEC_VE 20
#define VEC_CP 21

/* Does the processor push an error code with it, and does a VM entry demand one? */
static inline bool vector_has_error(u8 vector)
{
	u32 with_error = BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) |
			 BIT(VEC_PF) | BIT(VEC_AC);

	return vector < 32 && (with_error & BIT(vector));
}

/* Interruptibility state */
#define IRQBLK_STI BIT(0)
#define IRQBLK_MOV_SS BIT(1)
#define IRQBLK_SMI BIT(2)
#define IRQBLK_NMI BIT(3)
#define IRQBLK_ENCLAVE BIT(4)

/* Activity state */
#define ACTIVITY_ACTIVE 0
#define ACTIVITY_HLT 1
#define ACTIVITY_SHUTDOWN 2
#define ACTIVITY_SIPI 3

/* Pending debug exceptions and #DB's exit qualification */
#define DBG_BPT_MASK 0xfull
#define DBG_ENABLED_BPT BIT_ULL(12) /* pending debug exceptions only */
#define DBG_BD BIT_ULL(13)	    /* exit qualification only */
#define DBG_BS BIT_ULL(14)
#define DBG_RTM BIT_ULL(16)

/* IA32_DEBUGCTL: what guests are offered. LBR records nothing: the last-branch MSRs read as 0. */
#define DEBUGCTL_LBR BIT_ULL(0)
#define DEBUGCTL_BTF BIT_ULL(1) /* TF traps on branches only */
#define DEBUGCTL_OFFERED (DEBUGCTL_LBR | DEBUGCTL_BTF)

/* Linux has the same names for the bits of a descriptor's second word. */
#ifdef __KERNEL__
#include <asm/desc_defs.h>
#undef AR_S
#undef AR_P
#undef AR_AVL
#undef AR_L
#undef AR_DB
#undef AR_G
#endif

/* Access rights of a segment in the VMCS */
#define AR_TYPE 0xfu
#define AR_S BIT(4)
#define AR_DPL_SHIFT 5
#define AR_DPL (3u << AR_DPL_SHIFT)
#define AR_P BIT(7)
#define AR_AVL BIT(12)
#define AR_L BIT(13)
#define AR_DB BIT(14)
#define AR_G BIT(15)
#define AR_UNUSABLE BIT(16)
#define AR_RESERVED 0xfffe0f00u

static inline u32 ar_dpl(u32 ar)
{
	return (ar & AR_DPL) >> AR_DPL_SHIFT;
}

/* Exit qualification: control-register accesses */
#define CRQ_NUM(q) ((u32)(q)&0xf)
#define CRQ_TYPE(q) (((u32)(q) >> 4) & 3)
#define CRQ_TYPE_TO_CR 0
#define CRQ_TYPE_FROM_CR 1
#define CRQ_TYPE_CLTS 2
#define CRQ_TYPE_LMSW 3
#define CRQ_LMSW_MEM BIT_ULL(6)
#define CRQ_GPR(q) (((u32)(q) >> 8) & 0xf)
#define CRQ_LMSW_DATA(q) (((u64)(q) >> 16) & 0xffff)

/* Exit qualification: MOV DR */
#define DRQ_NUM(q) ((u32)(q)&7)
#define DRQ_FROM_DR BIT_ULL(4)
#define DRQ_GPR(q) (((u32)(q) >> 8) & 0xf)

/* Exit qualification: I/O instructions */
#define IOQ_SIZE(q) (((u32)(q)&7) + 1) /* in bytes */
#define IOQ_IN BIT_ULL(3)
#define IOQ_STRING BIT_ULL(4)
#define IOQ_REP BIT_ULL(5)
#define IOQ_IMM BIT_ULL(6)
#define IOQ_PORT(q) (((u32)(q) >> 16) & 0xffff)

/* Exit qualification: EPT violations */
#define EPTQ_READ BIT_ULL(0)
#define EPTQ_WRITE BIT_ULL(1)
#define EPTQ_FETCH BIT_ULL(2)
#define EPTQ_ACCESS GENMASK_ULL(2, 0)
#define EPTQ_CAN_READ BIT_ULL(3) /* bits 5:3: what all levels of the walk together allow */
#define EPTQ_CAN_WRITE BIT_ULL(4)
#define EPTQ_CAN_EXEC BIT_ULL(5)
#define EPTQ_RIGHTS GENMASK_ULL(5, 3)
#define EPTQ_CAN_SHIFT 3
#define EPTQ_CAN_EXEC_USER BIT_ULL(6) /* with mode-based execute control */
#define EPTQ_LINEAR_VALID BIT_ULL(7)
#define EPTQ_FINAL BIT_ULL(8)	  /* of the address, not of a paging structure */
#define EPTQ_USER_PAGE BIT_ULL(9) /* with advanced exit information */
#define EPTQ_WRITE_PAGE BIT_ULL(10)
#define EPTQ_NX_PAGE BIT_ULL(11)
#define EPTQ_NMI_UNBLOCK BIT_ULL(12)

/* Exit qualification: APIC accesses */
#define APICQ_OFFSET(q) ((u32)(q)&0xfff)
#define APICQ_TYPE(q) (((u32)(q) >> 12) & 0xf)
#define APICQ_TYPE_READ 0
#define APICQ_TYPE_WRITE 1
#define APICQ_TYPE_FETCH 2
#define APICQ_TYPE_EVENT 3
#define APICQ_TYPE_PHYS_EVENT 10
#define APICQ_TYPE_PHYS 15

/* Exit qualification: task switches */
#define TSQ_SELECTOR(q) ((u32)(q)&0xffff)
#define TSQ_SOURCE(q) (((u32)(q) >> 30) & 3)
#define TSQ_SOURCE_CALL 0
#define TSQ_SOURCE_IRET 1
#define TSQ_SOURCE_JMP 2
#define TSQ_SOURCE_GATE 3

/* Exit qualification: entry failures by invalid guest state (exit 33) */
#define ENTRYQ_DEFAULT 0
#define ENTRYQ_PDPTE 2
#define ENTRYQ_NMI 3
#define ENTRYQ_LINK 4

/*
 * VM-exit instruction information of the VMX instructions and of others with
 * a memory operand. SDM: "Information for VM Exits Due to Instruction Execution".
 */
#define INSN_SCALE(i) ((i)&3)
#define INSN_REG1(i) (((i) >> 3) & 0xf)
#define INSN_ADDR_SIZE(i) (((i) >> 7) & 7) /* 0: 16, 1: 32, 2: 64 bits */
#define INSN_IS_REG BIT(10)
#define INSN_SEG(i) (((i) >> 15) & 7)
#define INSN_INDEX(i) (((i) >> 18) & 0xf)
#define INSN_NO_INDEX BIT(22)
#define INSN_BASE(i) (((i) >> 23) & 0xf)
#define INSN_NO_BASE BIT(27)
#define INSN_REG2(i) (((i) >> 28) & 0xf)

#endif
