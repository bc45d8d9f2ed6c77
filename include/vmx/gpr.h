/* SPDX-License-Identifier: GPL-2.0-only */
/* General-purpose registers by their number in instruction encodings. */
#ifndef VMX_GPR_H
#define VMX_GPR_H

enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	NR_GPRS,
};

/* Segment registers in the order of the VMCS encodings and of ModRM. */
enum segreg {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	NR_SEGS,
};

#endif
