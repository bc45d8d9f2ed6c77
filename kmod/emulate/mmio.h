/* SPDX-License-Identifier: GPL-2.0-only */
/* What an emulation that waits for userspace remembers. For files of emulate/ only. */
#ifndef EMULATE_MMIO_H
#define EMULATE_MMIO_H

#include "emulate/code.h"
#include "emulate/emulate.h"

struct vcpu;

/* A port I/O instruction on its way through userspace. */
struct pio {
	u16 port;
	u8 size; /* of an element, in bytes */
	u8 insn_len;
	bool in;
	bool string;
	bool rep;
	u8 addr_size;	   /* bytes; string only */
	u8 seg;		   /* enum segreg, of rSI */
	u32 count;	   /* elements that userspace was given */
	u64 linear;	   /* where INS puts them */
	unsigned long rip; /* if userspace moves it, the instruction is void */
};

/* vcpu->mmio: allocated at the first use, freed with the vCPU. The vCPU's thread alone uses it. */
struct mmio_op {
	struct emu emu;
	unsigned long rip; /* as in struct pio */
	/*
	 * If hint_valid, the exit has told at which of L1's physical addresses the page of
	 * hint_linear is, so that no walk is needed for it.
	 */
	bool hint_valid;
	bool hint_write; /* found with the right to write */
	u64 hint_linear;
	u64 hint_gpa;
	struct code_cache code;
	struct pio pio;
};

/* Return: vcpu->mmio; NULL: there was no memory for it. May sleep. */
struct mmio_op *mmio_op_get(struct vcpu *vcpu);

/*
 * Nobody can do what the instruction wants: #UD for L2 and for unprivileged
 * code, else KVM_EXIT_INTERNAL_ERROR with the bytes and, as debug data after
 * them, @reason as text. Return: 1 or 0, as a handler.
 */
int mmio_give_up(struct vcpu *vcpu, const u8 *bytes, size_t len, const char *reason);

#endif
