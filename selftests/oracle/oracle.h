/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The oracle: numbered cases, each a VMCS that enters, with a few changes near
 * the edge of what is valid. The number alone says what a case does, so that
 * the same case runs on the bare processor, on abyme and on KVM, and whoever
 * answers unlike the processor shows it by another hash.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include "boot.h"
#include "vmx.h"

/* Width of physical addresses on every side. Checked at the start. */
#define MAXPHYADDR 40

/* Every field by its row in the table of fields. */
enum field {
#define F(name, encoding, width, member, offset, role, shadow) F_##name,
#include <vmx/vmcs_fields.def>
#undef F
	NR_FIELDS
};

enum role {
	ROLE_MERGE,
	ROLE_GUEST,
	ROLE_HOST,
	ROLE_EXIT,
};

enum shadow {
	SHADOW_NONE,
	SHADOW_RO,
	SHADOW_RW,
	SHADOW_RW_VI,
	SHADOW_RW_PML,
	SHADOW_WIDE,
};

struct field_info {
	u32 encoding;
	u8 role;
	u8 shadow;
	const char *name;
};

extern const struct field_info fields[NR_FIELDS];
/* Which fields the current VMCS has; says which it has not: scripts/oracle compares that, too. */
void fields_find(void);
/* Whether it exists on this side, and says the same on every side that has it. */
bool field_compared(enum field f);

/* Fields of some kind, so that no loop needs to look at the others. */
struct field_list {
	u32 count;
	u8 at[NR_FIELDS];
};

/*
 * What L1 writes, and what it reads after an exit; of those that are compared. The rare ones are
 * L2's state as well: no VMCS shadowing serves them, so that each costs an exit.
 */
extern struct field_list writable_fields, exit_fields, guest_fields, rare_fields, host_fields;
#define F_SEG_SEL(seg) (F_GUEST_ES_SEL + (seg))
#define F_SEG_LIMIT(seg) (F_GUEST_ES_LIMIT + (seg))
#define F_SEG_AR(seg) (F_GUEST_ES_AR + (seg))
#define F_SEG_BASE(seg) (F_GUEST_ES_BASE + (seg))

/* --- numbers from numbers --------------------------------------------------- */

struct rng {
	u64 state;
};

u64 mix(u64 a, u64 b);

/* @v into a hash over much: no two values give the same, but the bits are not all mixed. */
static inline u64 fold(u64 hash, u64 v)
{
	hash = (hash ^ v) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

u64 rng_next(struct rng *r);

/* 0 to @n - 1 */
static inline u32 rng_below(struct rng *r, u32 n)
{
	return (rng_next(r) >> 32) % n;
}

static inline bool rng_one_in(struct rng *r, u32 n)
{
	return !rng_below(r, n);
}

#define RNG_PICK(r, array) ((array)[rng_below(r, ARRAY_SIZE(array))])

/* Any value that is likely to be on an edge of something. */
u64 rng_edge(struct rng *r);

/* --- the arena: all of L2's memory, at the same address for everyone -------- */

#define ARENA 0x10000UL
#define ARENA_PAGE(n) (ARENA + 0x1000UL * (n))
enum arena_page {
	A_CODE,
	A_STACK,
	A_DATA,
	A_TABLES, /* GDT, IDTs, TSSs */
	A_PML4,	  /* from here on not in L2's linear memory */
	A_PDPT,
	A_PD,
	A_PT,
	A_PD32,
	A_PT32,
	A_PDPT_PAE,
	A_APIC_PD, /* tables for L1's local APIC */
	A_APIC_PT,
	A_APIC_PT32,
	A_APIC, /* the APIC-access page; from here on again in it */
	A_DATA2,
	NR_ARENA,
};
/* One more in L2's linear memory: of l1_pages.large. */
#define L2_LARGE ARENA_PAGE(NR_ARENA)
#define LARGE_OFFSET 0x3000
#define L2_CODE ARENA_PAGE(A_CODE)
#define L2_STUBS (L2_CODE + 0x800) /* one VMCALL for each vector */
#define L2_STACK_TOP (ARENA_PAGE(A_STACK) + 0xf00)
#define L2_RSP0 (ARENA_PAGE(A_STACK) + 0x800)
#define L2_DATA ARENA_PAGE(A_DATA)
#define L2_GDT ARENA_PAGE(A_TABLES)
#define L2_IDT64 (L2_GDT + 0x400)
#define L2_IDT32 (L2_GDT + 0x800)
#define L2_IVT (L2_GDT + 0xa00)
#define L2_TSS64 (L2_GDT + 0xc00)
#define L2_TSS32 (L2_GDT + 0xd00)
#define NR_VECTORS 64

/* Selectors of L2's GDT. */
#define L2_CODE32 0x08
#define L2_FLAT 0x10
#define L2_CODE64 0x18
#define L2_CODE16 0x20
#define L2_DATA16 0x28
#define L2_UCODE32 0x33
#define L2_UFLAT 0x3b
#define L2_UCODE64 0x43
#define L2_LDT 0x48
#define L2_TSS 0x58
#define L2_TSS_FREE 0x68
#define L2_GATE 0x78
#define L2_CONFORMING 0x88
#define L2_ABSENT 0x90
#define L2_EXPAND_DOWN 0x98
#define L2_READ_ONLY 0xa0
#define L2_GDT_SIZE 0xa8

/* L1's pages that a VMCS points to; L2 does not reach them. */
struct l1_pages {
	u64 *ept;   /* PML4, PDPT, PD, PT, and PD and PT of the local APIC */
	u8 *io;	    /* bitmaps A and B */
	u8 *msr;    /* bitmap */
	u8 *vapic;  /* virtual-APIC page */
	u8 *link;   /* for the link pointer */
	u8 *other;  /* a VMCS */
	u8 *shadow; /* a shadow VMCS */
	u8 *access; /* VMREAD and VMWRITE bitmaps */
	u64 *eptps; /* EPTP list */
	u8 *large;  /* 2 MiB, which EPT maps by a large page */
	struct msr_entry *entry_load;
	struct msr_entry *exit_store;
	struct msr_entry *exit_load;
};
extern struct l1_pages l1_pages;

#define VAPIC_TPR 0x80

/* The entry that maps l1_pages.large. */
u64 *large_entry(void);
void memory_init(struct l1_vmx *vmx);
/* Mix what differs from the template into @hash, print it if @print, undo it. */
u64 memory_observe(u64 hash, bool print);
/* Undo all that L2 can have written. */
void memory_forget(void);

/* Where an OUT asks whoever runs the VM to do what it likes to: see selftests/rig/mini.c. */
#define PORT_OF_USERSPACE 0x80

/* --- a case ----------------------------------------------------------------- */

#define MAX_CHANGES 6
#define ALL_CHANGES (BIT(MAX_CHANGES) - 1)
/* Entries of a case: exits of instructions are skipped and L2 goes on. */
#define MAX_ENTRIES 3

struct trial {
	u64 number;
	u32 mask;     /* the changes that are made */
	u32 kind;     /* of the first change that is not the mode: for statistics */
	bool explain; /* print what is done */
	u32 bits;     /* 16, 32, 64: how L2's code is decoded */
	u64 code;     /* linear address at which the next instruction goes */
	u32 entries;
	bool msrs;  /* MSRs outside the VMCS are compared */
	bool steps; /* an instruction sets RFLAGS.TF */
	bool debug; /* an instruction may change debug registers */
	bool look;  /* at L1 and at what is seldom changed, whatever the case does */
	bool rare;  /* L2's rare fields are compared */
	u64 shadow_field[MAX_CHANGES]; /* of the shadow VMCS, that L2 reads or writes */
	u32 nr_shadow_fields;
	bool fmask_high;
	bool arrives;	  /* an interrupt or NMI */
	bool irq_waits;	  /* before the entry */
	bool writes_apic; /* L2 does, to L1's */
	bool sends_nmi;
	u8 vector;		  /* of the interrupt */
	bool sleeps;		  /* an instruction is MWAIT */
	bool switches;		  /* an instruction is VMFUNC: the EPT pointer is compared */
	bool wide_type;		  /* L1's INVVPID has a type of more than 32 bits */
	bool launches_shadow;	  /* L1 tries to enter with a shadow VMCS */
	bool timed;		  /* an instruction leaves a time in RAX, RDX and RCX */
	bool large_reserved;	  /* bits of the EPT entry of 2 MiB */
	bool unpages;		  /* an instruction clears CR0.PE or CR0.PG */
	bool moves_cs;		  /* or changes the descriptor of CS */
	bool loads_cr0;		  /* an instruction is MOV to CR0 */
	bool remapped;		  /* EPT is not as usual */
	bool if_cleared;	  /* a later entry has RFLAGS.IF 0 */
	bool may_jump;		  /* L2 may go on anywhere */
	bool l0_walks;		  /* an operand of L2's that L0 may take for it */
	u64 l1_seed[MAX_CHANGES]; /* L1's own VMX instructions before the entry */
	u32 nr_l1_seeds;
	u64 quirks; /* of the emulated processor that spoil the case */
	u32 timer;  /* of the preemption timer: what ends every case */
	u64 want[NR_FIELDS];
	u64 regs[NR_GPRS];
};

/* A kind of change. */
struct change {
	const char *name;
	u32 weight;
	void (*make)(struct trial *t, struct rng *r);
};

extern const struct change changes[];
extern const u32 nr_changes;

/* What the changes are made with; each says what it does when asked to. */
void set(struct trial *t, enum field f, u64 v);
void flip(struct trial *t, enum field f, u64 bits);
void poke(struct trial *t, const char *what, void *at, u32 size, u64 v);
void emit(struct trial *t, const u8 *bytes, u32 count);
void emit_mov(struct trial *t, enum gpr gpr, u64 v);
void note(struct trial *t, const char *what, u64 v);
#define EMIT(t, ...) emit(t, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

void base_init(struct l1_vmx *vmx);
extern u64 base[NR_FIELDS];
/* 64-bit mode at CPL 0, and nothing but a VMCALL. */
void base_set(struct trial *t);
void mode_change(struct trial *t, struct rng *r);

void change_controls(struct trial *t, struct rng *r);
void change_reserved(struct trial *t, struct rng *r);
void change_addresses(struct trial *t, struct rng *r);
void change_intercepts(struct trial *t, struct rng *r);
void change_event(struct trial *t, struct rng *r);
void change_host(struct trial *t, struct rng *r);
void change_crs(struct trial *t, struct rng *r);
void change_guest(struct trial *t, struct rng *r);
void change_segment(struct trial *t, struct rng *r);
void change_nonreg(struct trial *t, struct rng *r);
void change_paging(struct trial *t, struct rng *r);
void change_msr_list(struct trial *t, struct rng *r);
void change_ept(struct trial *t, struct rng *r);
void change_insn(struct trial *t, struct rng *r);
void change_operand(struct trial *t, struct rng *r);
void change_system(struct trial *t, struct rng *r);
void change_access(struct trial *t, struct rng *r);
void change_virt(struct trial *t, struct rng *r);
void change_vmfunc(struct trial *t, struct rng *r);
void change_waiting(struct trial *t, struct rng *r);
void change_l1_insn(struct trial *t, struct rng *r);

/* Controls that all sides offer: what may be asked for. Checked at the start. */
extern const u32 common_pin, common_proc, common_proc2, common_exit, common_entry;

/* Build case @number into @t. */
void trial_build(struct trial *t, u64 number, u32 mask, bool explain);
void shadow_init(const struct l1_vmx *vmx);
/* What is in the shadow VMCS; and make it as it was, with its bitmaps. */
u64 shadow_take(struct l1_vmx *vmx, const struct trial *t);
/* Make L1's own instructions, mix how they ended into @hash. */
u64 l1_insns_run(struct l1_vmx *vmx, struct trial *t, u64 hash);
/* Interrupts and NMIs for L1 as the case wants them before the entry, and after the last. */
void waiting_init(void);
void waiting_raise(const struct trial *t);
u64 waiting_settle(const struct trial *t, u64 hash);
void unblock_nmis(void);
/* Let EPT allow writes to all tables of L2's. */
void memory_writable_tables(void);
/* L1 has written to the field. */
void trial_forget_field(enum field f);
/* As if no case had run: all of the VMCS is written anew, and L0 has nothing cached of it. */
void trial_init(struct l1_vmx *vmx);
/* Run it; the hash of all that can be seen of it. */
u64 trial_run(struct l1_vmx *vmx, struct trial *t);

/* --- what came out ------------------------------------------------------------ */

struct outcome {
	u64 how; /* as l1_run() */
	u64 value[NR_FIELDS];
};

/* A loop that only the timer ended: what L2 is like is not defined. */
bool time_decided(const struct trial *t, const struct outcome *o);
/* L2 has PDPTEs of its own at this exit. */
bool saves_pdptes(const struct trial *t, const struct outcome *o);
/* Which part of a field has a defined value after this outcome; 0: none. */
u64 defined_bits(const struct trial *t, const struct outcome *o, enum field f);

/* What is not compared since the emulated processor is wrong; quirks.def. */
void quirks_find(struct trial *t);
u64 quirks_hide(const struct trial *t, u64 hash);
void quirks_init(void);
void quirks_begin(const struct trial *t, const struct outcome *o);
u64 quirk_bits(enum field f, u64 value);
void quirks_report(void);

#endif
