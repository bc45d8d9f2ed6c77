// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of a local APIC: what is read, what a write does, whom a
 * message is for. Pure logic that compiles in userspace; lapic.c and
 * lapic_ipi.c call it and do what it asks for (LAPIC_DO_*).
 *
 * What a reader must know: IRR, TMR and .esr_pending change at any time, by
 * atomic operations of others; mode, IDs, SVR and LVT entries are read by
 * others. Both are accessed with READ_ONCE() and WRITE_ONCE(). All else is the
 * vCPU's thread's alone; TPR also its guest's, while that runs.
 */
#include "pc/lapic_regs.h"

#define ID_MAX_XAPIC 0xff
#define LVT_VECTOR 0xff
#define LVT_MODE (7u << 8)
#define LVT_READ_ONLY (BIT(12) | BIT(14)) /* delivery status, remote IRR */
#define LVT_POLARITY BIT(13)
#define LVT_LEVEL BIT(15)
#define LVT_TIMER_SHIFT 17

#define SVR_WRITABLE 0x3ff
#define TDCR_WRITABLE 0xb
#define DFR_FIXED 0x0fffffff /* bits of DFR that read as ones */
#define ICR_STATUS BIT(12)   /* delivery status: always idle, as what is sent arrives at once */
#define ERRORS (BIT(ERR_SEND_ILLEGAL) | BIT(ERR_RECEIVE_ILLEGAL))
/*
 * Where a saved page keeps the errors that ESR will show when it is written
 * next. It is a place that no register has, as registers are 4 bytes of their
 * 16, and KVM keeps what it finds there.
 */
#define SAVED_ESR_PENDING (LAPIC_ESR + 4)
#define ICR_RESERVED (BIT(13) | GENMASK(17, 16) | GENMASK(31, 20))

/*
 * Bits that software may change in each entry of the local vector table. Mode 2
 * of the timer, TSC deadline, is added where CPUID offers it. SDM: "Local
 * Vector Table".
 */
static const u32 lvt_writable[NR_LVTS] = {
	[LVT_TIMER] = LVT_VECTOR | LVT_MASKED | 1u << LVT_TIMER_SHIFT,
	[LVT_THERMAL] = LVT_VECTOR | LVT_MODE | LVT_MASKED,
	[LVT_PERF] = LVT_VECTOR | LVT_MODE | LVT_MASKED,
	[LVT_LINT0] = LVT_VECTOR | LVT_MODE | LVT_POLARITY | LVT_LEVEL | LVT_MASKED,
	[LVT_LINT1] = LVT_VECTOR | LVT_MODE | LVT_POLARITY | LVT_LEVEL | LVT_MASKED,
	[LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
};

static bool lapic_is_x2apic(const struct lapic_regs *regs)
{
	return regs->mode == LAPIC_X2APIC;
}

/* SDM: "Deriving Logical x2APIC ID from the Local x2APIC ID". */
static u32 x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

/* The mode comes last, so that a message sees x2APIC mode with its IDs only. */
void lapic_regs_enter_x2apic(struct lapic_regs *regs, u32 id)
{
	WRITE_ONCE(regs->id, id);
	WRITE_ONCE(regs->x2apic_id, id);
	WRITE_ONCE(regs->ldr, x2apic_ldr(id));
	WRITE_ONCE(regs->mode, LAPIC_X2APIC);
}

static void clear_vectors(struct lapic_regs *regs)
{
	int i;

	memset(&regs->irr, 0, sizeof(regs->irr));
	memset(&regs->isr, 0, sizeof(regs->isr));
	for (i = 0; i < 4; i++)
		WRITE_ONCE(regs->tmr[i], 0);
}

/*
 * @init: an INIT, which keeps the ID and the mode.
 * SDM: "Local APIC State After Power-Up or Reset".
 */
void lapic_regs_reset(struct lapic_regs *regs, u32 id, bool init)
{
	int i;

	clear_vectors(regs);
	regs->esr_pending = 0;
	regs->esr = 0;
	WRITE_ONCE(*regs->tpr, 0);
	regs->icr = 0;
	regs->tmict = 0;
	regs->tdcr = 0;
	for (i = 0; i < NR_LVTS; i++)
		WRITE_ONCE(regs->lvt[i], LVT_MASKED);
	WRITE_ONCE(regs->svr, 0xff);
	WRITE_ONCE(regs->dfr, 0xffffffff);
	WRITE_ONCE(regs->x2apic_id, id);
	if (!init)
		WRITE_ONCE(regs->id, lapic_is_x2apic(regs) ? id : id & ID_MAX_XAPIC);
	WRITE_ONCE(regs->ldr, lapic_is_x2apic(regs) ? x2apic_ldr(regs->id) : 0);
}

/*
 * May IA32_APIC_BASE become @base? Left out are the steps that the SDM forbids:
 * from x2APIC back to xAPIC, and from disabled to x2APIC at once.
 * @reserved: bits that must be 0. SDM: "x2APIC State Transitions".
 */
bool lapic_base_move_valid(enum lapic_mode from, u64 base, u64 reserved)
{
	bool enable = base & BIT(11), x2apic = base & BIT(10);

	if (base & reserved)
		return false;
	if (!enable)
		return !x2apic;
	return x2apic ? from != LAPIC_DISABLED : from != LAPIC_X2APIC;
}

/* SDM: "Task and Processor Priorities". */
u32 lapic_ppr(const struct lapic_regs *regs)
{
	int vector = vecmap_highest(&regs->isr);
	u32 in_service = vector < 0 ? 0 : vector & 0xf0;
	u32 tpr = READ_ONCE(*regs->tpr);

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/* The cheap test comes first: nearly always nothing is requested. */
int lapic_pending(const struct lapic_regs *regs)
{
	int vector;

	if (vecmap_empty(&regs->irr) || regs->mode == LAPIC_DISABLED)
		return -1;
	vector = vecmap_highest(&regs->irr);
	if (vector < 0)
		return -1;
	if ((u32)vector >> 4 > lapic_ppr(regs) >> 4)
		return vector;
	return (u32)vector >> 4 <= READ_ONCE(*regs->tpr) >> 4 ? ~(vector >> 4) : -1;
}

int lapic_accept(struct lapic_regs *regs)
{
	int vector = lapic_pending(regs);

	if (vector < 0)
		return -1;
	/* In this order, so that nobody sees the vector in neither. */
	vecmap_add(&regs->isr, vector);
	vecmap_remove(&regs->irr, vector);
	return vector;
}

int lapic_eoi(struct lapic_regs *regs)
{
	int vector = vecmap_highest(&regs->isr);

	if (vector >= 0)
		vecmap_remove(&regs->isr, vector);
	return vector;
}

int lapic_eoi_can_wait(const struct lapic_regs *regs)
{
	return vecmap_empty(&regs->irr) ? vecmap_highest(&regs->isr) : -1;
}

u32 lapic_vapic_word(const struct lapic_regs *regs)
{
	u32 requested = max(vecmap_highest(&regs->irr), 0);
	u32 in_service = max(vecmap_highest(&regs->isr), 0);

	return (READ_ONCE(*regs->tpr) & 0xff) | (in_service & 0xf0) << 8 | requested << 24;
}

/*
 * TMR is set before IRR, and only where it differs: whoever takes the vector
 * out of IRR finds the trigger mode that belongs to it.
 */
int lapic_request(struct lapic_regs *regs, u8 vector, bool level)
{
	if (!lapic_sw_enabled(regs))
		return -1;
	if (unlikely(vector < 16))
		return lapic_error(regs, ERR_RECEIVE_ILLEGAL) ? 1 : -1;
	if (level != test_bit(vector, regs->tmr)) {
		if (level)
			set_bit(vector, regs->tmr);
		else
			clear_bit(vector, regs->tmr);
	}
	return vecmap_add(&regs->irr, vector);
}

/* The error's own interrupt is raised once until software has written ESR. */
bool lapic_error(struct lapic_regs *regs, enum lapic_error error)
{
	u32 lvt = READ_ONCE(regs->lvt[LVT_ERROR]);

	if (test_and_set_bit(error, &regs->esr_pending))
		return false;
	if (lvt & LVT_MASKED || (lvt & LVT_VECTOR) < 16)
		return false;
	clear_bit(lvt & LVT_VECTOR, regs->tmr);
	return vecmap_add(&regs->irr, lvt & LVT_VECTOR);
}

/*
 * A LAPIC that IA32_APIC_BASE disables is as if it were not there, and INTR
 * reaches the processor.
 */
bool lapic_accepts_extint(const struct lapic_regs *regs)
{
	u32 lvt = READ_ONCE(regs->lvt[LVT_LINT0]);

	if (regs->mode == LAPIC_DISABLED)
		return true;
	return !(lvt & LVT_MASKED) && (lvt & LVT_MODE) >> 8 == DELIVER_EXTINT;
}

enum lapic_timer_mode lapic_timer_mode(const struct lapic_regs *regs)
{
	return READ_ONCE(regs->lvt[LVT_TIMER]) >> LVT_TIMER_SHIFT & 3;
}

/* The code in bits 3, 1 and 0 means 2, 4, ... 128, and 1 as the last. */
int lapic_timer_shift(const struct lapic_regs *regs)
{
	u32 tdcr = READ_ONCE(regs->tdcr), code = (tdcr & 3) | (tdcr & 8) >> 1;

	return (code + 1) & 7;
}

/*
 * Rounded up by one, so that the TSC has passed the deadline when the timer
 * expires. The products stay within 64 bits: some 35 years are the most that is
 * returned.
 */
u64 lapic_deadline_ns(u64 deadline, u64 tsc, u32 tsc_khz)
{
	u64 ticks = deadline - tsc, ms;

	if (deadline <= tsc || !tsc_khz)
		return 0;
	ms = div_u64(ticks, tsc_khz);
	if (ms >= BIT_ULL(40))
		return BIT_ULL(40) * 1000000;
	return mul_u64_u64_div_u64(ticks, 1000000, tsc_khz) + 1;
}

/* ISR, TMR and IRR are 8 registers of 32 vectors each. */
static u32 bitmap_word(const struct lapic_regs *regs, u32 reg)
{
	int i = reg >> 4 & 7;

	switch (reg & 0x380) {
	case LAPIC_ISR: return vecmap_get32(&regs->isr, i);
	case LAPIC_IRR: return vecmap_get32(&regs->irr, i);
	default: return READ_ONCE(regs->tmr[i / 2]) >> (i % 2 * 32);
	}
}

static bool is_lvt(u32 reg)
{
	return reg >= LAPIC_LVT && reg < LAPIC_LVT + NR_LVTS * 16;
}

/*
 * May @reg be read in this mode? Registers that only xAPIC mode has, and EOI,
 * which cannot be read, fault in x2APIC mode.
 */
static bool lapic_readable(const struct lapic_regs *regs, u32 reg)
{
	switch (reg) {
	case LAPIC_APR:
	case LAPIC_DFR:
	case LAPIC_ICR2:
	case LAPIC_EOI: return !lapic_is_x2apic(regs);
	default: return !(reg & 0xf);
	}
}

bool lapic_regs_read(const struct lapic_regs *regs, u32 reg, u32 *value)
{
	*value = 0;
	if (!lapic_readable(regs, reg))
		return false;
	if (reg >= LAPIC_ISR && reg < LAPIC_ESR) {
		*value = bitmap_word(regs, reg);
		return true;
	}
	if (is_lvt(reg)) {
		*value = regs->lvt[(reg - LAPIC_LVT) >> 4];
		return true;
	}
	switch (reg) {
	case LAPIC_ID: *value = lapic_is_x2apic(regs) ? regs->id : regs->id << 24; break;
	case LAPIC_VERSION: *value = LAPIC_VERSION_VALUE; break;
	case LAPIC_TPR: *value = READ_ONCE(*regs->tpr); break;
	case LAPIC_PPR: *value = lapic_ppr(regs); break;
	case LAPIC_LDR: *value = regs->ldr; break;
	case LAPIC_DFR: *value = regs->dfr; break;
	case LAPIC_SVR: *value = regs->svr; break;
	case LAPIC_ESR: *value = regs->esr; break;
	case LAPIC_ICR: *value = regs->icr; break;
	case LAPIC_ICR2: *value = regs->icr >> 32; break;
	case LAPIC_TMICT: *value = regs->tmict; break;
	case LAPIC_TDCR: *value = regs->tdcr; break;
	case LAPIC_APR:
	case LAPIC_EOI:
	case LAPIC_TMCCT: break;
	default: return false;
	}
	return true;
}

/*
 * A LAPIC that software disables masks all its LVT entries, and masked they
 * stay when it is enabled again. SDM: "Local APIC State After It Has Been
 * Software Disabled".
 */
static u32 write_svr(struct lapic_regs *regs, u32 value)
{
	u32 old = regs->svr;
	int i;

	WRITE_ONCE(regs->svr, value & SVR_WRITABLE);
	if (!((old ^ value) & SVR_ENABLED))
		return 0;
	if (!(value & SVR_ENABLED))
		for (i = 0; i < NR_LVTS; i++)
			WRITE_ONCE(regs->lvt[i], regs->lvt[i] | LVT_MASKED);
	return LAPIC_DO_MAP | LAPIC_DO_EVENT;
}

static u32 lvt_mask(const struct lapic_regs *regs, int i)
{
	if (i == LVT_TIMER && regs->has_deadline)
		return lvt_writable[i] | 2u << LVT_TIMER_SHIFT;
	return lvt_writable[i];
}

/* Going to or from TSC-deadline mode disarms the timer. SDM: "TSC-Deadline Mode". */
static u32 write_lvt(struct lapic_regs *regs, int i, u32 value)
{
	u32 mask = lvt_mask(regs, i);
	bool was_deadline = lapic_timer_mode(regs) == TIMER_DEADLINE;

	if (lapic_is_x2apic(regs) && value & ~(mask | LVT_READ_ONLY))
		return LAPIC_DO_GP;
	value &= mask;
	if (!lapic_sw_enabled(regs))
		value |= LVT_MASKED;
	WRITE_ONCE(regs->lvt[i], value);
	if (i != LVT_TIMER)
		return LAPIC_DO_EVENT;
	if (was_deadline == (lapic_timer_mode(regs) == TIMER_DEADLINE))
		return 0;
	regs->tmict = 0;
	return LAPIC_DO_TIMER_STOP;
}

static u32 lapic_regs_write_icr(struct lapic_regs *regs, u64 value)
{
	if (lapic_is_x2apic(regs)) {
		if (value & ICR_RESERVED)
			return LAPIC_DO_GP;
		regs->icr = value & ~(u64)ICR_STATUS;
	} else {
		/* Reserved bits mean nothing here, and are read as they were written. */
		regs->icr = (regs->icr & GENMASK_ULL(63, 32)) | ((u32)value & ~(u32)ICR_STATUS);
	}
	return LAPIC_DO_SEND;
}

/*
 * A write has ESR show what has come together since the last one. Errors may
 * arrive meanwhile: each bit is cleared by an atomic operation.
 */
static u32 write_esr(struct lapic_regs *regs)
{
	unsigned int error;

	regs->esr = 0;
	for (error = ERR_SEND_ILLEGAL; error <= ERR_RECEIVE_ILLEGAL; error++)
		if (test_bit(error, &regs->esr_pending)) {
			clear_bit(error, &regs->esr_pending);
			regs->esr |= BIT(error);
		}
	return 0;
}

/* In TSC-deadline mode writes to the initial count are ignored. */
static u32 write_tmict(struct lapic_regs *regs, u32 value)
{
	if (lapic_timer_mode(regs) == TIMER_DEADLINE)
		return 0;
	WRITE_ONCE(regs->tmict, value);
	return LAPIC_DO_TIMER_START;
}

/* Writes to registers that x2APIC mode lacks or makes read-only. */
static u32 write_xapic(struct lapic_regs *regs, u32 reg, u32 value)
{
	if (lapic_is_x2apic(regs))
		return LAPIC_DO_GP;
	switch (reg) {
	case LAPIC_ID: WRITE_ONCE(regs->id, value >> 24); break;
	case LAPIC_LDR: WRITE_ONCE(regs->ldr, value & 0xff000000); break;
	case LAPIC_DFR: WRITE_ONCE(regs->dfr, value | DFR_FIXED); break;
	default: regs->icr = (u32)regs->icr | (u64)(value & 0xff000000) << 32; return 0;
	}
	return LAPIC_DO_MAP;
}

/* Bits of @reg that must be 0 in x2APIC mode. LVT entries and ICR are checked where written. */
static u64 lapic_reserved_bits(u32 reg)
{
	switch (reg) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI: return ~0xffULL;
	case LAPIC_EOI:
	case LAPIC_ESR: return ~0ULL;
	case LAPIC_SVR: return ~(u64)SVR_WRITABLE;
	case LAPIC_TDCR: return ~(u64)TDCR_WRITABLE;
	case LAPIC_ICR: return 0;
	default: return GENMASK_ULL(63, 32);
	}
}

/* LAPIC_DO_GP faults in x2APIC mode only; in xAPIC mode such a write is lost. */
u32 lapic_regs_write(struct lapic_regs *regs, u32 reg, u64 value)
{
	if (lapic_is_x2apic(regs) && value & lapic_reserved_bits(reg))
		return LAPIC_DO_GP;
	if (is_lvt(reg) && !(reg & 0xf))
		return write_lvt(regs, (reg - LAPIC_LVT) >> 4, value);
	switch (reg) {
	case LAPIC_TPR: WRITE_ONCE(*regs->tpr, value & 0xff); return LAPIC_DO_EVENT;
	case LAPIC_EOI: return LAPIC_DO_EOI;
	case LAPIC_SVR: return write_svr(regs, value);
	case LAPIC_ESR: return write_esr(regs);
	case LAPIC_ICR: return lapic_regs_write_icr(regs, value);
	case LAPIC_TMICT: return write_tmict(regs, value);
	case LAPIC_TDCR: WRITE_ONCE(regs->tdcr, value & TDCR_WRITABLE); return LAPIC_DO_TIMER_SCALE;
	case LAPIC_SELF_IPI: return lapic_is_x2apic(regs) ? LAPIC_DO_SELF_IPI : LAPIC_DO_GP;
	case LAPIC_ID:
	case LAPIC_LDR:
	case LAPIC_DFR:
	case LAPIC_ICR2: return write_xapic(regs, reg, value);
	default: return LAPIC_DO_GP;
	}
}

/*
 * A vCPU whose ID is too large for xAPIC mode starts in that mode all the same.
 * Only its ID of x2APIC mode tells it from others, so it answers to that one,
 * too.
 */
static bool match_physical(const struct lapic_regs *regs, const struct lapic_msg *msg)
{
	u32 x2apic_id = READ_ONCE(regs->x2apic_id);

	return READ_ONCE(regs->id) == msg->dest ||
	       (x2apic_id > ID_MAX_XAPIC && x2apic_id == msg->dest);
}

/* SDM: "Logical Destination Mode", "Logical Destination Mode in x2APIC Mode". */
static bool match_logical(const struct lapic_regs *regs, u32 dest)
{
	u32 ldr = READ_ONCE(regs->ldr);

	if (READ_ONCE(regs->mode) == LAPIC_X2APIC)
		return ldr >> 16 == dest >> 16 && ldr & dest & 0xffff;
	if (dest > ID_MAX_XAPIC)
		return false;
	ldr >>= 24;
	switch (READ_ONCE(regs->dfr) >> 28) {
	case 0xf: /* flat */ return ldr & dest;
	case 0x0: /* cluster */ return ldr >> 4 == dest >> 4 && ldr & dest & 0xf;
	default: return false;
	}
}

/* Is @msg for every LAPIC that is in @mode? */
static bool for_all_in(enum lapic_mode mode, const struct lapic_msg *msg)
{
	if (msg->wide && msg->dest == 0xffffffff)
		return true;
	if (msg->dest != ID_MAX_XAPIC)
		return false;
	return msg->ff == FF_EVERYBODY || (msg->ff == FF_XAPICS && mode == LAPIC_XAPIC);
}

bool lapic_msg_for_all(const struct lapic_msg *msg)
{
	return for_all_in(LAPIC_XAPIC, msg);
}

bool lapic_match(const struct lapic_regs *regs, const struct lapic_msg *msg)
{
	enum lapic_mode mode = READ_ONCE(regs->mode);

	if (mode == LAPIC_DISABLED)
		return false;
	if (for_all_in(mode, msg))
		return true;
	return msg->logical ? match_logical(regs, msg->dest) : match_physical(regs, msg);
}

void lapic_msg_from_icr(struct lapic_msg *msg, u64 icr, bool x2apic)
{
	*msg = (struct lapic_msg){
		.dest = x2apic ? icr >> 32 : icr >> 56,
		.vector = icr,
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.logical = icr & BIT(11),
		.wide = x2apic,
		.ff = x2apic ? FF_NOBODY : FF_EVERYBODY,
		.level = icr & BIT(15),
		.assert = icr & BIT(14),
	};
	msg->lowest = msg->mode == DELIVER_LOWEST;
	/* IPIs are edges. Only of INIT the level matters: INIT de-assert does nothing. */
	if (msg->mode != DELIVER_INIT)
		msg->level = false;
}

/* SDM: "Message Address Register Format", "Message Data Register Format". */
void lapic_msg_from_msi(struct lapic_msg *msg, u64 addr, u32 data, bool wide)
{
	bool hint = addr & BIT(3);

	*msg = (struct lapic_msg){
		.dest = addr >> 12 & 0xff,
		.vector = data,
		.mode = data >> 8 & 7,
		.logical = addr & BIT(2),
		.level = data & BIT(15),
		.assert = true,
		.wide = wide,
	};
	if (wide)
		msg->dest |= (u32)(addr >> 32) & ~(u32)ID_MAX_XAPIC;
	msg->lowest = msg->mode == DELIVER_LOWEST || (hint && msg->mode == DELIVER_FIXED);
}

static void lapic_put32(u8 *page, u32 reg, u32 value)
{
	memcpy(page + reg, &value, sizeof(value));
}

static u32 lapic_get32(const u8 *page, u32 reg)
{
	u32 value;

	memcpy(&value, page + reg, sizeof(value));
	return value;
}

/*
 * Beside what software can read in this mode, registers of xAPIC mode are saved
 * in both.
 */
void lapic_regs_save(const struct lapic_regs *regs, u32 tmcct, bool ids32, u8 page[LAPIC_PAGE_SIZE])
{
	u32 reg, value;

	memset(page, 0, LAPIC_PAGE_SIZE);
	for (reg = 0; reg < LAPIC_PAGE_SIZE; reg += 16)
		if (lapic_regs_read(regs, reg, &value))
			lapic_put32(page, reg, value);
	lapic_put32(page, LAPIC_ID, ids32 && lapic_is_x2apic(regs) ? regs->id : regs->id << 24);
	lapic_put32(page, LAPIC_DFR, regs->dfr);
	lapic_put32(page, LAPIC_ICR2, regs->icr >> 32);
	lapic_put32(page, LAPIC_TMCCT, tmcct);
	lapic_put32(page, SAVED_ESR_PENDING, regs->esr_pending);
}

/*
 * No LAPIC takes a vector below 16. Userspace may set them, as KVM lets it, and reads them back;
 * lapic_pending() finds none, as their class is not above the lowest priority.
 */
static void load_vectors(struct lapic_regs *regs, const u8 *page)
{
	u32 low, high;
	int i;

	for (i = 0; i < 8; i++) {
		vecmap_set32(&regs->isr, i, lapic_get32(page, LAPIC_ISR + i * 16));
		vecmap_set32(&regs->irr, i, lapic_get32(page, LAPIC_IRR + i * 16));
	}
	for (i = 0; i < 4; i++) {
		low = lapic_get32(page, LAPIC_TMR + i * 32);
		high = lapic_get32(page, LAPIC_TMR + i * 32 + 16);
		regs->tmr[i] = low | (unsigned long)high << 32;
	}
}

/* Userspace may set CPUID, which grants TSC-deadline mode, after the registers. */
static u32 loadable_lvt(int i)
{
	return lvt_writable[i] | (i == LVT_TIMER ? 2u << LVT_TIMER_SHIFT : 0);
}

/* In x2APIC mode the ID cannot change, and must be the one that lapic_regs_save() gives. */
static bool id_ok(const struct lapic_regs *regs, u32 id, bool ids32)
{
	return !lapic_is_x2apic(regs) || id == (ids32 ? regs->id : regs->id << 24);
}

/*
 * Values that no register can have are masked, not refused: only the ID is
 * compared. Nobody may add to IRR meanwhile; the vCPU does not run.
 */
int lapic_regs_load(struct lapic_regs *regs, const u8 page[LAPIC_PAGE_SIZE], bool ids32, u32 *tmcct)
{
	u32 id = lapic_get32(page, LAPIC_ID);
	int i;

	if (!id_ok(regs, id, ids32))
		return -EINVAL;
	id = lapic_is_x2apic(regs) ? regs->id : id >> 24;
	load_vectors(regs, page);
	WRITE_ONCE(regs->id, id);
	WRITE_ONCE(regs->ldr, lapic_is_x2apic(regs) ? x2apic_ldr(id)
						    : lapic_get32(page, LAPIC_LDR) & 0xff000000);
	WRITE_ONCE(regs->dfr, lapic_get32(page, LAPIC_DFR) | DFR_FIXED);
	WRITE_ONCE(*regs->tpr, lapic_get32(page, LAPIC_TPR) & 0xff);
	WRITE_ONCE(regs->svr, lapic_get32(page, LAPIC_SVR) & SVR_WRITABLE);
	regs->esr = lapic_get32(page, LAPIC_ESR) & ERRORS;
	regs->esr_pending = lapic_get32(page, SAVED_ESR_PENDING) & ERRORS;
	regs->icr = lapic_get32(page, LAPIC_ICR) | (u64)lapic_get32(page, LAPIC_ICR2) << 32;
	for (i = 0; i < NR_LVTS; i++)
		WRITE_ONCE(regs->lvt[i], lapic_get32(page, LAPIC_LVT + i * 16) & loadable_lvt(i));
	regs->tmict = lapic_get32(page, LAPIC_TMICT);
	regs->tdcr = lapic_get32(page, LAPIC_TDCR) & TDCR_WRITABLE;
	*tmcct = lapic_get32(page, LAPIC_TMCCT);
	return 0;
}
