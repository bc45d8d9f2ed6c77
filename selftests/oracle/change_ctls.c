// SPDX-License-Identifier: GPL-2.0-only
/* Changes to controls, to what they point to, and to the injected event. */
#include "oracle.h"

/* The kinds of controls: the bits that may be used, and some that never may. */
static const struct control {
	enum field field;
	const u32 *common;
	u32 reserved; /* bits that no side offers, or none lets be 0 */
} controls[] = {
	{ F_PIN_CTLS, &common_pin, 0xffffff16 },     { F_PROC_CTLS, &common_proc, 0x04046173 },
	{ F_PROC2_CTLS, &common_proc2, 0xf0800000 }, { F_EXIT_CTLS, &common_exit, 0x80036dfb },
	{ F_ENTRY_CTLS, &common_entry, 0xf00011fb },
};

static u32 random_bit(struct rng *r, u32 mask)
{
	u32 bit;

	do
		bit = BIT(rng_below(r, 32));
	while (!(mask & bit));
	return bit;
}

/* The timer stays on: it is what ends a case for sure. */
void change_controls(struct trial *t, struct rng *r)
{
	const struct control *c = &RNG_PICK(r, controls);

	flip(t, c->field, random_bit(r, *c->common & (c == controls ? ~PIN_PREEMPT_TIMER : ~0u)));
}

void change_reserved(struct trial *t, struct rng *r)
{
	const struct control *c = &RNG_PICK(r, controls);

	flip(t, c->field, random_bit(r, c->reserved));
}

/* Within the processor's width, but there is neither memory nor a device. */
static const u64 nowhere[] = { 1ULL << 36, 0xd0000000 };

/* Misaligned, too wide, both, or without memory. */
static u64 bad_address(struct rng *r, u64 good)
{
	switch (rng_below(r, 6)) {
	case 0: return good | 1ULL << rng_below(r, 12);
	case 1: return good | 1ULL << (MAXPHYADDR + rng_below(r, 64 - MAXPHYADDR));
	case 2: return ~0ULL;
	case 3:
	case 4: return RNG_PICK(r, nowhere);
	default: return good;
	}
}

struct address {
	enum field field;
	enum field control;
	u32 bit;
};

static const struct address addresses[] = {
	{ F_IO_BITMAP_A, F_PROC_CTLS, PROC_IO_BITMAPS },
	{ F_IO_BITMAP_B, F_PROC_CTLS, PROC_IO_BITMAPS },
	{ F_MSR_BITMAP, F_PROC_CTLS, PROC_MSR_BITMAPS },
	{ F_VIRT_APIC_ADDR, F_PROC_CTLS, PROC_TPR_SHADOW },
	{ F_APIC_ACCESS_ADDR, F_PROC2_CTLS, PROC2_APIC_ACCESS },
	{ F_EPT_POINTER, F_PROC2_CTLS, PROC2_EPT },
	{ F_EPTP_LIST_ADDR, F_PROC2_CTLS, PROC2_VMFUNC },
	{ F_VMREAD_BITMAP, F_PROC2_CTLS, PROC2_SHADOW_VMCS },
	{ F_VMWRITE_BITMAP, F_PROC2_CTLS, PROC2_SHADOW_VMCS },
	{ F_ENTRY_MSR_LOAD_ADDR, F_ENTRY_MSR_LOAD_COUNT, 1 },
	{ F_EXIT_MSR_STORE_ADDR, F_EXIT_MSR_STORE_COUNT, 1 },
	{ F_EXIT_MSR_LOAD_ADDR, F_EXIT_MSR_LOAD_COUNT, 1 },
};

/* An address that is wrong; half of the time its control makes it count. */
void change_addresses(struct trial *t, struct rng *r)
{
	const struct address *a = &RNG_PICK(r, addresses);
	u64 bad = bad_address(r, t->want[a->field]);

	t->remapped |= a->field == F_EPT_POINTER;
	if (rng_one_in(r, 2))
		set(t, a->control, t->want[a->control] | a->bit);
	/* A list that is well-formed but elsewhere would load what is there. */
	if (a->bit != 1 || (bad & 0xf) || bad >> MAXPHYADDR)
		set(t, a->field, bad);
	else
		set(t, a->control, t->want[a->control] & ~(u64)a->bit);
}

static void change_eptp(struct trial *t, struct rng *r)
{
	t->remapped = true;
	flip(t, F_EPT_POINTER, 1ULL << rng_below(r, 12));
}

static void change_exceptions(struct trial *t, struct rng *r)
{
	set(t, F_EXCEPTION_BITMAP, rng_next(r) | (rng_one_in(r, 2) ? BIT(VEC_PF) : 0));
	if (!rng_one_in(r, 4))
		return;
	set(t, F_PF_ERROR_MASK, rng_below(r, 32));
	set(t, F_PF_ERROR_MATCH, rng_below(r, 32));
}

static void change_cr_masks(struct trial *t, struct rng *r)
{
	bool cr4 = rng_one_in(r, 2);
	enum field mask = cr4 ? F_CR4_MASK : F_CR0_MASK;
	enum field shadow = cr4 ? F_CR4_SHADOW : F_CR0_SHADOW;

	set(t, mask, rng_one_in(r, 3) ? ~0ULL : 1ULL << rng_below(r, 32) | 1 << rng_below(r, 8));
	if (rng_one_in(r, 2))
		flip(t, shadow, 1ULL << rng_below(r, 32) | 1 << rng_below(r, 8));
}

static void change_cr3_targets(struct trial *t, struct rng *r)
{
	static const u32 counts[] = { 0, 1, 2, 3, 4, 5, 0xff, 0x80000000 };
	u32 i = rng_below(r, 4);

	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_CR3_LOAD);
	set(t, F_CR3_TARGET_COUNT, RNG_PICK(r, counts));
	set(t, F_CR3_TARGET0 + i, rng_one_in(r, 2) ? t->want[F_GUEST_CR3] : rng_edge(r));
}

static void change_tpr(struct trial *t, struct rng *r)
{
	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_TPR_SHADOW);
	set(t, F_TPR_THRESHOLD, rng_one_in(r, 8) ? (u32)rng_edge(r) : rng_below(r, 16));
	poke(t, "VTPR", l1_pages.vapic + VAPIC_TPR, 4, rng_below(r, 256));
	if (!rng_one_in(r, 4))
		return;
	/* Then it counts already at the entry, unless L2 is inactive. */
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] | PROC2_APIC_ACCESS);
	if (rng_one_in(r, 3))
		set(t, F_GUEST_ACTIVITY, rng_below(r, ACTIVITY_SIPI));
}

static void change_port(struct trial *t, struct rng *r)
{
	u32 byte = rng_below(r, 0x20);

	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_IO_BITMAPS);
	poke(t, "I/O bitmap", l1_pages.io + byte, 1, rng_next(r) & 0xff);
}

static void change_vpid(struct trial *t, struct rng *r)
{
	set(t, F_VPID, rng_one_in(r, 2) ? 0 : rng_next(r) & 0xffff);
}

static void change_no_ept(struct trial *t, struct rng *r)
{
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] & ~(u64)(PROC2_EPT | PROC2_UNRESTRICTED));
}

static void change_offset(struct trial *t, struct rng *r)
{
	set(t, F_TSC_OFFSET, rng_edge(r));
	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] ^ PROC_TSC_OFFSET);
}

/* What decides which of L2's doings exit. */
void change_intercepts(struct trial *t, struct rng *r)
{
	static void (*const kinds[])(struct trial *, struct rng *) = {
		change_eptp,	 change_exceptions,  change_exceptions, change_cr_masks,
		change_cr_masks, change_cr3_targets, change_tpr,	change_port,
		change_vpid,	 change_no_ept,	     change_offset,
	};

	RNG_PICK(r, kinds)(t, r);
}

/* --- the injected event --------------------------------------------------------- */

static u32 likely_event(struct rng *r)
{
	static const u32 events[] = {
		INTR_TYPE_EXT | 0x20,
		INTR_TYPE_EXT | 0x3f,
		INTR_TYPE_EXT | 0xff,
		INTR_TYPE_NMI | VEC_NMI,
		INTR_TYPE_SOFT_INT | 0x21,
		INTR_TYPE_SOFT_INT | 0x3,
		INTR_TYPE_SOFT_EXC | VEC_BP,
		INTR_TYPE_SOFT_EXC | VEC_OF,
		INTR_TYPE_PRIV_SW_EXC | VEC_DB,
		INTR_TYPE_EXT | 0x30,
		INTR_TYPE_HARD_EXC | VEC_DE,
		INTR_TYPE_HARD_EXC | VEC_DB,
		INTR_TYPE_HARD_EXC | VEC_UD,
		INTR_TYPE_HARD_EXC | VEC_NM,
		INTR_TYPE_HARD_EXC | VEC_MF,
		INTR_TYPE_HARD_EXC | VEC_GP | INTR_HAS_ERROR,
		INTR_TYPE_HARD_EXC | VEC_PF | INTR_HAS_ERROR,
		INTR_TYPE_HARD_EXC | VEC_DF | INTR_HAS_ERROR,
		INTR_TYPE_HARD_EXC | VEC_SS | INTR_HAS_ERROR,
		INTR_TYPE_HARD_EXC | VEC_AC | INTR_HAS_ERROR,
	};

	return RNG_PICK(r, events) | INTR_VALID;
}

void change_event(struct trial *t, struct rng *r)
{
	static const u32 lengths[] = { 0, 1, 2, 3, 15, 16, 0xffffffff };
	static const u32 errors[] = { 0, 1, 2, 0x10, 0x7fff, 0xffff, 0x10000, 0x80000000 };
	u32 info = likely_event(r);

	if (rng_one_in(r, 4))
		info ^= BIT(rng_below(r, 32));
	set(t, F_ENTRY_INTR_INFO, info);
	set(t, F_ENTRY_ERROR_CODE, rng_one_in(r, 4) ? RNG_PICK(r, errors) : 0);
	set(t, F_ENTRY_INSN_LEN, rng_one_in(r, 3) ? RNG_PICK(r, lengths) : 2);
	if (rng_one_in(r, 2))
		set(t, F_EXCEPTION_BITMAP, rng_one_in(r, 2) ? 0 : rng_next(r));
}

/* --- MSR lists -------------------------------------------------------------------- */

/* MSRs that neither side gives a value of its own, and that L1 does not need. */
static const u32 plain_msrs[] = {
	MSR_STAR,	    MSR_LSTAR,	     MSR_CSTAR,	       MSR_FMASK,
	MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
};
static const u32 special_msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_EFER, MSR_PAT, 0x9b, 0x9e, 0x808, 0x830,
};

static void put_entry(struct trial *t, const char *what, struct msr_entry *e, u32 msr, u64 value)
{
	poke(t, what, &e->index, 4, msr);
	poke(t, "its value", &e->value, 8, value);
}

static u64 msr_value(struct rng *r, u32 msr)
{
	if (msr == MSR_FMASK || msr == MSR_SYSENTER_CS)
		return (u32)rng_edge(r);
	return rng_one_in(r, 8) ? rng_edge(r) : 0x1000 * rng_below(r, 16);
}

static void entry_load_list(struct trial *t, struct rng *r)
{
	u32 count = 1 + rng_below(r, 3);

	set(t, F_ENTRY_MSR_LOAD_COUNT, count);
	for (u32 i = 0; i < count; i++) {
		u32 msr = RNG_PICK(r, plain_msrs);

		if (rng_one_in(r, 5))
			msr = RNG_PICK(r, special_msrs);
		put_entry(t, "entry-load list", &l1_pages.entry_load[i], msr, msr_value(r, msr));
	}
	if (rng_one_in(r, 10))
		poke(t, "its reserved word", &l1_pages.entry_load[0].reserved, 4, 1);
}

static void exit_store_list(struct trial *t, struct rng *r)
{
	u32 count = 1 + rng_below(r, 4);

	set(t, F_EXIT_MSR_STORE_COUNT, count);
	for (u32 i = 0; i < count; i++)
		put_entry(t, "exit-store list", &l1_pages.exit_store[i], RNG_PICK(r, plain_msrs),
			  0);
}

/* Only what L1 survives: a list that cannot be loaded ends the machine. */
static void exit_load_list(struct trial *t, struct rng *r)
{
	u32 count = 1 + rng_below(r, 3);

	set(t, F_EXIT_MSR_LOAD_COUNT, count);
	for (u32 i = 0; i < count; i++)
		put_entry(t, "exit-load list", &l1_pages.exit_load[i], RNG_PICK(r, plain_msrs),
			  0x1000 * rng_below(r, 16));
}

void change_msr_list(struct trial *t, struct rng *r)
{
	t->msrs = true;
	switch (rng_below(r, 3)) {
	case 0: entry_load_list(t, r); break;
	case 1: exit_store_list(t, r); break;
	default: exit_load_list(t, r);
	}
}

/* --- EPT -------------------------------------------------------------------------- */

/* Also no page but a table, which has nothing in it, and reserved bits. And L2 goes there. */
static void change_large(struct trial *t, struct rng *r)
{
	static const u64 flips[] = {
		EPTE_R,
		EPTE_W,
		EPTE_X,
		EPTE_RWX,
		EPTE_LARGE,
		EPTE_A | EPTE_D,
		BIT(12),
		BIT(20),
		EPTE_W | EPTE_X,
		1ULL << 40,
		EPTE_IGNORE_PAT,
		0,
		2 << EPTE_MEMTYPE_SHIFT,
	};

	u64 bits = RNG_PICK(r, flips);

	t->remapped = true;
	if (rng_one_in(r, 4))
		flip(t, F_EPT_POINTER, EPTP_AD);
	poke(t, "EPT entry of 2 MiB", large_entry(), 8, *large_entry() ^ bits);
	t->large_reserved = *large_entry() & EPTE_LARGE && *large_entry() & GENMASK_ULL(20, 12);
	if (t->bits == 16)
		return;
	emit_mov(t, GPR_RBX, L2_LARGE + 8 * rng_below(r, 16));
	EMIT(t, rng_one_in(r, 2) ? 0x8b : 0x89, 0x03); /* MOV between EAX and [RBX] */
}

/* No bit of the address that memory has: L2 stays where it is. */
void change_ept(struct trial *t, struct rng *r)
{
	static const u64 flips[] = {
		EPTE_R,
		EPTE_W,
		EPTE_X,
		EPTE_R | EPTE_W,
		EPTE_RWX,
		EPTE_W | EPTE_X,
		EPTE_IGNORE_PAT,
		1 << EPTE_MEMTYPE_SHIFT,
		2 << EPTE_MEMTYPE_SHIFT,
		4 << EPTE_MEMTYPE_SHIFT,
		EPTE_A,
		EPTE_D,
		EPTE_A | EPTE_D,
		EPTE_XU,
		1ULL << 11,
		1ULL << 51,
		1ULL << 40,
		1ULL << 52,
	};
	u32 level = rng_one_in(r, 4) ? rng_below(r, 3) : 3;
	u32 page = rng_below(r, NR_ARENA);
	u64 *entry = l1_pages.ept + 512 * level + (level == 3 ? ARENA / 4096 + page : 0);
	u64 bits = RNG_PICK(r, flips);

	if (rng_one_in(r, 6)) {
		change_large(t, r);
		return;
	}

	t->remapped = true;
	if (rng_one_in(r, 4))
		flip(t, F_EPT_POINTER, EPTP_AD);
	poke(t, level == 3 ? "EPT entry of a page" : "EPT entry of a table", entry, 8,
	     *entry ^ bits);
}
