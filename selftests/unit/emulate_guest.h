/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest for the tests of the emulator: registers, some RAM, and device
 * memory that answers at once or by way of userspace.
 */
#ifndef UNIT_EMULATE_GUEST_H
#define UNIT_EMULATE_GUEST_H

#include <stdio.h>
#include <stdlib.h>

#include "exits/alu.h"
#include "exits/emulate.h"

#define GUEST_PAGE 4096
#define RAM_SIZE (8 * GUEST_PAGE) /* linear = physical = 0 to here */
#define DEVICE 0x10000		  /* two pages of a device in userspace */
#define FAST_DEVICE 0x20000	  /* one of a device in the kernel */
#define UNMAPPED 0x30000	  /* and above: page fault */
#define READ_ONLY 0x28000	  /* one page: page fault on writes */

struct guest {
	u64 gpr[NR_GPRS];
	u64 rip;
	u64 rflags;
	u64 seg_base[NR_SEGS];
	u8 xmm[16][16];
	u8 ram[RAM_SIZE];
	u8 device[3 * GUEST_PAGE]; /* behind DEVICE, and FAST_DEVICE in the last page */
	char log[1000];		   /* accesses to device memory, as text */
	char told[40];		   /* the operand that was read or written last, as text */
	bool direct;		   /* the device in userspace is in the kernel after all */
	int pause_after;	   /* iterations; 0: never */
	int iterations;
	u8 stack_size; /* outside 64-bit mode */
	struct emu emu;
};

static inline void guest_log(struct guest *g, const char *what, u64 gpa, u8 len)
{
	size_t used = strlen(g->log);

	snprintf(g->log + used, sizeof(g->log) - used, "%s%llx+%d ", what, (unsigned long long)gpa,
		 len);
}

static inline u8 *guest_memory(struct guest *g, u64 gpa)
{
	if (gpa < RAM_SIZE)
		return g->ram + gpa;
	if (gpa >= FAST_DEVICE)
		return g->device + 2 * GUEST_PAGE + gpa % GUEST_PAGE;
	return g->device + (gpa - DEVICE) % (2 * GUEST_PAGE);
}

static inline u64 guest_get_gpr(void *guest, u8 reg)
{
	return ((struct guest *)guest)->gpr[reg];
}

static inline void guest_set_gpr(void *guest, u8 reg, u64 value)
{
	((struct guest *)guest)->gpr[reg] = value;
}

static inline u64 guest_get_rip(void *guest)
{
	return ((struct guest *)guest)->rip;
}

static inline u64 guest_get_rflags(void *guest)
{
	return ((struct guest *)guest)->rflags;
}

static inline void guest_set_rflags(void *guest, u64 rflags)
{
	((struct guest *)guest)->rflags = rflags;
}

static inline void guest_get_xmm(void *guest, u8 reg, void *value)
{
	memcpy(value, ((struct guest *)guest)->xmm[reg], 16);
}

static inline void guest_set_xmm(void *guest, u8 reg, const void *value)
{
	memcpy(((struct guest *)guest)->xmm[reg], value, 16);
}

static inline int guest_linear(void *guest, u8 seg, u64 offset, u8 size, bool write, u64 *linear,
			       struct x86_fault *fault)
{
	(void)size;
	(void)write;
	(void)fault;
	*linear = ((struct guest *)guest)->seg_base[seg] + offset;
	return 0;
}

static inline int guest_translate(void *guest, u64 linear, bool write, u64 *gpa,
				  struct x86_fault *fault)
{
	bool read_only = linear / GUEST_PAGE == READ_ONLY / GUEST_PAGE;

	(void)guest;
	if (linear >= UNMAPPED || (read_only && write)) {
		fault_set_pf(fault, linear, (write ? PF_WRITE : 0) | (read_only ? PF_PRESENT : 0));
		return EMU_FAULT;
	}
	*gpa = read_only ? linear % GUEST_PAGE : linear;
	return 0;
}

/* As by a code segment of RAM's size. */
static inline int guest_may_jump(void *guest, u64 target, struct x86_fault *fault)
{
	(void)guest;
	if (target < RAM_SIZE)
		return 0;
	fault_set(fault, VEC_GP, 0);
	return EMU_FAULT;
}

static inline u8 guest_stack_size(void *guest)
{
	return ((struct guest *)guest)->stack_size;
}

static inline int guest_read(void *guest, u64 gpa, void *data, u8 len)
{
	struct guest *g = guest;

	if (gpa >= DEVICE && gpa < FAST_DEVICE && !g->direct)
		return EMU_MMIO;
	if (gpa >= FAST_DEVICE)
		guest_log(g, "fr", gpa, len);
	memcpy(data, guest_memory(g, gpa), len);
	return 0;
}

static inline int guest_write(void *guest, u64 gpa, const void *data, u8 len)
{
	struct guest *g = guest;

	if (gpa >= DEVICE && gpa < FAST_DEVICE && !g->direct)
		return EMU_MMIO;
	if (gpa >= FAST_DEVICE)
		guest_log(g, "fw", gpa, len);
	memcpy(guest_memory(g, gpa), data, len);
	return 0;
}

static inline void guest_accessed(void *guest, u64 linear, u8 len, bool write)
{
	struct guest *g = guest;

	snprintf(g->told, sizeof(g->told), "%s%llx+%d", write ? "w" : "r",
		 (unsigned long long)linear, len);
}

static inline bool guest_must_pause(void *guest)
{
	struct guest *g = guest;

	return ++g->iterations == g->pause_after;
}

static const struct emu_ops guest_ops = {
	.get_gpr = guest_get_gpr,
	.set_gpr = guest_set_gpr,
	.get_rip = guest_get_rip,
	.get_rflags = guest_get_rflags,
	.set_rflags = guest_set_rflags,
	.get_xmm = guest_get_xmm,
	.set_xmm = guest_set_xmm,
	.linear = guest_linear,
	.translate = guest_translate,
	.may_jump = guest_may_jump,
	.stack_size = guest_stack_size,
	.read = guest_read,
	.write = guest_write,
	.accessed = guest_accessed,
	.must_pause = guest_must_pause,
};

/* What userspace does with KVM_EXIT_MMIO. */
static inline void guest_serve_mmio(struct guest *g)
{
	struct emu_access access = g->emu.pending;
	u8 data[EMU_MAX_PIECE];

	guest_log(g, access.write ? "w" : "r", access.gpa, access.len);
	if (access.write)
		memcpy(guest_memory(g, access.gpa), access.data, access.len);
	else
		memcpy(data, guest_memory(g, access.gpa), access.len);
	emu_complete(&g->emu, data);
}

/* Run the instruction in g->emu.insn through to an outcome other than EMU_MMIO. */
static inline int guest_run(struct guest *g)
{
	int ret;

	emu_start(&g->emu);
	for (;;) {
		ret = emu_run(&g->emu, &guest_ops, g);
		if (ret != EMU_MMIO)
			return ret;
		guest_serve_mmio(g);
	}
}

#endif
