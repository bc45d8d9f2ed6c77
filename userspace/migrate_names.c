// SPDX-License-Identifier: GPL-2.0-only
/* What the bits of capability MSRs and CPUID are called, by manuals and by QEMU. */
#include <stdio.h>
#include <string.h>

#include <vmx/caps.h>
#include <vmx/controls.h>

#include "migrate.h"

/* The words of <vmx/offer.def>, as the MSRs that show them. */
#define MSR_OF_BASIC VMX_MSR_BASIC
#define MSR_OF_PIN VMX_MSR_TRUE_PIN
#define MSR_OF_PROC VMX_MSR_TRUE_PROC
#define MSR_OF_PROC2 VMX_MSR_PROC2
#define MSR_OF_PROC3 VMX_MSR_PROC3
#define MSR_OF_EXIT VMX_MSR_TRUE_EXIT
#define MSR_OF_EXIT2 VMX_MSR_EXIT2
#define MSR_OF_ENTRY VMX_MSR_TRUE_ENTRY
#define MSR_OF_MISC VMX_MSR_MISC
#define MSR_OF_EPT_VPID VMX_MSR_EPT_VPID
#define MSR_OF_VMFUNC VMX_MSR_VMFUNC

static const struct {
	uint32_t msr;
	uint64_t bits;
	const char *title;
} titles[] = {
#define O(word, bits, title, how, note) { MSR_OF_##word, bits, title },
#include <vmx/offer.def>
#undef O
};

#define MSR_ARCH_CAPABILITIES 0x10a

/*
 * QEMU's names, from bit .first on. Those of control words are of the half that
 * says what may be 1, unless .must is set.
 */
static const struct {
	uint32_t msr;
	unsigned int first;
	bool must;
	const char *names;
} qemu[] = {
	{ VMX_MSR_BASIC, 54, false,
	  "vmx-ins-outs vmx-true-ctls vmx-any-errcode - vmx-nested-exception" },
	{ VMX_MSR_TRUE_PIN, 0, false,
	  "vmx-intr-exit - - vmx-nmi-exit - vmx-vnmi vmx-preemption-timer vmx-posted-intr" },
	{ VMX_MSR_TRUE_PROC, 0, false,
	  "- - vmx-vintr-pending vmx-tsc-offset - - - vmx-hlt-exit - vmx-invlpg-exit "
	  "vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit - - - - - - vmx-cr8-load-exit "
	  "vmx-cr8-store-exit vmx-flexpriority vmx-vnmi-pending vmx-movdr-exit vmx-io-exit "
	  "vmx-io-bitmap - vmx-mtf vmx-msr-bitmap vmx-monitor-exit vmx-pause-exit "
	  "vmx-secondary-ctls" },
	{ VMX_MSR_TRUE_PROC, 0, true,
	  "- - - - - - - - - - - - - - - vmx-cr3-load-noexit vmx-cr3-store-noexit" },
	{ VMX_MSR_PROC2, 0, false,
	  "vmx-apicv-xapic vmx-ept vmx-desc-exit vmx-rdtscp-exit vmx-apicv-x2apic vmx-vpid "
	  "vmx-wbinvd-exit vmx-unrestricted-guest vmx-apicv-register vmx-apicv-vid vmx-ple "
	  "vmx-rdrand-exit vmx-invpcid-exit vmx-vmfunc vmx-shadow-vmcs vmx-encls-exit "
	  "vmx-rdseed-exit vmx-pml - - vmx-xsaves - - - - vmx-tsc-scaling" },
	{ VMX_MSR_TRUE_EXIT, 0, false,
	  "- - - - - - - - - - - - vmx-exit-load-perf-global-ctrl - - vmx-exit-ack-intr - - "
	  "vmx-exit-save-pat vmx-exit-load-pat vmx-exit-save-efer vmx-exit-load-efer "
	  "vmx-exit-save-preemption-timer vmx-exit-clear-bndcfgs - vmx-exit-clear-rtit-ctl - - - "
	  "vmx-exit-load-pkrs" },
	{ VMX_MSR_TRUE_EXIT, 0, true, "- - vmx-exit-nosave-debugctl" },
	{ VMX_MSR_TRUE_ENTRY, 0, false,
	  "- - - - - - - - - vmx-entry-ia32e-mode - - - vmx-entry-load-perf-global-ctrl "
	  "vmx-entry-load-pat vmx-entry-load-efer vmx-entry-load-bndcfgs - "
	  "vmx-entry-load-rtit-ctl - - - vmx-entry-load-pkrs" },
	{ VMX_MSR_TRUE_ENTRY, 0, true, "- - vmx-entry-noload-debugctl" },
	{ VMX_MSR_MISC, 0, false,
	  "- - - - - vmx-store-lma vmx-activity-hlt vmx-activity-shutdown "
	  "vmx-activity-wait-sipi - - - - - - - - - - - - - - - - - - - - "
	  "vmx-vmwrite-vmexit-fields vmx-zero-len-inject" },
	{ VMX_MSR_EPT_VPID, 0, false,
	  "vmx-ept-execonly - - - - - vmx-page-walk-4 vmx-page-walk-5 - - - - - - - - vmx-ept-2mb "
	  "vmx-ept-1gb - - vmx-invept vmx-eptad vmx-ept-advanced-exitinfo - - "
	  "vmx-invept-single-context vmx-invept-all-context - - - - - vmx-invvpid - - - - - - - "
	  "vmx-invvpid-single-addr - vmx-invvpid-all-context" },
	{ VMX_MSR_VMFUNC, 0, false, "vmx-eptp-switching" },
	{ MSR_ARCH_CAPABILITIES, 0, false,
	  "rdctl-no ibrs-all rsba skip-l1dfl-vmentry ssb-no mds-no pschange-mc-no tsx-ctrl "
	  "taa-no - - - - sbdr-ssdp-no fbsdp-no psdp-no - fb-clear - - bhi-no - - - pbrsb-no - "
	  "gds-no rfds-no rfds-clear" },
	{ MSR_ARCH_CAPABILITIES, 62, false, "its-no" },
};

const struct cpuid_word migrate_cpuid_words[] = {
	/* OSXSAVE follows CR4, and that there is a hypervisor is userspace's word. */
	{ 0x1, 0, 2, 1u << 27 | 1u << 31,
	  "pni pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cid - fma cx16 xtpr pdcm - "
	  "pcid dca sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave - avx f16c rdrand "
	  "hypervisor" },
	{ 0x1, 0, 3, 0,
	  "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - "
	  "ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe" },
	{ 0x6, 0, 0, 0, "- - arat" },
	{ 0x7, 0, 1, 0,
	  "fsgsbase tsc-adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm - - mpx - avx512f "
	  "avx512dq rdseed adx smap avx512ifma pcommit clflushopt clwb intel-pt avx512pf avx512er "
	  "avx512cd sha-ni avx512bw avx512vl" },
	/* OSPKE follows CR4. */
	{ 0x7, 0, 2, 1u << 4,
	  "- avx512vbmi umip pku - waitpkg avx512vbmi2 - gfni vaes vpclmulqdq avx512vnni "
	  "avx512bitalg - avx512-vpopcntdq - la57 - - - - - rdpid - bus-lock-detect cldemote - "
	  "movdiri movdir64b - sgxlc pks" },
	{ 0x7, 0, 3, 0,
	  "- - avx512-4vnniw avx512-4fmaps fsrm - - - avx512-vp2intersect - md-clear - - - "
	  "serialize - tsx-ldtrk - - arch-lbr - - amx-bf16 avx512-fp16 amx-tile amx-int8 "
	  "spec-ctrl stibp - arch-capabilities core-capability ssbd" },
	{ 0x7, 1, 0, 0, "- - - - avx-vnni avx512-bf16" },
	{ 0xd, 0, 0, 0, "" },
	{ 0xd, 1, 0, 0, "xsaveopt xsavec xgetbv1 xsaves xfd" },
	{ 0xd, 1, 2, 0, "" },
	{ 0x40000001, 0, 0, 0,
	  "kvmclock kvm-nopiodelay kvm-mmu kvmclock kvm-asyncpf kvm-steal-time kvm-pv-eoi "
	  "kvm-pv-unhalt - kvm-pv-tlb-flush kvm-asyncpf-vmexit kvm-pv-ipi kvm-poll-control kvm-pv-sched-yield "
	  "kvm-asyncpf-int kvm-msi-ext-dest-id - - - - - - - - kvmclock-stable-bit" },
	{ 0x80000001, 0, 2, 0,
	  "lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw" },
	{ 0x80000001, 0, 3, 0,
	  "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - fxsr-opt pdpe1gb rdtscp "
	  "- lm 3dnowext 3dnow" },
	{ 0x80000007, 0, 3, 0, "- - - - - - - - invtsc" },
	{ 0x80000008, 0, 1, 0,
	  "clzero - xsaveerptr - - - - - - wbnoinvd - - ibpb - ibrs amd-stibp" },
	{ 0 },
};

/* Word @n of @names, "" where it is "-" or there is none. */
static void nth_word(const char *names, unsigned int n, char *word, size_t size)
{
	word[0] = '\0';
	for (; *names && n; n--) {
		names += strcspn(names, " ");
		names += strspn(names, " ");
	}
	if (*names && *names != '-')
		snprintf(word, size, "%.*s", (int)strcspn(names, " "), names);
}

void migrate_name_msr_bit(uint32_t msr, unsigned int bit, bool must, struct bit_name *name)
{
	name->title[0] = name->qemu[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(qemu); i++)
		if (qemu[i].msr == msr && qemu[i].must == must && bit >= qemu[i].first &&
		    !name->qemu[0])
			nth_word(qemu[i].names, bit - qemu[i].first, name->qemu,
				 sizeof(name->qemu));
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		if (titles[i].msr == msr && (titles[i].bits >> bit & 1))
			snprintf(name->title, sizeof(name->title), "\"%s\"", titles[i].title);
	if (!name->title[0] && name->qemu[0])
		snprintf(name->title, sizeof(name->title), "%s", name->qemu);
	else if (!name->title[0])
		strcpy(name->title, "what has no name");
}

void migrate_name_cpuid_bit(const struct cpuid_word *word, unsigned int bit, struct bit_name *name)
{
	nth_word(word->names, bit, name->qemu, sizeof(name->qemu));
	snprintf(name->title, sizeof(name->title), "%s",
		 name->qemu[0] ? name->qemu : "what has no name");
}
