// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be offered to guests: each word of the processor's CPUID, masked to
 * the features that guests can use, together with what L0 emulates.
 * KVM_GET_SUPPORTED_CPUID comes here.
 *
 * What a reader must know: a feature is offered by being in feature_words[],
 * and only after whatever state it has is switched (fpu.c, msrs.c). Leaves that
 * offer_filter() does not name are empty.
 */
#include <linux/sched/stat.h>
#include <linux/kvm_para.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <vmx/cet.h>

#include "compat/msr.h"
#include "cpu/clock.h"
#include "cpu/cpuid.h"
#include "cpu/cpuid_bits.h"
#include "cpu/fpu.h"
#include "cpu/spec_ctrl.h"
#include "hw/caps.h"

#define AVX512_EBX                                                                               \
	(FEATURE(7_0_EBX, AVX512F) | FEATURE(7_0_EBX, AVX512DQ) | FEATURE(7_0_EBX, AVX512IFMA) | \
	 FEATURE(7_0_EBX, AVX512PF) | FEATURE(7_0_EBX, AVX512ER) | FEATURE(7_0_EBX, AVX512CD) |  \
	 FEATURE(7_0_EBX, AVX512BW) | FEATURE(7_0_EBX, AVX512VL))
#define AVX512_ECX                                                                                 \
	(FEATURE(7_ECX, AVX512VBMI) | FEATURE(7_ECX, AVX512_VBMI2) | FEATURE(7_ECX, AVX512_VNNI) | \
	 FEATURE(7_ECX, AVX512_BITALG) | FEATURE(7_ECX, AVX512_VPOPCNTDQ))
#define AVX512_EDX                                                       \
	(FEATURE(7_EDX, AVX512_4VNNIW) | FEATURE(7_EDX, AVX512_4FMAPS) | \
	 FEATURE(7_EDX, AVX512_VP2INTERSECT) | FEATURE(7_EDX, AVX512_FP16))

#define NO_LINUX_WORD (-1)

/*
 * One word of features: which are offered if the processor has them (.pass), which on any
 * processor (.always), and the word of boot_cpu_data in which the host's kernel
 * may have turned some off.
 */
struct feature_word {
	u32 function, index;
	enum cpuid_reg reg;
	int linux_word;
	u32 pass, always;
	u32 own; /* of .pass: offered even if the host's kernel has turned them off for itself */
};

static const struct feature_word feature_words[] = {
	{ 1, 0, CPUID_REG_ECX, CPUID_1_ECX,
	  FEATURE(1_ECX, XMM3) | FEATURE(1_ECX, PCLMULQDQ) | FEATURE(1_ECX, SSSE3) |
		  FEATURE(1_ECX, FMA) | FEATURE(1_ECX, CX16) | FEATURE(1_ECX, PCID) |
		  FEATURE(1_ECX, XMM4_1) | FEATURE(1_ECX, XMM4_2) | FEATURE(1_ECX, MOVBE) |
		  FEATURE(1_ECX, POPCNT) | FEATURE(1_ECX, AES) | FEATURE(1_ECX, XSAVE) |
		  FEATURE(1_ECX, AVX) | FEATURE(1_ECX, F16C) | FEATURE(1_ECX, RDRAND),
	  FEATURE(1_ECX, X2APIC) | FEATURE(1_ECX, HYPERVISOR) | FEATURE(1_ECX, VMX) },
	{ 1, 0, CPUID_REG_EDX, CPUID_1_EDX,
	  FEATURE(1_EDX, FPU) | FEATURE(1_EDX, VME) | FEATURE(1_EDX, DE) | FEATURE(1_EDX, PSE) |
		  FEATURE(1_EDX, TSC) | FEATURE(1_EDX, MSR) | FEATURE(1_EDX, PAE) |
		  FEATURE(1_EDX, MCE) | FEATURE(1_EDX, CX8) | FEATURE(1_EDX, SEP) |
		  FEATURE(1_EDX, MTRR) | FEATURE(1_EDX, PGE) | FEATURE(1_EDX, MCA) |
		  FEATURE(1_EDX, CMOV) | FEATURE(1_EDX, PAT) | FEATURE(1_EDX, PSE36) |
		  FEATURE(1_EDX, CLFLUSH) | FEATURE(1_EDX, MMX) | FEATURE(1_EDX, FXSR) |
		  FEATURE(1_EDX, XMM) | FEATURE(1_EDX, XMM2) | FEATURE(1_EDX, SELFSNOOP),
	  FEATURE(1_EDX, APIC) },
	{ 7, 0, CPUID_REG_EBX, CPUID_7_0_EBX,
	  FEATURE(7_0_EBX, FSGSBASE) | FEATURE(7_0_EBX, BMI1) | FEATURE(7_0_EBX, AVX2) |
		  FEATURE(7_0_EBX, FDP_EXCPTN_ONLY) | FEATURE(7_0_EBX, SMEP) |
		  FEATURE(7_0_EBX, BMI2) | FEATURE(7_0_EBX, ERMS) | FEATURE(7_0_EBX, INVPCID) |
		  FEATURE(7_0_EBX, ZERO_FCS_FDS) | FEATURE(7_0_EBX, RDSEED) |
		  FEATURE(7_0_EBX, ADX) | FEATURE(7_0_EBX, SMAP) | FEATURE(7_0_EBX, CLFLUSHOPT) |
		  FEATURE(7_0_EBX, CLWB) | FEATURE(7_0_EBX, SHA_NI) | AVX512_EBX,
	  FEATURE(7_0_EBX, TSC_ADJUST) },
	{ 7, 0, CPUID_REG_ECX, CPUID_7_ECX,
	  FEATURE(7_ECX, UMIP) | FEATURE(7_ECX, PKU) | FEATURE(7_ECX, SHSTK) |
		  FEATURE(7_ECX, GFNI) | FEATURE(7_ECX, VAES) | FEATURE(7_ECX, VPCLMULQDQ) |
		  FEATURE(7_ECX, RDPID) | FEATURE(7_ECX, CLDEMOTE) | FEATURE(7_ECX, MOVDIRI) |
		  FEATURE(7_ECX, MOVDIR64B) | FEATURE(7_ECX, WAITPKG) | AVX512_ECX,
	  0, FEATURE(7_ECX, SHSTK) | FEATURE(7_ECX, WAITPKG) },
	{ 7, 0, CPUID_REG_EDX, CPUID_7_EDX,
	  FEATURE(7_EDX, FSRM) | FEATURE(7_EDX, MD_CLEAR) | FEATURE(7_EDX, SERIALIZE) |
		  CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP | FEATURE(7_EDX, FLUSH_L1D) |
		  CPUID_7_EDX_SSBD | FEATURE(7_EDX, IBT) | AVX512_EDX,
	  FEATURE(7_EDX, ARCH_CAPABILITIES), FEATURE(7_EDX, IBT) },
	{ 7, 1, CPUID_REG_EAX, CPUID_7_1_EAX,
	  FEATURE(7_1_EAX, AVX_VNNI) | FEATURE(7_1_EAX, AVX512_BF16), 0 },
	{ 0xd, 1, CPUID_REG_EAX, CPUID_D_1_EAX,
	  FEATURE(D_1_EAX, XSAVEOPT) | FEATURE(D_1_EAX, XSAVEC) | FEATURE(D_1_EAX, XGETBV1) |
		  FEATURE(D_1_EAX, XSAVES),
	  0 },
	{ 0x80000001, 0, CPUID_REG_ECX, CPUID_8000_0001_ECX,
	  FEATURE(8000_0001_ECX, LAHF_LM) | FEATURE(8000_0001_ECX, ABM) |
		  FEATURE(8000_0001_ECX, 3DNOWPREFETCH),
	  0 },
	{ 0x80000001, 0, CPUID_REG_EDX, CPUID_8000_0001_EDX,
	  FEATURE(8000_0001_EDX, SYSCALL) | FEATURE(8000_0001_EDX, NX) |
		  FEATURE(8000_0001_EDX, GBPAGES) | FEATURE(8000_0001_EDX, RDTSCP) |
		  FEATURE(8000_0001_EDX, LM),
	  0 },
	/* The invariant TSC, which Linux keeps in a word that is none of CPUID's. */
	{ 0x80000007, 0, CPUID_REG_EDX, NO_LINUX_WORD, BIT(8), 0 },
};

/* --- the processor's own ------------------------------------------------ */

static struct kvm_cpuid_entry2 host_leaf(u32 function, u32 index)
{
	struct kvm_cpuid_entry2 e = { .function = function, .index = index };

	cpuid_count(function, index, &e.eax, &e.ebx, &e.ecx, &e.edx);
	return e;
}

static u32 *entry_word(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg)
{
	switch (reg) {
	case CPUID_REG_EAX: return &e->eax;
	case CPUID_REG_EBX: return &e->ebx;
	case CPUID_REG_ECX: return &e->ecx;
	default: return &e->edx;
	}
}

/* Features whose instructions would fault in a guest, as the processor lacks their control. */
static u32 lacking_control(u32 function, enum cpuid_reg reg)
{
	u32 lacking = 0;

	if (function == 7 && reg == CPUID_REG_EBX && !ctl_may(hw_caps.proc2, PROC2_INVPCID))
		lacking |= FEATURE(7_0_EBX, INVPCID);
	if (function == 7 && reg == CPUID_REG_ECX && !boot_cpu_has(X86_FEATURE_OSPKE))
		lacking |= FEATURE(7_ECX, PKU);
	if (function == 7 && reg == CPUID_REG_ECX && !hw_has_cet())
		lacking |= FEATURE(7_ECX, SHSTK);
	if (function == 7 && reg == CPUID_REG_EDX && !hw_has_cet())
		lacking |= FEATURE(7_EDX, IBT);
	if (function == 7 && reg == CPUID_REG_ECX && !ctl_may(hw_caps.proc2, PROC2_RDTSCP))
		lacking |= FEATURE(7_ECX, RDPID);
	if (function == 7 && reg == CPUID_REG_ECX && !ctl_may(hw_caps.proc2, PROC2_USER_WAIT))
		lacking |= FEATURE(7_ECX, WAITPKG);
	if (function == 0xd && !hw_has_xsaves())
		lacking |= FEATURE(D_1_EAX, XSAVES);
	if (function == 0x80000001 && reg == CPUID_REG_EDX && !ctl_may(hw_caps.proc2, PROC2_RDTSCP))
		lacking |= FEATURE(8000_0001_EDX, RDTSCP);
	return lacking;
}

static u32 offer_offered(const struct feature_word *w, u32 host)
{
	u32 bits = host & w->pass & ~lacking_control(w->function, w->reg);

	if (w->linux_word != NO_LINUX_WORD)
		bits &= boot_cpu_data.x86_capability[w->linux_word] | w->own;
	return bits | w->always;
}

/* Masks the registers of the leaf that are in feature_words[]. The caller clears the others. */
static void mask_features(struct kvm_cpuid_entry2 *e)
{
	struct kvm_cpuid_entry2 host = *e;
	int i;

	for (i = 0; i < ARRAY_SIZE(feature_words); i++) {
		const struct feature_word *w = &feature_words[i];

		if (w->function == e->function && w->index == e->index)
			*entry_word(e, w->reg) = offer_offered(w, *entry_word(&host, w->reg));
	}
}

/* XSAVE's components, read once: each CPUID costs an exit where L0 is virtualised itself. */
static struct xsave_component {
	u32 size, offset;
	bool aligned;
} components[63];

/* The bits of IA32_XSS that are offered: CET's, even if the host's kernel does not use them. */
static u64 xss_offered;

u64 cpuid_supported_xss(void)
{
	return xss_offered;
}

void cpuid_setup(void)
{
	struct kvm_cpuid_entry2 e;
	int i;

	if (hw_has_cet() && fpu_supported_xcr0() &&
	    (cpuid_supported_word(0xd, 1, CPUID_REG_EAX) & FEATURE(D_1_EAX, XSAVES)))
		xss_offered = host_leaf(0xd, 1).ecx & XSS_CET;
	for (i = 2; i < ARRAY_SIZE(components); i++) {
		if (!((fpu_supported_xcr0() | xss_offered) & BIT_ULL(i)))
			continue;
		e = host_leaf(0xd, i);
		components[i] = (struct xsave_component){ e.eax, e.ebx, e.ecx & 2 };
	}
}

/* The first 576 bytes are the legacy region and the header. SDM: "XSAVE Area". */
u32 cpuid_xsave_size(u64 xfeatures, bool compacted)
{
	u32 size = 512 + 64, offset;
	int i;

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		const struct xsave_component *c = &components[i];

		if (!(xfeatures & BIT_ULL(i)))
			continue;
		offset = compacted ? (c->aligned ? ALIGN(size, 64) : size) : c->offset;
		size = max(size, offset + c->size);
	}
	return size;
}

/* --- leaf by leaf ------------------------------------------------------- */

#define KVM_FEATURES                                                    \
	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | \
	 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_PV_EOI) |      \
	 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

static void fill_hypervisor(struct kvm_cpuid_entry2 *e)
{
	/* A guest that sees this name uses what KVM has: kvmclock, x2APIC without remapping. */
	static const char signature[12] = "KVMKVMKVM";

	e->eax = e->ebx = e->ecx = e->edx = 0;
	if (e->function == KVM_CPUID_SIGNATURE) {
		e->eax = KVM_CPUID_FEATURES;
		memcpy(&e->ebx, signature, 4);
		memcpy(&e->ecx, signature + 4, 4);
		memcpy(&e->edx, signature + 8, 4);
		return;
	}
	e->eax = KVM_FEATURES;
	if (sched_info_on())
		e->eax |= BIT(KVM_FEATURE_STEAL_TIME);
}

static void fill_addresses(struct kvm_cpuid_entry2 *e)
{
	/* EPT with 4 levels maps 48 bits; 5-level paging is not offered. */
	e->eax = min(e->eax & 0xff, 48u) | 48 << 8;
	e->ebx = e->ecx = e->edx = 0;
}

static void fill_xsave(struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = fpu_supported_xcr0();

	if (e->index == 0) {
		e->eax = xcr0;
		e->ebx = e->ecx = cpuid_xsave_size(xcr0, false);
		e->edx = xcr0 >> 32;
	} else if (e->index == 1) {
		mask_features(e);
		e->ebx = 0;
		if (e->eax & (FEATURE(D_1_EAX, XSAVES) | FEATURE(D_1_EAX, XSAVEC)))
			e->ebx = cpuid_xsave_size(xcr0 | xss_offered, true);
		e->ecx = xss_offered;
		e->edx = 0;
	} else {
		e->ecx &= ~4u; /* XFD */
		e->edx = 0;
	}
}

/* Turns the processor's leaf into what a guest is offered. Leaves not named here become empty. */
static void offer_filter(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0: e->eax = min(e->eax, 0x1fu); return;
	case 1:
		e->ebx &= 0xff00; /* CLFLUSH size; the rest is topology */
		mask_features(e);
		return;
	case 2:
	case 4:
	case 0x80000002 ... 0x80000006: return; /* names, caches and TLBs */
	case 6:
		e->eax = FEATURE(6_EAX, ARAT);
		e->ebx = e->ecx = e->edx = 0;
		return;
	case 7:
		if (e->index == 0)
			e->eax = min(e->eax, 1u);
		else
			e->ebx = e->ecx = e->edx = 0;
		mask_features(e);
		return;
	case 0xd: fill_xsave(e); return;
	case KVM_CPUID_SIGNATURE:
	case KVM_CPUID_FEATURES: fill_hypervisor(e); return;
	case 0x80000000:
		e->eax = min(e->eax, 0x80000008u);
		e->ebx = e->ecx = e->edx = 0;
		return;
	case 0x80000001:
		e->eax = e->ebx = 0;
		mask_features(e);
		return;
	case 0x80000007:
		e->eax = e->ebx = e->ecx = 0;
		mask_features(e);
		if (!pvclock_stable()) /* a vCPU's TSC may go back when it moves */
			e->edx = 0;
		return;
	case 0x80000008: fill_addresses(e); return;
	}
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

static struct kvm_cpuid_entry2 offered_leaf(u32 function, u32 index)
{
	struct kvm_cpuid_entry2 e = { .function = function, .index = index };

	if (function >> 28 != 4)
		e = host_leaf(function, index);
	offer_filter(&e);
	return e;
}

u32 cpuid_supported_word(u32 function, u32 index, enum cpuid_reg reg)
{
	struct kvm_cpuid_entry2 e = offered_leaf(function, index);

	return *entry_word(&e, reg);
}

/* --- the list ----------------------------------------------------------- */

struct list {
	struct kvm_cpuid_entry2 *entry;
	int count, room;
};

static int offer_add(struct list *l, u32 function, u32 index, u32 flags)
{
	if (l->count == l->room)
		return -E2BIG;
	l->entry[l->count] = offered_leaf(function, index);
	l->entry[l->count++].flags = flags;
	return 0;
}

/* Does leaf @function have a subleaf @index, after the one that was added last? */
static bool has_subleaf(const struct list *l, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *last = &l->entry[l->count - 1];

	switch (function) {
	case 4: /* caches, until one of type 0 */ return last->eax & 0x1f;
	case 7: return index <= (last->index == 0 ? last->eax : 0);
	case 0xd: return fpu_supported_xcr0() && index < 63;
	}
	return false;
}

static bool skip_subleaf(u32 function, u32 index)
{
	return function == 0xd && index >= 2 &&
	       !((fpu_supported_xcr0() | xss_offered) & BIT_ULL(index));
}

static int add_leaf(struct list *l, u32 function)
{
	bool indexed = function == 4 || function == 7 || function == 0xb || function == 0xd ||
		       function == 0x1f;
	u32 flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0, index = 0;
	int r;

	do {
		if (skip_subleaf(function, index))
			continue;
		r = offer_add(l, function, index, flags);
		if (r)
			return r;
	} while (has_subleaf(l, function, ++index));
	return 0;
}

int cpuid_supported(struct kvm_cpuid_entry2 *entries, int *count)
{
	static const u32 class[] = { 0, 0x80000000, KVM_CPUID_SIGNATURE };
	struct list l = { .entry = entries, .room = *count };
	u32 function, last;
	int i, r = 0;

	for (i = 0; i < ARRAY_SIZE(class); i++) {
		last = cpuid_supported_word(class[i], 0, CPUID_REG_EAX);
		for (function = class[i]; function <= last && !r; function++)
			r = add_leaf(&l, function);
	}
	*count = l.count;
	return r;
}
