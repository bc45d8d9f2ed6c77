// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VMX instructions before the entry, right and wrong: how each ended is
 * part of the case. At their end the case's VMCS is current again.
 */
#include "oracle.h"

#define NO_SUCH_FIELD 0x7ffe
#define FIELD_HIGH 1

/* Say what is tried in detail. */
static bool explain;
/* Bits above 32 of the type of INVVPID. */
static u64 type_high;

/* Where the operand of VMPTRLD and its like may point. */
enum place {
	PLACE_CURRENT,
	PLACE_OTHER, /* a VMCS that is not the case's */
	PLACE_NO_VMCS,
	PLACE_VMXON = PLACE_NO_VMCS,
	PLACE_NOTHING, /* a page with another revision */
	PLACE_MISALIGNED,
	PLACE_WIDE,
	NR_PLACES
};

static u64 address_of(const struct l1_vmx *vmx, enum place p)
{
	switch (p) {
	case PLACE_CURRENT: return (u64)vmx->vmcs;
	case PLACE_OTHER: return (u64)l1_pages.other;
	case PLACE_VMXON: return (u64)vmx->vmxon;
	case PLACE_NOTHING: return (u64)l1_pages.io;
	case PLACE_MISALIGNED: return (u64)vmx->vmcs + 8;
	default: return (u64)vmx->vmcs | 1ULL << MAXPHYADDR;
	}
}

/* The case's VMCS current again, whatever became of it. */
static void load_again(struct l1_vmx *vmx)
{
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
}

/* What is current: none, the case's, the other; an address would be each side's own. */
static u64 which_is_current(const struct l1_vmx *vmx)
{
	u64 at = 0;

	EXPECT_OUTCOME(vmptrst(&at), VM_OK);
	for (enum place p = 0; p < NR_PLACES; p++)
		if (at == address_of(vmx, p))
			return p;
	return at == NO_GPA ? NR_PLACES : NR_PLACES + 1;
}

static u64 do_vmptrld(struct l1_vmx *vmx, struct rng *r)
{
	u64 how = vmptrld(address_of(vmx, rng_below(r, NR_PLACES)));

	how = mix(how, which_is_current(vmx));
	load_again(vmx);
	return how;
}

static u64 do_vmclear(struct l1_vmx *vmx, struct rng *r)
{
	enum place p = rng_below(r, NR_PLACES);
	u64 how = vmclear(address_of(vmx, p));

	how = mix(how, which_is_current(vmx));
	if (p == PLACE_CURRENT) {
		how = mix(how, vmread(VMCS_GUEST_RIP, &(u64){ 0 }));
		load_again(vmx);
		vmx->launched = false;
	}
	return how;
}

/* Half of the time a field of the table, else an encoding near one, or none. */
static u32 some_encoding(struct rng *r, u32 *index)
{
	u32 encoding;

	do
		*index = rng_below(r, NR_FIELDS);
	while (!field_compared(*index));
	encoding = fields[*index].encoding;
	switch (rng_below(r, 8)) {
	case 0: return encoding | FIELD_HIGH;
	case 1: return NO_SUCH_FIELD;
	case 2: return encoding | 0x10000;
	case 3: return encoding | 0x1000;
	default: return encoding;
	}
}

static u64 do_vmread(struct l1_vmx *vmx, struct rng *r)
{
	u64 v;
	u32 index, encoding;

	encoding = some_encoding(r, &index);
	if (rng_one_in(r, 2))
		return VMX_INSN("vmread %3, (%2)", "r"(&v), "r"((u64)encoding));
	return vmread(encoding, &v);
}

/* The field gets back what the case wants of it before the entry. */
static u64 do_vmwrite(struct l1_vmx *vmx, struct rng *r)
{
	u32 index, encoding = some_encoding(r, &index);
	u64 how = vmwrite(encoding, rng_edge(r));

	trial_forget_field(index);
	return how;
}

static u64 do_invalidate(u64 (*insn)(u64, const struct inv_desc *), u64 type,
			 const struct inv_desc *d)
{
	if (explain)
		printf("#   type 0x%lx, descriptor 0x%lx 0x%lx\n", (unsigned long)type,
		       (unsigned long)d->first, (unsigned long)d->second);
	return insn(type, d);
}

static u64 do_invept(struct l1_vmx *vmx, struct rng *r)
{
	/* The emulated processor does not look at the second half. */
	struct inv_desc d = { base[F_EPT_POINTER], 0 };

	if (rng_one_in(r, 3))
		d.first ^= rng_one_in(r, 2) ? 1ULL << rng_below(r, 12) : 1ULL << 52;
	return do_invalidate(invept, rng_one_in(r, 4) ? rng_edge(r) : rng_below(r, 4), &d);
}

static u64 do_invvpid(struct l1_vmx *vmx, struct rng *r)
{
	struct inv_desc d = { rng_below(r, 3), L2_CODE };

	if (rng_one_in(r, 4))
		d.first |= rng_edge(r);
	if (rng_one_in(r, 3))
		d.second = rng_edge(r);
	return do_invalidate(
		invvpid, (rng_one_in(r, 4) ? (u32)rng_edge(r) : rng_below(r, 5)) | type_high, &d);
}

static u64 do_vmxon(struct l1_vmx *vmx, struct rng *r)
{
	return vmxon(address_of(vmx, rng_below(r, NR_PLACES)));
}

/* The wrong one of the two. */
static u64 do_launch(struct l1_vmx *vmx, struct rng *r)
{
	return vmx->launched ? vmlaunch(vmx) : vmresume(vmx);
}

static u64 enter_either(struct l1_vmx *vmx, struct rng *r)
{
	return rng_one_in(r, 2) ? vmlaunch(vmx) : vmresume(vmx);
}

/* With a shadow VMCS as the current one. */
static u64 do_launch_shadow(struct l1_vmx *vmx, struct rng *r)
{
	u64 how = vmptrld((u64)l1_pages.shadow);

	how = mix(how, enter_either(vmx, r));
	load_again(vmx);
	return how;
}

static u64 do_launch_blocked(struct l1_vmx *vmx, struct rng *r)
{
	if (rng_one_in(r, 2))
		return VMX_INSN("mov %2, %%ss; vmlaunch", "r"(SEL_DATA));
	return VMX_INSN("mov %2, %%ss; vmresume", "r"(SEL_DATA));
}

/* Which of them there are, and that none can be written. */
static u64 do_capability(struct l1_vmx *vmx, struct rng *r)
{
	u32 msr = VMX_MSR_BASIC + rng_below(r, 0x12);
	u64 v;

	if (rng_one_in(r, 4))
		msr = VMX_MSR_FEATURE_CONTROL;
	return rng_one_in(r, 2) ? try_wrmsr(msr, rng_edge(r)) : try_rdmsr(msr, &v);
}

/* Entering and reading without a VMCS, and the case's VMCS through memory. */
static u64 do_without(struct l1_vmx *vmx, struct rng *r)
{
	u64 how = vmclear((u64)vmx->vmcs), v;

	how = mix(how, enter_either(vmx, r));
	how = mix(how, vmread(fields[F_GUEST_CR0].encoding, &v));
	how = mix(how, vmwrite(fields[F_GUEST_CR0].encoding, 0));
	how = mix(how, which_is_current(vmx));
	load_again(vmx);
	vmx->launched = false;
	return how;
}

/* Out of VMX operation and in again; outside the instructions are invalid. */
static u64 do_vmxoff(struct l1_vmx *vmx, struct rng *r)
{
	u64 how = vmclear((u64)vmx->vmcs), v;
	/* Not a VMCS, which would be none any more. */
	enum place p = PLACE_NO_VMCS + rng_below(r, NR_PLACES - PLACE_NO_VMCS);

	how = mix(how, vmxoff());
	how = mix(how, vmread(fields[F_GUEST_CR0].encoding, &v));
	how = mix(how, vmptrld((u64)vmx->vmcs));
	how = mix(how, vmxon(address_of(vmx, p)));
	vmxon((u64)vmx->vmxon);
	how = mix(how, which_is_current(vmx));
	load_again(vmx);
	vmx->launched = false;
	return how;
}

/* Operands that are not there. */
static u64 do_faults(struct l1_vmx *vmx, struct rng *r)
{
	static const u64 at[] = { 0x8000000000000000, 0x7ffffffffff8, 0xffff800000000000 };
	const void *bad = (const void *)RNG_PICK(r, at);

	switch (rng_below(r, 6)) {
	case 0: return VMX_INSN("vmptrld (%2)", "r"(bad));
	case 1: return VMX_INSN("vmclear (%2)", "r"(bad));
	case 2: return VMX_INSN("vmptrst (%2)", "r"(bad));
	case 3: return VMX_INSN("vmread %3, (%2)", "r"(bad), "r"(0x6800ul));
	case 4: return invept(1, bad);
	default: return invvpid(2, bad);
	}
}

static const struct {
	const char *name;
	u64 (*run)(struct l1_vmx *vmx, struct rng *r);
} kinds[] = {
	{ "VMPTRLD", do_vmptrld },
	{ "VMCLEAR", do_vmclear },
	{ "VMREAD", do_vmread },
	{ "VMWRITE", do_vmwrite },
	{ "INVEPT", do_invept },
	{ "INVVPID", do_invvpid },
	{ "VMXON", do_vmxon },
	{ "VMLAUNCH or VMRESUME, the wrong one", do_launch },
	{ "no VMCS", do_without },
	{ "VMXOFF", do_vmxoff },
	{ "a fault", do_faults },
	{ "entry with a shadow VMCS", do_launch_shadow },
	{ "entry after MOV SS", do_launch_blocked },
	{ "capability MSR", do_capability },
};

void change_l1_insn(struct trial *t, struct rng *r)
{
	u32 kind = rng_below(&(struct rng){ r->state }, ARRAY_SIZE(kinds));

	if (t->explain)
		printf("#   L1 tries %s\n", kinds[kind].name);
	t->launches_shadow |= kinds[kind].run == do_launch_shadow;
	t->wide_type |= kinds[kind].run == do_invvpid && !(t->number & 15);
	t->l1_seed[t->nr_l1_seeds++] = r->state;
}

u64 l1_insns_run(struct l1_vmx *vmx, struct trial *t, u64 hash)
{
	explain = t->explain;
	type_high = t->wide_type ? 1ULL << (32 + t->number / 16 % 32) : 0;
	for (u32 i = 0; i < t->nr_l1_seeds; i++) {
		struct rng r = { t->l1_seed[i] };
		u32 kind = rng_below(&r, ARRAY_SIZE(kinds));
		u64 how = kinds[kind].run(vmx, &r);

		if (t->explain)
			printf("= L1's %s 0x%lx\n", kinds[kind].name, (unsigned long)how);
		hash = mix(hash, how);
	}
	return hash;
}
