// SPDX-License-Identifier: GPL-2.0-only
/* Changes to L2's and L1's state. */
#include "oracle.h"

struct edge {
	enum field field;
	u64 value;
	bool flips; /* @value is xored into the field */
};

#define SET(name, v)               \
	{                          \
		F_##name, v, false \
	}
#define FLIP(name, v)             \
	{                         \
		F_##name, v, true \
	}
#define NON_CANONICAL 0x0000800000000000ULL

static void apply(struct trial *t, const struct edge *e)
{
	if (e->flips)
		flip(t, e->field, e->value);
	else
		set(t, e->field, e->value);
}

/* --- L1 as it shall be after an exit ---------------------------------------------- */

/* What L1 survives if it is taken, and what must not be taken. */
static const struct edge host_edges[] = {
	SET(HOST_ES_SEL, 0),
	FLIP(HOST_ES_SEL, 1),
	FLIP(HOST_ES_SEL, 4),
	SET(HOST_DS_SEL, 0),
	FLIP(HOST_DS_SEL, 2),
	FLIP(HOST_DS_SEL, 4),
	SET(HOST_FS_SEL, SEL_DATA),
	FLIP(HOST_FS_SEL, 3),
	FLIP(HOST_GS_SEL, 4),
	SET(HOST_GS_SEL, SEL_DATA),
	FLIP(HOST_SS_SEL, 1),
	FLIP(HOST_SS_SEL, 4),
	SET(HOST_SS_SEL, 0),
	SET(HOST_CS_SEL, 0),
	FLIP(HOST_CS_SEL, 3),
	FLIP(HOST_CS_SEL, 4),
	SET(HOST_TR_SEL, 0),
	FLIP(HOST_TR_SEL, 1),
	FLIP(HOST_TR_SEL, 4),
	SET(HOST_FS_BASE, 0x123456789),
	SET(HOST_GS_BASE, 0xffff800000000000),
	SET(HOST_FS_BASE, NON_CANONICAL),
	SET(HOST_GS_BASE, NON_CANONICAL),
	SET(HOST_FS_BASE, 0x8000000000000000),
	SET(HOST_TR_BASE, NON_CANONICAL),
	SET(HOST_GDTR_BASE, NON_CANONICAL),
	SET(HOST_IDTR_BASE, NON_CANONICAL),
	SET(HOST_SYSENTER_ESP, 0x7fffffffffff),
	SET(HOST_SYSENTER_ESP, NON_CANONICAL),
	SET(HOST_SYSENTER_EIP, 0xffffffffffffffff),
	SET(HOST_SYSENTER_EIP, NON_CANONICAL),
	SET(HOST_SYSENTER_CS, 0xffffffff),
	SET(HOST_RIP, NON_CANONICAL),
	SET(HOST_PAT, 0x0007040600070405),
	SET(HOST_PAT, 2),
	SET(HOST_PAT, 0x0300000000000000),
	SET(HOST_PAT, 8),
	FLIP(HOST_EFER, EFER_LMA),
	FLIP(HOST_EFER, EFER_LME),
	FLIP(HOST_EFER, EFER_LMA | EFER_LME),
	FLIP(HOST_EFER, 2),
	FLIP(HOST_EFER, 1ULL << 63),
	FLIP(HOST_EFER, EFER_SCE),
	FLIP(HOST_CR0, CR0_PE),
	FLIP(HOST_CR0, CR0_PG),
	FLIP(HOST_CR0, CR0_NE),
	FLIP(HOST_CR0, CR0_PE | CR0_PG),
	FLIP(HOST_CR0, 1ULL << 32),
	FLIP(HOST_CR0, CR0_TS),
	FLIP(HOST_CR0, CR0_MP),
	FLIP(HOST_CR0, CR0_WP),
	FLIP(HOST_CR4, CR4_VMXE),
	FLIP(HOST_CR4, CR4_PAE),
	FLIP(HOST_CR4, 1ULL << 15),
	FLIP(HOST_CR4, 1ULL << 31),
	FLIP(HOST_CR4, 1ULL << 32),
	FLIP(HOST_CR4, CR4_TSD),
	FLIP(HOST_CR4, CR4_DE),
	FLIP(HOST_CR3, 1ULL << MAXPHYADDR),
	FLIP(HOST_CR3, 1ULL << 63),
	FLIP(HOST_CR3, 0x18),
	FLIP(EXIT_CTLS, EXITC_HOST_64),
};

void change_host(struct trial *t, struct rng *r)
{
	apply(t, &RNG_PICK(r, host_edges));
}

/* --- L2's registers ---------------------------------------------------------------- */

static const struct edge cr_edges[] = {
	FLIP(GUEST_CR0, CR0_PE),
	FLIP(GUEST_CR0, CR0_PG),
	FLIP(GUEST_CR0, CR0_PE | CR0_PG),
	FLIP(GUEST_CR0, CR0_NE),
	FLIP(GUEST_CR0, CR0_TS),
	FLIP(GUEST_CR0, CR0_EM),
	FLIP(GUEST_CR0, CR0_MP),
	FLIP(GUEST_CR0, CR0_WP),
	FLIP(GUEST_CR0, CR0_AM),
	FLIP(GUEST_CR0, CR0_NW),
	FLIP(GUEST_CR0, CR0_CD),
	FLIP(GUEST_CR0, CR0_CD | CR0_NW),
	FLIP(GUEST_CR0, CR0_ET),
	FLIP(GUEST_CR0, 1ULL << 6),
	FLIP(GUEST_CR0, 1ULL << 32),
	FLIP(GUEST_CR0, 1ULL << 63),
	FLIP(GUEST_CR4, CR4_VME),
	FLIP(GUEST_CR4, 2),
	FLIP(GUEST_CR4, CR4_TSD),
	FLIP(GUEST_CR4, CR4_DE),
	FLIP(GUEST_CR4, CR4_PSE),
	FLIP(GUEST_CR4, CR4_PAE),
	FLIP(GUEST_CR4, 1 << 6),
	FLIP(GUEST_CR4, CR4_PGE),
	FLIP(GUEST_CR4, 1 << 8),
	FLIP(GUEST_CR4, CR4_OSFXSR),
	FLIP(GUEST_CR4, 1 << 10),
	FLIP(GUEST_CR4, CR4_VMXE),
	FLIP(GUEST_CR4, CR4_OSXSAVE),
	FLIP(GUEST_CR4, CR4_FSGSBASE),
	FLIP(GUEST_CR4, CR4_PCIDE),
	FLIP(GUEST_CR4, CR4_SMEP),
	FLIP(GUEST_CR4, 1 << 12),
	FLIP(GUEST_CR4, 1 << 15),
	FLIP(GUEST_CR4, 1 << 19),
	FLIP(GUEST_CR4, 1ULL << 31),
	FLIP(GUEST_CR4, 1ULL << 32),
	FLIP(GUEST_CR3, 8),
	FLIP(GUEST_CR3, 0x10),
	FLIP(GUEST_CR3, 0x800),
	FLIP(GUEST_CR3, 1ULL << MAXPHYADDR),
	FLIP(GUEST_CR3, 1ULL << 63),
	FLIP(GUEST_EFER, EFER_LMA),
	FLIP(GUEST_EFER, EFER_LME),
	FLIP(GUEST_EFER, EFER_SCE),
	FLIP(GUEST_EFER, EFER_LMA | EFER_LME),
	FLIP(GUEST_EFER, EFER_NXE),
	FLIP(GUEST_EFER, 2),
	FLIP(GUEST_EFER, 1ULL << 9),
	FLIP(GUEST_EFER, 1ULL << 63),
	FLIP(ENTRY_CTLS, ENTRYC_GUEST_64),
};

void change_crs(struct trial *t, struct rng *r)
{
	apply(t, &RNG_PICK(r, cr_edges));
}

static const struct edge guest_edges[] = {
	SET(GUEST_RIP, NON_CANONICAL),
	SET(GUEST_RIP, 0x100010000),
	SET(GUEST_RIP, ~0ULL),
	SET(GUEST_RIP, 0xffff800000000000),
	FLIP(GUEST_RIP, 1ULL << 48),
	SET(GUEST_RIP, 0xffffffff),
	SET(GUEST_RSP, NON_CANONICAL),
	SET(GUEST_RSP, 0),
	SET(GUEST_RSP, 0x100000000),
	SET(GUEST_RSP, 0xffff),
	SET(GUEST_RSP, L2_RSP0 + 4),
	FLIP(GUEST_RFLAGS, 2),
	FLIP(GUEST_RFLAGS, 8),
	FLIP(GUEST_RFLAGS, 0x20),
	FLIP(GUEST_RFLAGS, 0x8000),
	FLIP(GUEST_RFLAGS, 1ULL << 22),
	FLIP(GUEST_RFLAGS, 1ULL << 32),
	FLIP(GUEST_RFLAGS, 1ULL << 63),
	FLIP(GUEST_RFLAGS, RFLAGS_TF),
	FLIP(GUEST_RFLAGS, RFLAGS_IF),
	FLIP(GUEST_RFLAGS, RFLAGS_VM),
	FLIP(GUEST_RFLAGS, RFLAGS_RF),
	FLIP(GUEST_RFLAGS, 1 << 14),
	FLIP(GUEST_RFLAGS, 3 << 12),
	FLIP(GUEST_RFLAGS, 1 << 18),
	FLIP(GUEST_RFLAGS, 1 << 19),
	FLIP(GUEST_RFLAGS, 1 << 20),
	FLIP(GUEST_RFLAGS, RFLAGS_CF),
	FLIP(GUEST_RFLAGS, 0x400),
	FLIP(GUEST_RFLAGS, RFLAGS_TF | RFLAGS_RF),
	SET(GUEST_DR7, 0),
	SET(GUEST_DR7, 0x2400),
	SET(GUEST_DR7, 0x100000400),
	SET(GUEST_DR7, 0x4ff),
	SET(GUEST_DR7, 0xffffffff),
	SET(GUEST_DR7, 1ULL << 63),
	SET(GUEST_PAT, 2),
	SET(GUEST_PAT, 0x0700000000000000),
	SET(GUEST_PAT, 0x0300000000000000),
	SET(GUEST_PAT, 0x80),
	SET(GUEST_PAT, 0x0106070405000106),
	SET(GUEST_SYSENTER_CS, 0),
	SET(GUEST_SYSENTER_CS, 0xffffffff),
	SET(GUEST_SYSENTER_ESP, NON_CANONICAL),
	SET(GUEST_SYSENTER_ESP, ~0ULL),
	SET(GUEST_SYSENTER_EIP, NON_CANONICAL),
	SET(GUEST_SYSENTER_EIP, ~0ULL),
	SET(GUEST_GDTR_BASE, NON_CANONICAL),
	SET(GUEST_GDTR_LIMIT, 0x10000),
	SET(GUEST_GDTR_LIMIT, 0x17),
	SET(GUEST_GDTR_LIMIT, 0x80000000),
	SET(GUEST_GDTR_BASE, 0xffff800000000000),
	SET(GUEST_IDTR_BASE, 0x0000800000000000),
	SET(GUEST_IDTR_LIMIT, 0x10000),
	SET(GUEST_IDTR_LIMIT, 0),
	SET(GUEST_IDTR_LIMIT, 0x6f),
	SET(GUEST_IDTR_LIMIT, 0xffffffff),
	SET(GUEST_DEBUGCTL, 1),
	SET(GUEST_DEBUGCTL, 2),
	SET(GUEST_DEBUGCTL, 4),
	SET(GUEST_DEBUGCTL, 1ULL << 63),
};

void change_guest(struct trial *t, struct rng *r)
{
	apply(t, &RNG_PICK(r, guest_edges));
}

/* --- L2's segments ------------------------------------------------------------------ */

static void change_ar(struct trial *t, struct rng *r, enum segreg s)
{
	static const u32 bits[] = { 1,	    2,	     4,	      8,	  0x10,	  0x20,	  0x40,
				    0x60,   0x80,    0x100,   0x800,	  0x1000, 0x2000, 0x4000,
				    0x8000, 0x10000, 0x20000, 0x80000000, 0xa,	  0xc };

	flip(t, F_SEG_AR(s), RNG_PICK(r, bits));
}

static void change_limit(struct trial *t, struct rng *r, enum segreg s)
{
	static const u32 limits[] = {
		0,	 0x66,	   0x67,       0xfff,	   0x1000,     0xffff,
		0xfffff, 0x100000, 0xfffff000, 0xffffffff, 0xffffefff, 0x1fff
	};

	set(t, F_SEG_LIMIT(s), RNG_PICK(r, limits));
	if (rng_one_in(r, 3))
		flip(t, F_SEG_AR(s), AR_G);
}

static void change_base(struct trial *t, struct rng *r, enum segreg s)
{
	static const u64 bases[] = { 0,
				     1,
				     0x10,
				     L2_DATA,
				     0xffffffff,
				     0x100000000,
				     NON_CANONICAL,
				     0xffff800000000000,
				     1ULL << 63,
				     0x7fffffffffff };

	set(t, F_SEG_BASE(s), RNG_PICK(r, bases));
}

static void change_selector(struct trial *t, struct rng *r, enum segreg s)
{
	static const u16 selectors[] = { 0,	    3,	    4,	    L2_FLAT, L2_UFLAT,
					 L2_CODE64, L2_TSS, 0xffff, 0xfffc };

	if (rng_one_in(r, 2))
		flip(t, F_SEG_SEL(s), 1 << rng_below(r, 4));
	else
		set(t, F_SEG_SEL(s), RNG_PICK(r, selectors));
}

/* Something else than a segment of the usual kind, as a whole. */
static void change_kind(struct trial *t, struct rng *r, enum segreg s)
{
	static const u32 kinds[] = { AR_UNUSABLE, 0xc091,  0xc095, 0xc097, 0xc099, 0xc09d, 0xc09f,
				     0xc0b3,	  0xc0d3,  0xc0f3, 0xc0fb, 0xa0fb, 0x8b,   0x83,
				     0x82,	  0x10082, 0xf3,   0x93,   0x9b,   0xa09f, 0x4093 };

	set(t, F_SEG_AR(s), RNG_PICK(r, kinds));
}

/* Readable code in a data segment register, under the rules of a restricted guest. */
static void change_restricted(struct trial *t, struct rng *r, enum segreg s)
{
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] & ~(u64)PROC2_UNRESTRICTED);
	if (s == SEG_CS || s == SEG_SS || s > SEG_GS)
		s = SEG_DS;
	set(t, F_SEG_AR(s), rng_one_in(r, 2) ? 0xc09b : 0xc093);
	set(t, F_SEG_SEL(s), L2_FLAT | rng_below(r, 4));
}

void change_segment(struct trial *t, struct rng *r)
{
	static void (*const how[])(struct trial *, struct rng *, enum segreg) = {
		change_ar,	 change_ar,   change_limit,	 change_base,
		change_selector, change_kind, change_restricted,
	};
	enum segreg s = rng_below(r, NR_SEGS);

	RNG_PICK(r, how)(t, r, s);
}

/* --- non-register state --------------------------------------------------------------- */

static void change_link(struct trial *t, struct rng *r)
{
	u64 page = (u64)l1_pages.link;

	switch (rng_below(r, 6)) {
	case 0: set(t, F_LINK_POINTER, page); break;
	case 1: set(t, F_LINK_POINTER, page | 1ULL << rng_below(r, 12)); break;
	case 2:
		set(t, F_LINK_POINTER, page | 1ULL << (MAXPHYADDR + rng_below(r, 64 - MAXPHYADDR)));
		break;
	case 3:
		set(t, F_LINK_POINTER, page);
		poke(t, "its revision", l1_pages.link, 4, *(u32 *)l1_pages.link ^ 1ULL << 31);
		break;
	case 4:
		set(t, F_LINK_POINTER, page);
		poke(t, "its revision", l1_pages.link, 4, *(u32 *)l1_pages.link ^ 1);
		break;
	default: set(t, F_LINK_POINTER, (u64)l1_vmx()->vmcs);
	}
}

static void change_activity(struct trial *t, struct rng *r)
{
	static const u32 states[] = { ACTIVITY_HLT, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, 4,
				      0x80000000 };

	set(t, F_GUEST_ACTIVITY, RNG_PICK(r, states));
	if (rng_one_in(r, 4))
		set(t, F_GUEST_PENDING_DBG, rng_one_in(r, 2) ? DBG_ENABLED_BPT | 1 : DBG_BS);
	/* Nothing would ever wake it: only to see the entry fail. */
	if (rng_one_in(r, 6) && (t->want[F_ENTRY_INTR_INFO] & INTR_VALID))
		set(t, F_GUEST_ACTIVITY, ACTIVITY_SIPI);
}

static void change_interruptibility(struct trial *t, struct rng *r)
{
	static const u32 states[] = { IRQBLK_STI, IRQBLK_MOV_SS, IRQBLK_STI | IRQBLK_MOV_SS,
				      IRQBLK_SMI, IRQBLK_NMI,	 IRQBLK_ENCLAVE,
				      0x20,	  0x80000000,	 IRQBLK_NMI | IRQBLK_STI };

	set(t, F_GUEST_INTERRUPTIBILITY, RNG_PICK(r, states));
	if (rng_one_in(r, 2))
		set(t, F_GUEST_RFLAGS, t->want[F_GUEST_RFLAGS] | RFLAGS_IF);
}

static void change_blocked_nmi(struct trial *t, struct rng *r)
{
	static const u32 blocks[] = { IRQBLK_STI, IRQBLK_MOV_SS, IRQBLK_NMI, IRQBLK_NMI };

	if (rng_one_in(r, 2))
		set(t, F_PIN_CTLS, t->want[F_PIN_CTLS] | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	set(t, F_GUEST_RFLAGS, t->want[F_GUEST_RFLAGS] | RFLAGS_IF);
	set(t, F_GUEST_INTERRUPTIBILITY, RNG_PICK(r, blocks));
	set(t, F_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
}

static void change_pending(struct trial *t, struct rng *r)
{
	static const u64 pending[] = { 1,
				       8,
				       DBG_ENABLED_BPT,
				       DBG_ENABLED_BPT | 1,
				       DBG_BS,
				       DBG_BS | 1,
				       DBG_BD,
				       0x10,
				       0x8000,
				       DBG_RTM,
				       1ULL << 32,
				       1ULL << 63,
				       DBG_BS | DBG_ENABLED_BPT };

	set(t, F_GUEST_PENDING_DBG, RNG_PICK(r, pending));
	if (rng_one_in(r, 2))
		flip(t, F_GUEST_RFLAGS, RFLAGS_TF);
}

static void change_pdpte(struct trial *t, struct rng *r)
{
	static const u64 flips[] = { 1,
				     2,
				     4,
				     8,
				     0x10,
				     0x20,
				     0x80,
				     0x100,
				     0x200,
				     0x800,
				     1ULL << MAXPHYADDR,
				     1ULL << 51,
				     1ULL << 63 };
	u32 i = rng_below(r, 4);
	u64 bits = RNG_PICK(r, flips);

	set(t, F_GUEST_PDPTE0 + i, (t->want[F_GUEST_PDPTE0 + i] | (i ? 1 : 0)) ^ bits);
	poke(t, "PDPTE", (u64 *)ARENA_PAGE(A_PDPT_PAE) + i, 8, t->want[F_GUEST_PDPTE0 + i]);
}

static void change_timer(struct trial *t, struct rng *r)
{
	note(t, "preemption timer of", 0);
	t->timer = 0;
	if (rng_one_in(r, 3))
		set(t, F_GUEST_INTERRUPTIBILITY, rng_one_in(r, 2) ? IRQBLK_STI : IRQBLK_MOV_SS);
	if (rng_one_in(r, 2))
		set(t, F_GUEST_RFLAGS, t->want[F_GUEST_RFLAGS] | RFLAGS_IF);
}

void change_nonreg(struct trial *t, struct rng *r)
{
	static void (*const kinds[])(struct trial *, struct rng *) = {
		change_link,	change_activity, change_interruptibility, change_interruptibility,
		change_pending, change_pending,	 change_blocked_nmi,	  change_pdpte,
		change_timer,
	};

	RNG_PICK(r, kinds)(t, r);
}

/* --- L2's paging structures ------------------------------------------------------------- */

/* No bit of the address that memory has: L2 stays where it is. */
void change_paging(struct trial *t, struct rng *r)
{
	static const u64 flips[] = { 1,
				     2,
				     4,
				     8,
				     0x10,
				     0x20,
				     0x40,
				     0x80,
				     0x100,
				     0x200,
				     1ULL << MAXPHYADDR,
				     1ULL << 51,
				     1ULL << 52,
				     1ULL << 63,
				     6 };
	static const u16 linear[] = { A_CODE, A_STACK, A_DATA, A_DATA, A_TABLES, A_APIC, A_DATA2 };
	static const u16 tables[] = { A_PML4, A_PDPT, A_PD };
	u32 page = RNG_PICK(r, linear);
	u64 bits = RNG_PICK(r, flips), *entry = (u64 *)ARENA_PAGE(A_PT) + ARENA / 4096 + page;
	u32 *entry32 = (u32 *)ARENA_PAGE(A_PT32) + ARENA / 4096 + page;

	if (rng_one_in(r, 4)) {
		entry = (u64 *)ARENA_PAGE(RNG_PICK(r, tables));
		entry32 = (u32 *)ARENA_PAGE(A_PD32);
		/* A large page would map what is not L2's. */
		bits &= ~0x80ULL;
	}
	poke(t, "page-table entry", entry, 8, *entry ^ bits);
	poke(t, "32-bit page-table entry", entry32, 4, *entry32 ^ (u32)bits);
}
