// SPDX-License-Identifier: GPL-2.0-only
/* What is not compared, and the proof that it could not be. */
#include "oracle.h"

#define MSR_SMM_MONITOR_CTL 0x9b
#define MSR_SMBASE 0x9e
#define MAX_LIST 4
#define DR7_GD BIT(13)

enum quirk {
#define QUIRK_CASE(name, condition, section, reason) QUIRK_##name,
#define QUIRK_FIELD(name, field, bits, condition, section, reason) QUIRK_##name,
#include "quirks.def"
	NR_QUIRKS
};

static struct quirk_state {
	bool holds; /* for the outcome that is looked at */
	u64 seen;   /* how often it hid something */
	u64 hash;   /* over what it hid */
} state[NR_QUIRKS];

static const struct quirk_row {
	const char *name;
	u32 field; /* NR_FIELDS: the whole case */
	u64 bits;
} rows[NR_QUIRKS] = {
#define QUIRK_CASE(name_, condition, section, reason) [QUIRK_##name_] = { #name_, NR_FIELDS, 0 },
#define QUIRK_FIELD(name_, field_, bits_, condition, section, reason) \
	[QUIRK_##name_] = { #name_, F_##field_, bits_ },
#include "quirks.def"
};

/* Whether a row is about it. */
static bool has_row[NR_FIELDS];

void quirks_init(void)
{
	for (enum quirk q = 0; q < NR_QUIRKS; q++)
		if (rows[q].field < NR_FIELDS)
			has_row[rows[q].field] = true;
}

static void hide(enum quirk q, u64 what)
{
	state[q].seen++;
	state[q].hash = mix(state[q].hash, what);
}

/* --- L2's state, as conditions speak of it ---------------------------------------- */

static bool entry(const struct trial *t, u32 bits)
{
	return t->want[F_ENTRY_CTLS] & bits;
}

static bool proc2(const struct trial *t, u32 bits)
{
	return (t->want[F_PROC_CTLS] & PROC_SECONDARY) && (t->want[F_PROC2_CTLS] & bits);
}

static bool code_64(const struct trial *t)
{
	return entry(t, ENTRYC_GUEST_64) && (t->want[F_GUEST_CS_AR] & AR_L);
}

static bool vm86(const struct trial *t)
{
	return t->want[F_GUEST_RFLAGS] & RFLAGS_VM;
}

static bool injecting(const struct trial *t, u32 type)
{
	u64 info = t->want[F_ENTRY_INTR_INFO];

	return (info & INTR_VALID) && (info & INTR_TYPE_MASK) == type;
}

static bool blocked(const struct trial *t, u32 bits)
{
	return t->want[F_GUEST_INTERRUPTIBILITY] & bits;
}

/* The event is none that HLT ends with. */
static bool event_leaves_hlt(const struct trial *t)
{
	u8 vector = t->want[F_ENTRY_INTR_INFO] & INTR_VECTOR;

	if (injecting(t, INTR_TYPE_HARD_EXC))
		return vector != VEC_DB && vector != VEC_MC;
	return (t->want[F_ENTRY_INTR_INFO] & INTR_VALID) && !injecting(t, INTR_TYPE_EXT) &&
	       !injecting(t, INTR_TYPE_NMI);
}

/* One that L2 takes, or an enabled breakpoint without saying which. */
static bool halted_on_trap(const struct trial *t)
{
	return t->want[F_GUEST_ACTIVITY] == ACTIVITY_HLT &&
	       (!(t->want[F_EXCEPTION_BITMAP] & BIT(VEC_DB)) ||
		!(t->want[F_GUEST_PENDING_DBG] & (DBG_BS | DBG_BPT_MASK)));
}

static u32 dpl(const struct trial *t, enum segreg s)
{
	return t->want[F_SEG_AR(s)] >> 5 & 3;
}

static u32 rpl(const struct trial *t, enum segreg s)
{
	return t->want[F_SEG_SEL(s)] & 3;
}

/* The SDM compares the DPL of CS with that of SS, Bochs with CS's own RPL. */
static bool cs_dpl_differs(const struct trial *t)
{
	u32 cs = dpl(t, SEG_CS), ss = dpl(t, SEG_SS), sel = rpl(t, SEG_CS);

	if (vm86(t))
		return false;
	if (t->want[F_GUEST_CS_AR] & 4) /* conforming */
		return (cs <= ss) != (cs <= sel);
	return (cs == ss) != (cs == sel);
}

/* Readable non-conforming code in a data segment register, of less privilege than its RPL. */
static bool code_rpl_bad(const struct trial *t)
{
	static const enum segreg data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		if ((t->want[F_SEG_AR(data[i])] & (AR_UNUSABLE | 0xf)) == 11 &&
		    rpl(t, data[i]) > dpl(t, data[i]))
			return true;
	return false;
}

/* SS is usable, its selector null, and the entry to be refused for the rest of it. */
static bool null_ss_malformed(const struct trial *t)
{
	u32 ar = t->want[F_GUEST_SS_AR], limit = t->want[F_GUEST_SS_LIMIT];
	bool stack = (ar & 0xb) == 3 && (ar & AR_S) && (ar & AR_P) && !(ar & 0xfffe0f00);
	bool fits = ar & AR_G ? (limit & 0xfff) == 0xfff : !(limit >> 20);

	if ((ar & AR_UNUSABLE) || t->want[F_GUEST_SS_SEL] >> 2)
		return false;
	return !stack || !fits || t->want[F_GUEST_SS_BASE] >> 32 ||
	       dpl(t, SEG_SS) != rpl(t, SEG_SS);
}

static bool rip_not_linear(const struct trial *t)
{
	u64 high = t->want[F_GUEST_RIP] >> 48;

	return high && high != 0xffff;
}

/* With a shadow or in HLT, BS is to be pending just when TF is set. */
static bool pending_bs_wrong(const struct trial *t)
{
	bool step = (t->want[F_GUEST_RFLAGS] & RFLAGS_TF) &&
		    !(entry(t, ENTRYC_LOAD_DEBUG) && (t->want[F_GUEST_DEBUGCTL] & DEBUGCTL_BTF));

	if (!blocked(t, IRQBLK_STI | IRQBLK_MOV_SS) && t->want[F_GUEST_ACTIVITY] != ACTIVITY_HLT)
		return false;
	return !(t->want[F_GUEST_PENDING_DBG] & DBG_BS) == step;
}

/* An MSR that WRMSR faults on is in the list. */
static bool loads_smm_msr(const struct trial *t)
{
	for (u32 i = 0; i < t->want[F_ENTRY_MSR_LOAD_COUNT] && i < MAX_LIST; i++) {
		u32 msr = l1_pages.entry_load[i].index;

		if (msr == MSR_SMM_MONITOR_CTL || msr == MSR_SMBASE)
			return true;
	}
	return false;
}

/* --- whole cases ------------------------------------------------------------------- */

void quirks_find(struct trial *t)
{
#define QUIRK_CASE(name, condition, section, reason) \
	t->quirks |= (condition) ? BIT_ULL(QUIRK_##name) : 0;
#define QUIRK_FIELD(name, field, bits, condition, section, reason)
#include "quirks.def"
}

/* What is to be said of a case with this hash: nothing if a quirk shows in it. */
u64 quirks_hide(const struct trial *t, u64 hash)
{
	for (enum quirk q = 0; q < NR_QUIRKS; q++)
		if (t->quirks & BIT_ULL(q))
			hide(q, hash);
	return t->quirks ? 0 : hash;
}

/* --- fields ------------------------------------------------------------------------ */

void quirks_begin(const struct trial *t, const struct outcome *o)
{
#define QUIRK_CASE(name, condition, section, reason)
#define QUIRK_FIELD(name, field, bits, condition, section, reason) \
	state[QUIRK_##name].holds = (condition);
#include "quirks.def"
}

/* The bits of the field that no comparison sees; @value goes into the proof. */
u64 quirk_bits(enum field f, u64 value)
{
	u64 bits = 0;

	if (!has_row[f])
		return 0;
	for (enum quirk q = 0; q < NR_QUIRKS; q++) {
		if (!state[q].holds || rows[q].field != f)
			continue;
		bits |= rows[q].bits;
		hide(q, mix(f, value & rows[q].bits));
	}
	return bits;
}

void quirks_report(void)
{
	for (u32 i = 0; i < NR_QUIRKS; i++)
		printf("Q %s %lu %lx\n", rows[i].name, (unsigned long)state[i].seen,
		       (unsigned long)state[i].hash);
}
