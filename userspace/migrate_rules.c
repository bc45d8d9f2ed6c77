// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether what one host offers another one can offer, too. A machine may use
 * all of its host's offer, and goes on using it where it is moved to.
 * SDM: "VMX Capability Reporting Facility", "CPUID—CPU Identification".
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <vmx/caps.h>
#include <vmx/controls.h>

#include "migrate.h"

struct comparison {
	const struct migrate_facts *from, *to;
	struct migrate_teller *teller;
	unsigned int found;
};

static void tell(struct comparison *c, const char *now, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct comparison *c, const char *now, const char *format, ...)
{
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	c->found++;
	c->teller->tell(c->teller, what, now);
}

/* What a machine on the source is started with so that it doesn't use a feature. */
static const char *without(const char *qemu)
{
	static char now[300];

	if (!*qemu)
		return "start the machine there with a CPU model that both hosts have, without this "
		       "feature";
	snprintf(now, sizeof(now), "start the machine there without it: QEMU -cpu MODEL,-%s", qemu);
	/* libvirt's list has none of KVM's own. */
	if (strncmp(qemu, "kvm", 3))
		snprintf(now + strlen(now), sizeof(now) - strlen(now),
			 "; libvirt <feature policy='disable' name='%s'/>", qemu);
	return now;
}

/* --- MSRs ----------------------------------------------------------------- */

struct msr_rule;
typedef void (*msr_fn)(struct comparison *c, const struct msr_rule *rule, uint64_t from,
		       uint64_t to);

struct msr_rule {
	uint32_t msr;
	const char *name;
	msr_fn compare;	  /* NULL: says nothing about guests */
	uint64_t reverse; /* bits that are a lack when they are 1 */
	bool vmx;	  /* counts only for machines with VMX */
};

static void each_bit(struct comparison *c, const struct msr_rule *rule, uint64_t lacks,
		     unsigned int shift)
{
	struct bit_name name;

	for (unsigned int bit = 0; bit < 64; bit++) {
		if (!(lacks >> bit & 1))
			continue;
		migrate_name_msr_bit(rule->msr, bit, false, &name);
		tell(c, without(name.qemu),
		     "machines there may use %s (%s, bit %u), which this host doesn't offer",
		     name.title, rule->name, bit + shift);
	}
}

static void compare_bits(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			 uint64_t to)
{
	struct bit_name name;

	each_bit(c, rule, from & ~to & ~rule->reverse, 0);
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (!((to & ~from & rule->reverse) >> bit & 1))
			continue;
		migrate_name_msr_bit(rule->msr, bit, false, &name);
		tell(c, "have the guests of that machine mitigate it, or take another host",
		     "this host has the weakness %s (%s, bit %u), which machines there need not "
		     "expect",
		     name.title, rule->name, bit);
	}
}

/* What may be 1 there must be so here; what must be 1 here must be so there. */
static void compare_ctl(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			uint64_t to)
{
	struct vmx_ctl_caps f = ctl_from_msr(from), t = ctl_from_msr(to);
	uint32_t must = t.must & ~f.must & f.may;
	struct bit_name name;

	each_bit(c, rule, f.may & ~t.may, 32);
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (!(must >> bit & 1))
			continue;
		migrate_name_msr_bit(rule->msr, bit, true, &name);
		tell(c, without(name.qemu),
		     "machines there may clear bit %u of the controls (%s), which must be 1 on this "
		     "host",
		     bit, rule->name);
	}
}

/* CR0 and CR4: bits that must be 1 in VMX operation. */
static void compare_fixed0(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			   uint64_t to)
{
	if (to & ~from)
		tell(c, without("vmx"),
		     "machines there may clear bits 0x%" PRIx64
		     " in VMX operation (%s), which must be 1 on this host",
		     to & ~from, rule->name);
}

static void compare_fixed1(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			   uint64_t to)
{
	if (from & ~to)
		tell(c, "leave out the CPUID features that these bits belong to",
		     "machines there may set bits 0x%" PRIx64
		     " in VMX operation (%s), which must be 0 on this host",
		     from & ~to, rule->name);
}

static void compare_number(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			   uint64_t to)
{
	if (from > to)
		tell(c, "leave out the controls that are new there, above",
		     "machines there may use VMCS fields up to 0x%" PRIx64
		     ", and this host has them up to 0x%" PRIx64 " (%s)",
		     from & ~(uint64_t)1, to & ~(uint64_t)1, rule->name);
}

#define BASIC_FLAGS (GENMASK_ULL(63, BASIC_MEMTYPE_SHIFT - 1) & ~BASIC_MEMTYPE)

static void compare_basic(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			  uint64_t to)
{
	if ((from ^ to) & BASIC_REVISION)
		tell(c, "only a machine without VMX can move: QEMU -cpu MODEL,-vmx",
		     "VMCS regions have revision 0x%" PRIx64 " there and 0x%" PRIx64 " here (%s)",
		     (uint64_t)(from & BASIC_REVISION), (uint64_t)(to & BASIC_REVISION),
		     rule->name);
	if ((from ^ to) & (BASIC_SIZE | BASIC_MEMTYPE | BASIC_32BIT_ADDR))
		tell(c, "only a machine without VMX can move: QEMU -cpu MODEL,-vmx",
		     "the size, memory type or place of VMCS regions is another one there (%s)",
		     rule->name);
	each_bit(c, rule, from & ~to & BASIC_FLAGS, 0);
}

#define MISC_NUMBERS (MISC_PREEMPT_RATE | MISC_CR3_TARGETS | MISC_MSR_LIST | GENMASK_ULL(63, 32))

static void compare_misc(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			 uint64_t to)
{
	if ((from ^ to) & MISC_PREEMPT_RATE)
		tell(c, without("vmx-preemption-timer"),
		     "the VMX-preemption timer counts each 2^%u TSC ticks there and 2^%u here (%s)",
		     (unsigned int)(from & MISC_PREEMPT_RATE),
		     (unsigned int)(to & MISC_PREEMPT_RATE), rule->name);
	if ((from & MISC_CR3_TARGETS) > (to & MISC_CR3_TARGETS))
		tell(c, "only a machine whose hypervisor uses no more than that can move",
		     "there are %u CR3-target values there and %u here (%s)",
		     (unsigned int)((from & MISC_CR3_TARGETS) >> MISC_CR3_TARGETS_SHIFT),
		     (unsigned int)((to & MISC_CR3_TARGETS) >> MISC_CR3_TARGETS_SHIFT), rule->name);
	if ((from & MISC_MSR_LIST) > (to & MISC_MSR_LIST))
		tell(c, "only a machine whose hypervisor has shorter lists can move",
		     "lists of MSRs may be longer there than here (%s)", rule->name);
	each_bit(c, rule, from & ~to & ~MISC_NUMBERS, 0);
}

#define PERF_LBR_FORMAT 0x3f

static void compare_perf(struct comparison *c, const struct msr_rule *rule, uint64_t from,
			 uint64_t to)
{
	if ((from & PERF_LBR_FORMAT) && ((from ^ to) & PERF_LBR_FORMAT))
		tell(c,
		     "start the machine there without performance counters: QEMU -cpu MODEL,pmu=off",
		     "last-branch records have format %u there and %u here (%s)",
		     (unsigned int)(from & PERF_LBR_FORMAT), (unsigned int)(to & PERF_LBR_FORMAT),
		     rule->name);
	if (from & ~to & ~(uint64_t)PERF_LBR_FORMAT)
		tell(c,
		     "start the machine there without performance counters: QEMU -cpu MODEL,pmu=off",
		     "machines there may use performance-counter features 0x%" PRIx64
		     " that this host doesn't offer (%s)",
		     from & ~to & ~(uint64_t)PERF_LBR_FORMAT, rule->name);
}

#define ARCH_WEAKNESSES (1ull << 2 | 1ull << 19) /* RSBA, RRSBA */

#define VMX(name, compare)                                          \
	{                                                           \
		VMX_MSR_##name, "IA32_VMX_" #name, compare, 0, true \
	}

static const struct msr_rule msr_rules[] = {
	VMX(BASIC, compare_basic),
	/* The TRUE ones below say the same and more, so these are not compared. */
	VMX(PIN, NULL),
	VMX(PROC, NULL),
	VMX(EXIT, NULL),
	VMX(ENTRY, NULL),
	VMX(MISC, compare_misc),
	VMX(CR0_FIXED0, compare_fixed0),
	VMX(CR0_FIXED1, compare_fixed1),
	VMX(CR4_FIXED0, compare_fixed0),
	VMX(CR4_FIXED1, compare_fixed1),
	VMX(VMCS_ENUM, compare_number),
	{ VMX_MSR_PROC2, "IA32_VMX_PROCBASED_CTLS2", compare_ctl, 0, true },
	{ VMX_MSR_EPT_VPID, "IA32_VMX_EPT_VPID_CAP", compare_bits, 0, true },
	{ VMX_MSR_TRUE_PIN, "IA32_VMX_TRUE_PINBASED_CTLS", compare_ctl, 0, true },
	{ VMX_MSR_TRUE_PROC, "IA32_VMX_TRUE_PROCBASED_CTLS", compare_ctl, 0, true },
	{ VMX_MSR_TRUE_EXIT, "IA32_VMX_TRUE_EXIT_CTLS", compare_ctl, 0, true },
	{ VMX_MSR_TRUE_ENTRY, "IA32_VMX_TRUE_ENTRY_CTLS", compare_ctl, 0, true },
	VMX(VMFUNC, compare_bits),
	{ 0x8b, "IA32_BIOS_SIGN_ID", NULL, 0, false }, /* the microcode's revision */
	{ 0xce, "MSR_PLATFORM_INFO", compare_bits, 0, false },
	{ 0x10a, "IA32_ARCH_CAPABILITIES", compare_bits, ARCH_WEAKNESSES, false },
	{ 0x345, "IA32_PERF_CAPABILITIES", compare_perf, 0, false },
};

static uint64_t msr_value(const struct migrate_facts *facts, uint32_t index, bool *there)
{
	for (unsigned int i = 0; i < facts->msrs; i++) {
		if (facts->msr[i].index != index)
			continue;
		*there = true;
		return facts->msr[i].value;
	}
	*there = false;
	return 0;
}

static const struct msr_rule *rule_of(uint32_t msr)
{
	for (size_t i = 0; i < ARRAY_SIZE(msr_rules); i++)
		if (msr_rules[i].msr == msr)
			return &msr_rules[i];
	return NULL;
}

static void compare_msrs(struct comparison *c, bool vmx)
{
	for (unsigned int i = 0; i < c->from->msrs; i++) {
		const struct migrate_msr *m = &c->from->msr[i];
		const struct msr_rule *rule = rule_of(m->index);
		bool there;
		uint64_t here = msr_value(c->to, m->index, &there);

		if (!rule && m->value && (!there || here != m->value))
			tell(c, "look up what it is; machines that don't read it can move",
			     "the feature MSR 0x%" PRIx32 " is 0x%" PRIx64 " there and %s0x%" PRIx64
			     " here, and this doctor doesn't know it",
			     m->index, m->value, there ? "" : "missing, as ", here);
		if (rule && rule->compare && (vmx || !rule->vmx))
			rule->compare(c, rule, m->value, here);
	}
}

/* --- CPUID ---------------------------------------------------------------- */

static uint32_t cpuid_reg(const struct migrate_facts *facts, uint32_t function, uint32_t index,
			  unsigned int reg)
{
	struct kvm_cpuid_entry2 *e =
		cpuid_find((struct cpuid_table *)&facts->cpuid, function, index);
	const uint32_t regs[4] = { e ? e->eax : 0, e ? e->ebx : 0, e ? e->ecx : 0, e ? e->edx : 0 };

	return regs[reg];
}

static void compare_words(struct comparison *c)
{
	static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };

	for (const struct cpuid_word *w = migrate_cpuid_words; w->names; w++) {
		uint32_t lacks = cpuid_reg(c->from, w->function, w->index, w->reg) &
				 ~cpuid_reg(c->to, w->function, w->index, w->reg) & ~w->transient;
		struct bit_name name;

		for (unsigned int bit = 0; bit < 32; bit++) {
			if (!(lacks >> bit & 1))
				continue;
			migrate_name_cpuid_bit(w, bit, &name);
			tell(c, without(name.qemu),
			     "machines there may use %s (CPUID 0x%x.%u:%s, bit %u), which this host "
			     "doesn't offer",
			     name.title, w->function, w->index, regs[w->reg], bit);
		}
	}
}

static void compare_vendor(struct comparison *c)
{
	char from[13], to[13];

	cpuid_vendor((struct cpuid_table *)&c->from->cpuid, from);
	cpuid_vendor((struct cpuid_table *)&c->to->cpuid, to);
	if (strcmp(from, to))
		tell(c, "no machine with VMX can move between processors of different makers",
		     "the processor is a %.12s there and a %.12s here", from, to);
}

static void compare_address_bits(struct comparison *c)
{
	unsigned int from = cpuid_reg(c->from, 0x80000008, 0, 0) & 0xff;
	unsigned int to = cpuid_reg(c->to, 0x80000008, 0, 0) & 0xff;
	char now[100];

	snprintf(now, sizeof(now), "start the machine there with QEMU -cpu MODEL,phys-bits=%u", to);
	if (from > to)
		tell(c, now, "physical addresses have %u bits there and %u here", from, to);
}

/* XSAVE must put the components that both hosts have at the same offsets. */
static void compare_xsave(struct comparison *c)
{
	uint32_t both = cpuid_reg(c->from, 0xd, 0, 0) & cpuid_reg(c->to, 0xd, 0, 0);

	for (unsigned int i = 2; i < 32; i++)
		if ((both >> i & 1) &&
		    (cpuid_reg(c->from, 0xd, i, 0) != cpuid_reg(c->to, 0xd, i, 0) ||
		     cpuid_reg(c->from, 0xd, i, 1) != cpuid_reg(c->to, 0xd, i, 1)))
			tell(c, "leave out the features that use it",
			     "XSAVE's component %u has another size or place there (CPUID 0xd.%u)",
			     i, i);
}

/* --- capabilities --------------------------------------------------------- */

static bool cap_satisfied(enum migrate_kind kind, long from, long to)
{
	switch (kind) {
	case MIGRATE_BITS: return !(from & ~to);
	case MIGRATE_NUMBER: return from <= to;
	default: return !from || to;
	}
}

static void compare_caps(struct comparison *c)
{
	for (unsigned int i = 0; migrate_caps[i].name; i++) {
		const struct migrate_cap *cap = &migrate_caps[i];
		long from = c->from->cap[i], to = c->to->cap[i];

		if (cap_satisfied(cap->kind, from, to))
			continue;
		if (!to)
			tell(c, cap->now, "there is %s there, which this host doesn't have",
			     cap->name);
		else
			tell(c, cap->now,
			     cap->kind == MIGRATE_BITS ? "%s is 0x%lx there and 0x%lx here"
						       : "%s is %ld there and %ld here",
			     cap->name, from, to);
	}
}

/* What QEMU tolerates, and a guest's clock does not notice. */
#define TSC_TOLERANCE_PPM 250

static void compare_tsc(struct comparison *c)
{
	uint64_t from = c->from->tsc_khz, to = c->to->tsc_khz;
	uint64_t apart = from > to ? from - to : to - from;

	for (unsigned int i = 0; migrate_caps[i].name; i++)
		if (migrate_caps[i].cap == KVM_CAP_TSC_CONTROL && c->to->cap[i])
			return;
	if (from && to && apart * 1000000 > from * TSC_TOLERANCE_PPM)
		tell(c,
		     "have the guests use another clock than the TSC, or take a host with TSC scaling",
		     "the TSC runs at %" PRIu64 " kHz there and at %" PRIu64
		     " kHz here, and this host can't scale it",
		     from, to);
}

unsigned int migrate_compare(const struct migrate_facts *from, const struct migrate_facts *to,
			     struct migrate_teller *teller)
{
	struct comparison c = { .from = from, .to = to, .teller = teller };
	bool vmx = cpuid_has_vmx((struct cpuid_table *)&from->cpuid) &&
		   cpuid_has_vmx((struct cpuid_table *)&to->cpuid);

	compare_vendor(&c);
	compare_words(&c);
	compare_address_bits(&c);
	compare_xsave(&c);
	/* Where a host has no VMX its MSRs add nothing: compare_words() tells of that bit. */
	compare_msrs(&c, vmx);
	compare_caps(&c);
	compare_tsc(&c);
	return c.found;
}
