/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executes a decoded instruction on a guest's behalf.
 *
 * The guest is a table of functions, so this is pure. An access that nobody in
 * the kernel answers stops the run with EMU_MMIO. Once userspace has answered,
 * emu_complete() and emu_run() go on. What was done before the stop is kept in
 * struct emu and not done again: each piece of memory is read once and written
 * once, however often the run stops.
 */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H

#include "emulate/decode.h"
#include "emulate/fault.h"

/* Outcomes; negative ones are errnos. */
enum emu_outcome {
	EMU_DONE,   /* the instruction is complete: advance RIP */
	EMU_REPEAT, /* iterations of a REP are complete, more remain: leave RIP */
	EMU_MMIO,   /* emu->pending waits for userspace */
	EMU_FAULT,  /* emu->fault is to be injected, RIP stays */
	EMU_JUMPED, /* the instruction is complete: RIP becomes emu->target */
};

/* Iterations of a REP instruction after which the guest gets its interrupts. */
#define EMU_MAX_ITERATIONS 1024

/* Bytes a piece may have, as in struct kvm_run. */
#define EMU_MAX_PIECE 8

struct emu_ops {
	u64 (*get_gpr)(void *guest, u8 reg);
	void (*set_gpr)(void *guest, u8 reg, u64 value);
	u64 (*get_rip)(void *guest);
	u64 (*get_rflags)(void *guest);
	void (*set_rflags)(void *guest, u64 rflags);
	void (*get_xmm)(void *guest, u8 reg, void *value); /* 16 bytes; may be NULL */
	void (*set_xmm)(void *guest, u8 reg, const void *value);

	/* Segmentation and its checks. Return: 0, EMU_FAULT or errno. */
	int (*linear)(void *guest, u8 seg, u64 offset, u8 size, bool write, u64 *linear,
		      struct x86_fault *fault);
	/* Paging and its checks, for one page. Return: 0, EMU_FAULT or errno. */
	int (*translate)(void *guest, u64 linear, bool write, u64 *gpa, struct x86_fault *fault);
	/* May code go on at offset @target? Return: 0, EMU_FAULT or errno. */
	int (*may_jump)(void *guest, u64 target, struct x86_fault *fault);
	/* Bytes of the stack pointer, outside 64-bit mode. */
	u8 (*stack_size)(void *guest);
	/* At most EMU_MAX_PIECE bytes in one page. Return: 0, EMU_MMIO or errno. */
	int (*read)(void *guest, u64 gpa, void *data, u8 len);
	int (*write)(void *guest, u64 gpa, const void *data, u8 len);

	/* The whole operand was read or written. Called again if the run stops later. May be NULL. */
	void (*accessed)(void *guest, u64 linear, u8 len, bool write);

	/* Should a REP pause between iterations, for an event? May be NULL. */
	bool (*must_pause)(void *guest);
};

/* 16 bytes across a page boundary make at most three pieces. */
#define EMU_MAX_PIECES 3

struct emu_piece {
	u64 gpa;
	u8 at; /* its offset in the operand */
	u8 len;
};

/* A memory operand: where it is, and how far its accesses have come. */
struct emu_mem {
	u64 linear;
	u8 pieces; /* 0: not translated yet */
	u8 nr_read;
	u8 nr_written;
	struct emu_piece piece[EMU_MAX_PIECES];
	u8 in[16];  /* what was read */
	u8 out[16]; /* what is written */
};

/* The access for which a run stopped: one piece of one operand. */
struct emu_access {
	u64 gpa;
	u8 len; /* 0: no access waits */
	bool write;
	u8 mem;			/* the operand's index in emu->mem */
	u8 data[EMU_MAX_PIECE]; /* what a write stores */
};

struct emu {
	struct insn insn;
	/*
	 * [0] is the operand that ModRM names, [1] the stack's. A string instruction has the
	 * operand at rSI in [0] and the one at rDI in [1].
	 */
	struct emu_mem mem[2];
	struct emu_access pending;
	struct x86_fault fault;
	u64 target;
};

/* Begins an instruction. insn_decode() has filled emu->insn. */
void emu_start(struct emu *emu);

/* Return: enum emu_outcome, or a negative errno. */
int emu_run(struct emu *emu, const struct emu_ops *ops, void *guest);

/* Userspace has done emu->pending. @data: what it read, pending.len bytes. */
void emu_complete(struct emu *emu, const void *data);

#endif
