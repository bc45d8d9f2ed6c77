// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's CPUID table: how it is set, searched, and executed, and what L0
 * derives from it. KVM_SET_CPUID2 and the handler of CPUID come here; what may
 * be offered is in cpuid_offer.c.
 *
 * What a reader must know: userspace's table is taken as it is, as on KVM, and
 * what L0 allows the guest (CR4 and EFER bits, VMX, XCR0) follows from the
 * intersection with what is supported.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/msr-index.h>
#include <vmx/hyperv.h>

#include "cpu/cpuid.h"
#include "cpu/cpuid_bits.h"
#include "cpu/msrs.h"
#include "cpu/regs.h"
#include "cpu/spec_ctrl.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"
#include "hw/caps.h"

/* --- search ------------------------------------------------------------- */

static unsigned int slot_of(u32 function)
{
	return function >> 30 << 5 | (function & 31);
}

static bool cpuid_matches(const struct kvm_cpuid_entry2 *e, u32 function, u32 index)
{
	return e->function == function &&
	       (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
}

/* The number of the entry, or -1. */
static __always_inline int find(const struct vcpu_cpuid *c, u32 function, u32 index)
{
	int i;

	for (i = c->first[slot_of(function)]; i >= 0; i = c->link[i].next)
		if (likely(cpuid_matches(&c->entry[i], function, index)))
			break;
	return i;
}

const struct kvm_cpuid_entry2 *cpuid_find(struct vcpu *vcpu, u32 function, u32 index)
{
	int i = find(&vcpu->cpuid, function, index);

	return i < 0 ? NULL : &vcpu->cpuid.entry[i];
}

/* Leaves above the highest answer as the highest basic one. SDM: "CPUID—CPU Identification". */
static const struct kvm_cpuid_entry2 *find_beyond(struct vcpu *vcpu, u32 *function, u32 index)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_find(vcpu, 0, 0), *top;
	u32 base = *function & 0x80000000;

	if (*function >> 28 == 4)
		base = *function & 0xffffff00;
	top = cpuid_find(vcpu, base, 0);
	if (!basic || (top && *function <= top->eax))
		return NULL;
	*function = basic->eax;
	return cpuid_find(vcpu, *function, index);
}

/* --- execution ---------------------------------------------------------- */

static u32 with_bit(u32 word, u32 bit, bool on)
{
	return on ? word | bit : word & ~bit;
}

/* Fills in what follows from the vCPU's present state, whatever the table says. */
static void fill_dynamic(struct vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		if (vcpu->lapic)
			e->edx = with_bit(e->edx, FEATURE(1_EDX, APIC),
					  vcpu->msrs.apic_base & MSR_IA32_APICBASE_ENABLE);
		if (e->ecx & FEATURE(1_ECX, XSAVE))
			e->ecx = with_bit(e->ecx, FEATURE(1_ECX, OSXSAVE), vcpu->cr4 & CR4_OSXSAVE);
		break;
	case 7:
		if (e->index == 0)
			e->ecx = with_bit(e->ecx, FEATURE(7_ECX, OSPKE), vcpu->cr4 & CR4_PKE);
		break;
	case 0xd:
		if (e->index == 0)
			e->ebx = cpuid_xsave_size(vcpu->fpu.xcr0, false);
		if (e->index == 1 &&
		    (e->eax & (FEATURE(D_1_EAX, XSAVES) | FEATURE(D_1_EAX, XSAVEC))))
			e->ebx = cpuid_xsave_size(vcpu->fpu.xcr0 | vcpu->msrs.xss, true);
		break;
	case 0x80000008:
		e->eax = (e->eax & ~0xffu) | min(e->eax & 0xff, (u32)vcpu->cpuid.maxphyaddr);
		break;
	}
}

/* Has fill_dynamic() a case for the leaf? */
static bool is_dynamic(u32 function)
{
	return function == 1 || function == 7 || function == 0xd || function == 0x80000008;
}

static void set_gprs(struct vcpu *vcpu, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	vcpu->gpr[GPR_RAX] = eax;
	vcpu->gpr[GPR_RBX] = ebx;
	vcpu->gpr[GPR_RCX] = ecx;
	vcpu->gpr[GPR_RDX] = edx;
}

/* A leaf that the table lacks, or part of which is not in the table. */
static noinline void execute_rest(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, function, index);
	struct kvm_cpuid_entry2 out;

	if (unlikely(!e))
		e = find_beyond(vcpu, &function, index);
	if (e) {
		out = *e;
		fill_dynamic(vcpu, &out);
		set_gprs(vcpu, out.eax, out.ebx, out.ecx, out.edx);
		return;
	}
	set_gprs(vcpu, 0, 0, 0, 0);
	/* Topology leaves past the last level still name the level and the APIC id. */
	if (function == 0xb || function == 0x1f) {
		e = cpuid_find(vcpu, function, 1);
		set_gprs(vcpu, 0, 0, index & 0xff, e ? e->edx : 0);
	}
}

void cpuid_execute(struct vcpu *vcpu)
{
	u32 function = vcpu->gpr[GPR_RAX], index = vcpu->gpr[GPR_RCX];
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	int i = find(c, function, index);

	if (unlikely(i < 0) || c->link[i].dynamic)
		execute_rest(vcpu, function, index);
	else
		set_gprs(vcpu, c->entry[i].eax, c->entry[i].ebx, c->entry[i].ecx, c->entry[i].edx);
}

/* --- the table ---------------------------------------------------------- */

static void index_entries(struct vcpu_cpuid *c)
{
	s16 *first;
	int i;

	memset(c->first, 0xff, sizeof(c->first));
	for (i = c->count - 1; i >= 0; i--) {
		first = &c->first[slot_of(c->entry[i].function)];
		c->link[i].dynamic = is_dynamic(c->entry[i].function);
		c->link[i].next = *first;
		*first = i;
	}
}

u32 cpuid_word(struct vcpu *vcpu, u32 function, u32 index, enum cpuid_reg reg)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, function, index);

	if (!e)
		return 0;
	return (const u32[]){ e->eax, e->ebx, e->ecx, e->edx }[reg];
}

/* The CR4 bits that exist only with a feature. */
static const struct {
	u32 function;
	enum cpuid_reg reg;
	u32 bit;
	u64 cr4;
} cr4_features[] = {
	{ 1, CPUID_REG_ECX, FEATURE(1_ECX, VMX), CR4_VMXE },
	{ 1, CPUID_REG_ECX, FEATURE(1_ECX, PCID), CR4_PCIDE },
	{ 1, CPUID_REG_ECX, FEATURE(1_ECX, XSAVE), CR4_OSXSAVE },
	{ 7, CPUID_REG_EBX, FEATURE(7_0_EBX, FSGSBASE), CR4_FSGSBASE },
	{ 7, CPUID_REG_EBX, FEATURE(7_0_EBX, SMEP), CR4_SMEP },
	{ 7, CPUID_REG_EBX, FEATURE(7_0_EBX, SMAP), CR4_SMAP },
	{ 7, CPUID_REG_ECX, FEATURE(7_ECX, UMIP), CR4_UMIP },
	{ 7, CPUID_REG_ECX, FEATURE(7_ECX, PKU), CR4_PKE },
	{ 7, CPUID_REG_ECX, FEATURE(7_ECX, LA57), CR4_LA57 },
	{ 7, CPUID_REG_ECX, FEATURE(7_ECX, SHSTK), CR4_CET },
	{ 7, CPUID_REG_EDX, FEATURE(7_EDX, IBT), CR4_CET },
};

/* The CR4 bits that fault, by @vcpu's table; if @vcpu is NULL, by what can be offered. */
static unsigned long cr4_reserved(struct vcpu *vcpu)
{
	u64 allowed = CR4_BASE;
	u32 features;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++) {
		features = cpuid_supported_word(cr4_features[i].function, 0, cr4_features[i].reg);
		if (vcpu)
			features &=
				cpuid_word(vcpu, cr4_features[i].function, 0, cr4_features[i].reg);
		if (features & cr4_features[i].bit)
			allowed |= cr4_features[i].cr4;
	}
	return ~allowed;
}

/* A guest cannot have wider addresses than the processor, which walks the guest's tables. */
static u32 widest_physical(void)
{
	return cpuid_supported_word(0x80000008, 0, CPUID_REG_EAX) & 0xff;
}

void cpuid_init(struct vcpu *vcpu)
{
	struct vcpu_cpuid *c = &vcpu->cpuid;

	memset(c->first, 0xff, sizeof(c->first));
	c->cr4_reserved = cr4_reserved(NULL);
	c->efer_reserved = ~(EFER_BIT_SCE | EFER_BIT_LME | EFER_BIT_LMA | EFER_BIT_NX);
	c->maxphyaddr = widest_physical();
	c->xcr0_supported = XCR0_X87 | fpu_supported_xcr0();
}

static u64 cpuid_efer_reserved(struct vcpu *vcpu)
{
	u32 edx = cpuid_word(vcpu, 0x80000001, 0, CPUID_REG_EDX);
	u64 allowed = 0;

	if (edx & FEATURE(8000_0001_EDX, SYSCALL))
		allowed |= EFER_BIT_SCE;
	if (edx & FEATURE(8000_0001_EDX, NX))
		allowed |= EFER_BIT_NX;
	if (edx & FEATURE(8000_0001_EDX, LM))
		allowed |= EFER_BIT_LME | EFER_BIT_LMA;
	return ~allowed;
}

/* The x87 bit is always set, as userspace sets that state of a guest without XSAVE, too. */
static u64 xcr0_of(struct vcpu *vcpu)
{
	u64 table = cpuid_word(vcpu, 0xd, 0, CPUID_REG_EAX) |
		    (u64)cpuid_word(vcpu, 0xd, 0, CPUID_REG_EDX) << 32;

	return XCR0_X87 | (table & fpu_supported_xcr0());
}

/* Computes the members of vcpu->cpuid that handlers ask often. Context: vCPU locked. */
static void cpuid_derive(struct vcpu *vcpu)
{
	struct vcpu_cpuid *c = &vcpu->cpuid;
	u32 leaf1 = cpuid_word(vcpu, 1, 0, CPUID_REG_ECX);
	u32 leaf7 = cpuid_word(vcpu, 7, 0, CPUID_REG_EDX);
	u32 bits = cpuid_word(vcpu, 0x80000008, 0, CPUID_REG_EAX) & 0xff;

	c->vmx = leaf1 & FEATURE(1_ECX, VMX);
	c->x2apic = leaf1 & FEATURE(1_ECX, X2APIC);
	c->tsc_deadline = leaf1 & FEATURE(1_ECX, TSC_DEADLINE_TIMER);
	c->ibpb = leaf7 & CPUID_7_EDX_SPEC_CTRL;
	c->flush_l1d = leaf7 & FEATURE(7_EDX, FLUSH_L1D);
	c->spec_ctrl = spec_ctrl_bits(leaf7, cpuid_word(vcpu, 7, 2, CPUID_REG_EDX)) &
		       spec_ctrl_of_host();
	vcpu->msrs.spec_ctrl &= c->spec_ctrl;
	c->monitor = leaf1 & FEATURE(1_ECX, MWAIT);
	c->xsaves = (leaf1 & FEATURE(1_ECX, XSAVE)) && hw_has_xsaves() &&
		    (cpuid_word(vcpu, 0xd, 1, CPUID_REG_EAX) & FEATURE(D_1_EAX, XSAVES));
	c->shadow_stacks = hw_has_cet() &&
			   (cpuid_word(vcpu, 7, 0, CPUID_REG_ECX) &
			    cpuid_supported_word(7, 0, CPUID_REG_ECX) & FEATURE(7_ECX, SHSTK));
	c->branch_tracking = hw_has_cet() && (leaf7 & cpuid_supported_word(7, 0, CPUID_REG_EDX) &
					      FEATURE(7_EDX, IBT));
	c->user_wait = cpuid_word(vcpu, 7, 0, CPUID_REG_ECX) &
		       cpuid_supported_word(7, 0, CPUID_REG_ECX) & FEATURE(7_ECX, WAITPKG);
	if (!c->user_wait)
		vcpu->msrs.umwait = 0;
	c->hyperv = cpuid_word(vcpu, TLFS_LEAF_INTERFACE, 0, CPUID_REG_EAX) == TLFS_INTERFACE;
	c->maxphyaddr = clamp_t(u32, bits ?: 36, 32, widest_physical());
	c->cr4_reserved = cr4_reserved(vcpu);
	c->efer_reserved = cpuid_efer_reserved(vcpu);
	c->xcr0_supported = xcr0_of(vcpu);
	c->xss_supported = c->xsaves ? cpuid_word(vcpu, 0xd, 1, CPUID_REG_ECX) : 0;
	c->xss_supported &= cpuid_supported_xss();
	vcpu->msrs.xss &= c->xss_supported;
}

void cpuid_get(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries)
{
	int i;

	for (i = 0; i < vcpu->cpuid.count; i++) {
		entries[i] = vcpu->cpuid.entry[i];
		fill_dynamic(vcpu, &entries[i]);
	}
}

/* Is it the same table, apart from what fill_dynamic() fills in? */
static bool same_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count)
{
	struct kvm_cpuid_entry2 a, b;
	int i;

	if (count != vcpu->cpuid.count)
		return false;
	for (i = 0; i < count; i++) {
		a = vcpu->cpuid.entry[i];
		b = entries[i];
		fill_dynamic(vcpu, &a);
		fill_dynamic(vcpu, &b);
		if (memcmp(&a, &b, sizeof(a)))
			return false;
	}
	return true;
}

static int check_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count)
{
	int i;

	if (count > CPUID_MAX_ENTRIES)
		return -E2BIG;
	/* After the guest has run the table may be set again, but not to another one. */
	if (vcpu->first_run_done)
		return same_entries(vcpu, entries, count) ? 0 : -EINVAL;
	for (i = 0; i < count; i++) {
		u32 width = entries[i].eax >> 8 & 0xff;

		if (entries[i].function == 0x80000008 && width != 0 && width != 48 && width != 57)
			return -EINVAL;
	}
	return 0;
}

static bool have_vmx(const struct kvm_cpuid_entry2 *entries, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (entries[i].function == 1 && (entries[i].ecx & FEATURE(1_ECX, VMX)))
			return true;
	return false;
}

static int copy_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count)
{
	struct kvm_cpuid_entry2 *entry = NULL;
	struct cpuid_link *link = NULL;

	if (count) {
		entry = kvmalloc_array(count, sizeof(*entry), GFP_KERNEL_ACCOUNT);
		link = kvcalloc(count, sizeof(*link), GFP_KERNEL_ACCOUNT);
		if (!entry || !link) {
			kvfree(entry);
			kvfree(link);
			return -ENOMEM;
		}
		memcpy(entry, entries, count * sizeof(*entry));
	}
	cpuid_free(vcpu);
	vcpu->cpuid.entry = entry;
	vcpu->cpuid.link = link;
	vcpu->cpuid.count = count;
	index_entries(&vcpu->cpuid);
	return 0;
}

/* Control registers and vmcs01 follow the new table, and so does nested/ if VMX came or went. */
int cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count)
{
	int r = check_entries(vcpu, entries, count);

	if (r || vcpu->first_run_done)
		return r;
	/* What can fail comes first: then the old table stays. */
	if (have_vmx(entries, count))
		r = nested_reserve(vcpu);
	if (!r)
		r = copy_entries(vcpu, entries, count);
	if (r)
		return r;
	cpuid_derive(vcpu);
	regs_sync_owned(vcpu);
	regs_update_masks(vcpu);
	vmcs01_update_ctls(vcpu);
	nested_cpuid_changed(vcpu);
	return 0;
}

void cpuid_free(struct vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entry);
	kvfree(vcpu->cpuid.link);
	vcpu->cpuid.entry = NULL;
	vcpu->cpuid.link = NULL;
	vcpu->cpuid.count = 0;
}
