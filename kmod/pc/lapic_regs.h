/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of a local APIC and what they mean: pure logic.
 *
 * The vCPU's own thread changes everything here, but IRR, TMR and .esr_pending,
 * to which interrupts add at any time and in any context, and TPR, which its guest
 * changes as well while it runs. Others may read what decides whether a message is
 * for this LAPIC.
 *
 * Registers are named by their offset in the xAPIC page; MSR 0x800 + n of
 * x2APIC is offset n * 16. SDM: "Advanced Programmable Interrupt Controller".
 */
#ifndef PC_LAPIC_REGS_H
#define PC_LAPIC_REGS_H

#include <vmx/types.h>

#include "pc/vecmap.h"

enum lapic_reg {
	LAPIC_ID = 0x20,
	LAPIC_VERSION = 0x30,
	LAPIC_TPR = 0x80,
	LAPIC_APR = 0x90,
	LAPIC_PPR = 0xa0,
	LAPIC_EOI = 0xb0,
	LAPIC_LDR = 0xd0,
	LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0,
	LAPIC_ISR = 0x100, /* 8 registers, 16 bytes apart; so are the next two */
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR2 = 0x310,
	LAPIC_LVT = 0x320, /* NR_LVTS registers, 16 bytes apart */
	LAPIC_TMICT = 0x380,
	LAPIC_TMCCT = 0x390,
	LAPIC_TDCR = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,	 /* x2APIC only */
	LAPIC_PAGE_SIZE = 0x400, /* registers end here, far below 4 KiB */
};

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, NR_LVTS };

/* Version 0x14, NR_LVTS entries, no suppression of EOI broadcasts. */
#define LAPIC_VERSION_VALUE (0x14 | (NR_LVTS - 1) << 16)

#define LVT_MASKED BIT(16)
#define SVR_ENABLED BIT(8)

enum lapic_timer_mode { TIMER_ONESHOT, TIMER_PERIODIC, TIMER_DEADLINE, TIMER_RESERVED };

enum lapic_delivery {
	DELIVER_FIXED,
	DELIVER_LOWEST,
	DELIVER_SMI,
	DELIVER_RESERVED,
	DELIVER_NMI,
	DELIVER_INIT,
	DELIVER_STARTUP,
	DELIVER_EXTINT,
};

enum lapic_shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

enum lapic_error { ERR_SEND_ILLEGAL = 5, ERR_RECEIVE_ILLEGAL = 6 };

/* As IA32_APIC_BASE has it. */
enum lapic_mode { LAPIC_DISABLED, LAPIC_XAPIC, LAPIC_X2APIC };

struct lapic_regs {
	struct vecmap irr;
	struct vecmap isr;
	unsigned long tmr[4];
	unsigned long esr_pending; /* BIT(enum lapic_error), until ESR is written */
	u8 mode;		   /* enum lapic_mode */
	bool has_deadline;	   /* the vCPU is offered TSC-deadline mode */
	u32 id;			   /* in xAPIC mode the 8 bits of the register's high byte */
	u32 x2apic_id;		   /* the vCPU's ID, which x2APIC mode shows; never changes */
	u32 *tpr; /* on the virtual-APIC page, as the guest's MOV CR8 need not exit */
	u32 ldr, dfr;
	u32 svr;
	u32 esr;
	u64 icr;
	u32 lvt[NR_LVTS];
	u32 tmict, tdcr;
};

/* Whom destination 0xff means, beside the LAPIC that has that ID. */
enum lapic_ff { FF_EVERYBODY, FF_XAPICS, FF_NOBODY };

/* An interrupt message on its way to one or more LAPICs. */
struct lapic_msg {
	u32 dest;
	u8 vector;
	u8 mode; /* enum lapic_delivery */
	u8 shorthand;
	bool logical;
	bool wide;   /* 32-bit destination, all ones are everybody */
	u8 ff;	     /* enum lapic_ff */
	bool level;  /* trigger mode: level */
	bool assert; /* of a level-triggered one; also tells INIT from INIT de-assert */
	bool lowest; /* one of the matching LAPICs only */
};

/* What a write to a register asks of the caller. */
#define LAPIC_DO_GP BIT(0)    /* no such register, or reserved bits: #GP in x2APIC mode */
#define LAPIC_DO_EVENT BIT(1) /* something may have become deliverable */
#define LAPIC_DO_MAP BIT(2)   /* ID, logical ID or enable changed */
#define LAPIC_DO_SEND BIT(3)  /* ICR was written */
#define LAPIC_DO_EOI BIT(4)
#define LAPIC_DO_TIMER_START BIT(5)
#define LAPIC_DO_TIMER_STOP BIT(6)
#define LAPIC_DO_TIMER_SCALE BIT(7) /* the divisor changed */
#define LAPIC_DO_SELF_IPI BIT(8)

void lapic_regs_reset(struct lapic_regs *regs, u32 id, bool init);
/* x2APIC mode was entered: the logical ID follows from the ID. */
void lapic_regs_enter_x2apic(struct lapic_regs *regs, u32 id);
bool lapic_base_move_valid(enum lapic_mode from, u64 base, u64 reserved);

/*
 * Return: false: no such register. LAPIC_TMCCT is the caller's business, as
 * this file does not know the time.
 */
bool lapic_regs_read(const struct lapic_regs *regs, u32 reg, u32 *value);
/* Return: LAPIC_DO_ bits. In x2APIC mode LAPIC_ICR takes 64 bits. */
u32 lapic_regs_write(struct lapic_regs *regs, u32 reg, u64 value);

u32 lapic_ppr(const struct lapic_regs *regs);
/*
 * The vector that would interrupt the processor now, or a number below 0: ~c, if TPR holds back
 * vectors of class c and below, of which the highest waits; else -1, that is ~0.
 */
int lapic_pending(const struct lapic_regs *regs);
/* Moves that vector from IRR to ISR, as the processor takes it. The vector, or -1. */
int lapic_accept(struct lapic_regs *regs);
/* Ends the interrupt of the highest vector in service. That vector, or -1. */
int lapic_eoi(struct lapic_regs *regs);

/*
 * The highest vector in service if its end may be noted late, because no other
 * interrupt waits for it; -1 otherwise, or if there is none.
 */
int lapic_eoi_can_wait(const struct lapic_regs *regs);

/*
 * What KVM_SET_VAPIC_ADDR has the guest see. A byte each, from the lowest: TPR,
 * the class of the highest vector in service, 0, the highest requested vector.
 */
u32 lapic_vapic_word(const struct lapic_regs *regs);

/*
 * A fixed interrupt arrives. Any context.
 * Return: 1: newly pending; 0: it was pending already; -1: not taken, as the
 * LAPIC is disabled. An illegal vector may make the error interrupt pending
 * instead: 1.
 */
int lapic_request(struct lapic_regs *regs, u8 vector, bool level);

/* Notes an error. Any context. Return: whether the error interrupt became pending. */
bool lapic_error(struct lapic_regs *regs, enum lapic_error error);

/* Is @msg, whose shorthand is TO_DEST, for this LAPIC? */
bool lapic_match(const struct lapic_regs *regs, const struct lapic_msg *msg);
void lapic_msg_from_icr(struct lapic_msg *msg, u64 icr, bool x2apic);
/* @wide: bits 63:40 of the address are bits 31:8 of the destination. Else they mean nothing. */
void lapic_msg_from_msi(struct lapic_msg *msg, u64 addr, u32 data, bool wide);
/* May LAPICs take it that do not have its destination as ID, because it is for everybody? */
bool lapic_msg_for_all(const struct lapic_msg *msg);

static inline bool lapic_sw_enabled(const struct lapic_regs *regs)
{
	return READ_ONCE(regs->svr) & SVR_ENABLED;
}

/* Does LINT0 pass the interrupts of the 8259A, which come with their own vector? */
bool lapic_accepts_extint(const struct lapic_regs *regs);

enum lapic_timer_mode lapic_timer_mode(const struct lapic_regs *regs);
/* The timer counts nanoseconds divided by 1 << shift. */
int lapic_timer_shift(const struct lapic_regs *regs);
/* Nanoseconds from @tsc to @deadline; 0: it is past. Saturates at some decades. */
u64 lapic_deadline_ns(u64 deadline, u64 tsc, u32 tsc_khz);

/*
 * Registers in the layout of the xAPIC page, with the ID in its high byte; with
 * @ids32, in x2APIC mode, in all of it. ICR's high half is at LAPIC_ICR2 always.
 */
void lapic_regs_save(const struct lapic_regs *regs, u32 tmcct, bool ids32,
		     u8 page[LAPIC_PAGE_SIZE]);
/* 0; -EINVAL: in x2APIC mode the ID is the vCPU's and cannot change. */
int lapic_regs_load(struct lapic_regs *regs, const u8 page[LAPIC_PAGE_SIZE], bool ids32,
		    u32 *tmcct);

#endif
