// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the processor does for L2 in L1's place: the virtual APIC's registers, and VMREAD and
 * VMWRITE of a shadow VMCS. Virtual interrupts are in no case: when L0's own EPT ends the
 * delivery of one by an EPT violation, the emulated processor names an event long past as that
 * which was delivered (docs/RIG.md).
 */
#include "oracle.h"

#define X2APIC_MSRS 0x800
#define SHADOW_REVISION 0x80000000u

/* --- the virtual APIC ------------------------------------------------------------- */

/* TPR, EOI and ICR, what is nothing, and what nobody may write. */
static const u16 registers[] = { 0x80,	0xb0,  0x300, 0x310, 0x20,  0x30,  0xd0, 0xf0, 0x100,
				 0x200, 0x320, 0x380, 0x390, 0x3f0, 0x400, 0x84, 0x0 };

static void access_page(struct trial *t, struct rng *r, u16 reg, bool write)
{
	u64 at = ARENA_PAGE(A_APIC) + reg;

	note(t, write ? "MOV to the APIC page" : "MOV from the APIC page", reg);
	emit_mov(t, GPR_RAX, 0x20 + rng_below(r, 0x20));
	emit_mov(t, GPR_RBX, t->bits == 16 ? at - L2_DATA : at);
	EMIT(t, write ? 0x89 : 0x8b, t->bits == 16 ? 0x07 : 0x03);
}

static void access_msr(struct trial *t, struct rng *r, u16 reg, bool write)
{
	u32 msr = X2APIC_MSRS + reg / 16;
	u8 *byte = l1_pages.msr + (write ? 0x800 : 0) + msr / 8;

	poke(t, "MSR bitmap", byte, 1, *byte & ~BIT(msr % 8));
	note(t, write ? "WRMSR" : "RDMSR", msr);
	emit_mov(t, GPR_RCX, msr);
	emit_mov(t, GPR_RAX, 0x20 + rng_below(r, 0x20));
	emit_mov(t, GPR_RDX, 0);
	EMIT(t, 0x0f, write ? 0x30 : 0x32);
}

static void change_apic(struct trial *t, struct rng *r)
{
	bool x2apic = rng_one_in(r, 3), write = rng_one_in(r, 2);
	u32 proc2 = x2apic ? PROC2_X2APIC : PROC2_APIC_ACCESS;
	u16 reg = RNG_PICK(r, registers);

	if (rng_one_in(r, 2))
		proc2 |= PROC2_APIC_REG_VIRT;
	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_TPR_SHADOW);
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] | proc2);
	if (rng_one_in(r, 2))
		poke(t, "VTPR", l1_pages.vapic + VAPIC_TPR, 4, rng_below(r, 256));
	(x2apic ? access_msr : access_page)(t, r, reg, write);
}

/* --- VMCS shadowing ------------------------------------------------------------------ */

/* Any that is compared, or an encoding that has no field. */
static u64 pick_field(struct rng *r)
{
	u32 i;

	do
		i = rng_below(r, NR_FIELDS);
	while (!field_compared(i));
	switch (rng_below(r, 12)) {
	case 0: return fields[i].encoding | 1;
	case 1: return 0x7ffe;
	case 2: return fields[i].encoding | 1 << 15;
	default: return fields[i].encoding;
	}
}

/* Also the page of APIC accesses, which is none for 64 bits at once. */
static u64 operand_place(const struct trial *t, struct rng *r)
{
	if (t->bits == 64 && rng_one_in(r, 4))
		return ARENA_PAGE(A_APIC) + 8 * rng_below(r, 0x80);
	return t->regs[GPR_RBX] + 0x100;
}

static void change_shadowing(struct trial *t, struct rng *r)
{
	u64 field = pick_field(r);
	bool write = rng_one_in(r, 2), memory = rng_one_in(r, 3);
	u8 *bitmap = l1_pages.access + (write ? 0x1000 : 0);

	t->shadow_field[t->nr_shadow_fields++] = field;
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] | PROC2_SHADOW_VMCS);
	if (!rng_one_in(r, 6))
		set(t, F_LINK_POINTER, (u64)l1_pages.shadow);
	if (!rng_one_in(r, 3) && field < 1 << 15)
		poke(t, "VMREAD or VMWRITE bitmap", bitmap + field / 8, 1, 0);
	note(t, write ? "VMWRITE" : "VMREAD", field);
	t->l0_walks |= memory;
	if (memory)
		emit_mov(t, GPR_RBX, operand_place(t, r));
	emit_mov(t, GPR_RCX, field);
	emit_mov(t, GPR_RAX, rng_edge(r));
	if (t->bits == 16 && memory)
		EMIT(t, 0x0f, write ? 0x79 : 0x78, 0x0f); /* [bx] */
	else
		EMIT(t, 0x0f, write ? 0x79 : 0x78, memory ? 0x0b : 0xc8); /* [rbx], eax */
}

static void become(u64 revision)
{
	EXPECT_OUTCOME(vmclear((u64)l1_pages.shadow), VM_OK);
	*(u32 *)l1_pages.shadow = revision;
}

static u64 take_field(const struct trial *t, u64 field)
{
	u64 v = 0, how;

	how = vmread(field, &v);
	vmwrite(field, 0);
	if (t->explain)
		printf("= shadow VMCS, field 0x%lx 0x%lx\n", (unsigned long)field,
		       (unsigned long)v);
	if (field < 1 << 15)
		l1_pages.access[field / 8] = l1_pages.access[0x1000 + field / 8] = 0xff;
	return fold(how >> 32, v);
}

/* By making an ordinary VMCS of it, for a moment. */
u64 shadow_take(struct l1_vmx *vmx, const struct trial *t)
{
	u32 revision = vmx->caps.basic & BASIC_REVISION;
	u64 hash = 0;

	become(revision);
	EXPECT_OUTCOME(vmptrld((u64)l1_pages.shadow), VM_OK);
	for (u32 i = 0; i < t->nr_shadow_fields; i++)
		hash = fold(hash, take_field(t, t->shadow_field[i]));
	become(revision | SHADOW_REVISION);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	return hash;
}

void shadow_init(const struct l1_vmx *vmx)
{
	become((vmx->caps.basic & BASIC_REVISION) | SHADOW_REVISION);
}

/* --- VM functions -------------------------------------------------------------------- */

void change_vmfunc(struct trial *t, struct rng *r)
{
	static const u32 others[] = { 511, 512, 8, 0xffffffff };
	u32 index = rng_one_in(r, 6) ? RNG_PICK(r, others) : rng_below(r, 8);

	t->switches = t->remapped = true;
	set(t, F_PROC2_CTLS, t->want[F_PROC2_CTLS] | PROC2_VMFUNC);
	set(t, F_VMFUNC_CTLS, rng_one_in(r, 6) ? rng_below(r, 4) : VMFUNC_EPTP_SWITCHING);
	if (rng_one_in(r, 8))
		flip(t, F_EPTP_LIST_ADDR,
		     1ULL << (rng_one_in(r, 2) ? rng_below(r, 12)
					       : MAXPHYADDR + rng_below(r, 64 - MAXPHYADDR)));
	note(t, "VMFUNC, index", index);
	emit_mov(t, GPR_RAX, rng_one_in(r, 6) ? rng_below(r, 65) : 0);
	emit_mov(t, GPR_RCX, index);
	EMIT(t, 0x0f, 0x01, 0xd4);
}

void change_virt(struct trial *t, struct rng *r)
{
	if (rng_one_in(r, 3))
		change_shadowing(t, r);
	else
		change_apic(t, r);
}
