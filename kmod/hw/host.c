// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's half of a VMCS, the host's state that entries and exits disturb,
 * and the mitigations at the edge between host and guest. Tour, stop 6.
 *
 * vcpu.c calls it when a vCPU comes to a CPU or leaves it, run.c around each
 * entry.
 *
 * What a reader must know: at an exit the processor loads the host's state from
 * the VMCS, and from nowhere else. So what may change of it (CR3, CR4, FS
 * base) is compared with a software copy before each entry, and written if it
 * differs. What the VMCS has no field for, host_save() notes and host_restore()
 * gives back, only when the thread leaves the CPU or KVM_RUN.
 */

#include <linux/cpu.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/spec-ctrl.h>
#include <vmx/cet.h>
#include <vmx/controls.h>

#include "compat/features.h"
#include "compat/msr.h"
#include "hw/caps.h"
#include "hw/entry.h"
#include "hw/host.h"
#include "hw/vmcs.h"

static bool flush_buffers; /* for MDS, RFDS and their like: VERW before each entry */
static bool l1d_flush;	   /* for L1TF: a flush of the L1 data cache before each entry */
static u8 *l1d_filler;	   /* where no command does that: reading this fills the cache */
static bool has_pmu;	   /* counters, and entries and exits can switch all of them */
static bool has_pebs;	   /* the processor writes records of the counters to memory */
static bool has_ibpb;
static u64 s_cet, ssp_table; /* the host's, if hw_has_cet(): they do not change */

/* Are there counters that a VMCS can stop? Since version 2 of the PMU there is an MSR for all. */
static bool find_pmu(void)
{
	u64 value;

	return boot_cpu_has(X86_FEATURE_ARCH_PERFMON) && (cpuid_eax(0xa) & 0xff) >= 2 &&
	       ctl_adjust(hw_caps.exit, EXITC_LOAD_PERF_GLOBAL) & EXITC_LOAD_PERF_GLOBAL &&
	       ctl_adjust(hw_caps.entry, ENTRYC_LOAD_PERF_GLOBAL) & ENTRYC_LOAD_PERF_GLOBAL &&
	       !rdmsrq_safe(MSR_CORE_PERF_GLOBAL_CTRL, &value);
}

static bool cet;
module_param(cet, bool, 0444);
MODULE_PARM_DESC(cet, "offer CET to guests, where the processor switches its state (default: 0)");

/*
 * Can guests have CET? Entries and exits must be able to switch its state, and #CP must be
 * injectable. The host must not use a shadow stack in its kernel, as Linux does not: exits do
 * not keep SSP. On a host that does abyme loads as well, but treats CET's controls as missing.
 */
static void judge_cet(void)
{
	if (cet && ctl_may(hw_caps.entry, ENTRYC_LOAD_CET) &&
	    ctl_may(hw_caps.exit, EXITC_LOAD_CET) && (hw_caps.basic & BASIC_NO_ERROR_CODE) &&
	    !rdmsrq_safe(MSR_IA32_S_CET, &s_cet) && !(s_cet & CETC_SH_STK_EN)) {
		rdmsrq_safe(MSR_IA32_INT_SSP_TAB, &ssp_table);
		return;
	}
	hw_caps.entry.may &= ~(u32)ENTRYC_LOAD_CET;
	hw_caps.exit.may &= ~(u32)EXITC_LOAD_CET;
}

/* Twice the size of the cache, as the oldest line is not always the one that is replaced. */
#define L1D_ORDER 4
#define L1D_SIZE (PAGE_SIZE << L1D_ORDER)

/* The mitigations follow what Linux has decided for itself, by "mitigations=off" for instance. */
int host_setup(void)
{
	bool off = cpu_mitigations_off(), l1tf = !off && boot_cpu_has_bug(X86_BUG_L1TF);
	u64 value;

	has_pmu = find_pmu();
	has_pebs = has_pmu && boot_cpu_has(X86_FEATURE_PEBS) &&
		   !rdmsrq_safe(MSR_IA32_PEBS_ENABLE, &value);
	judge_cet();
	has_ibpb = !off && boot_cpu_has(X86_FEATURE_IBPB);
	flush_buffers = !off && (boot_cpu_has_bug(X86_BUG_MDS) || boot_cpu_has_bug(X86_BUG_TAA) ||
				 boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA));
	flush_buffers |= compat_clears_buffers();
	l1d_flush = l1tf;
	if (!l1tf || boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		return 0;
	l1d_filler = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_ORDER);
	return l1d_filler ? 0 : -ENOMEM;
}

void host_teardown(void)
{
	free_pages((unsigned long)l1d_filler, L1D_ORDER);
}

/*
 * Fields that are the same on all CPUs and do not change while the module is
 * loaded.
 * SDM: "Host-State Area", "Loading Host State".
 */
void host_write_constant(struct vmcs *vmcs)
{
	struct desc_ptr idt;
	u64 value;

	store_idt(&idt);
	vmwrite(VMCS_HOST_CR0, read_cr0());
	vmwrite(VMCS_HOST_CS_SEL, __KERNEL_CS);
	vmwrite(VMCS_HOST_SS_SEL, __KERNEL_DS);
	vmwrite(VMCS_HOST_DS_SEL, 0);
	vmwrite(VMCS_HOST_ES_SEL, 0);
	vmwrite(VMCS_HOST_FS_SEL, 0);
	vmwrite(VMCS_HOST_GS_SEL, 0);
	vmwrite(VMCS_HOST_TR_SEL, GDT_ENTRY_TSS * 8);
	vmwrite(VMCS_HOST_IDTR_BASE, idt.address);
	vmwrite(VMCS_HOST_RIP, (unsigned long)vmx_exit_point);
	rdmsrq(MSR_IA32_SYSENTER_CS, value);
	vmwrite(VMCS_HOST_SYSENTER_CS, (u32)value);
	rdmsrq(MSR_IA32_SYSENTER_EIP, value);
	vmwrite(VMCS_HOST_SYSENTER_EIP, value);
	rdmsrq(MSR_IA32_CR_PAT, value);
	vmwrite(VMCS_HOST_PAT, value);
	rdmsrq(MSR_EFER, value);
	vmwrite(VMCS_HOST_EFER, value);
	vmwrite(VMCS_HOST_FS_BASE, 0);
	if (has_pmu) {
		vmwrite(VMCS_HOST_PERF_GLOBAL_CTRL, 0);
		vmwrite(VMCS_GUEST_PERF_GLOBAL_CTRL, 0);
	}
	if (hw_has_cet()) {
		vmwrite(VMCS_HOST_S_CET, s_cet);
		vmwrite(VMCS_HOST_SSP, 0);
		vmwrite(VMCS_HOST_SSP_TABLE, ssp_table);
	}
	vmcs->host = (struct vmcs_host){};
}

/*
 * Fields that name per-CPU structures. Context: preemption off, on the CPU that
 * will enter.
 */
void host_write_cpu(struct vmcs *vmcs)
{
	int cpu = smp_processor_id();
	unsigned long sysenter_esp;

	/* The MSR is 0 in a kernel without 32-bit programs, else it has the CPU's entry stack. */
	rdmsrq(MSR_IA32_SYSENTER_ESP, sysenter_esp);
	vmwrite(VMCS_HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmwrite(VMCS_HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	vmwrite(VMCS_HOST_SYSENTER_ESP, sysenter_esp);
	vmwrite(VMCS_HOST_GS_BASE, cpu_kernelmode_gs_base(cpu));
}

/* @copy: the software copy of @field in the current VMCS. */
static void write_if_new(unsigned long *copy, unsigned long field, unsigned long value)
{
	if (*copy == value)
		return;
	*copy = value;
	vmwrite(field, value);
}

void host_write_entry(struct vmcs *vmcs, const struct host_saved *saved)
{
	unsigned long counters;

	write_if_new(&vmcs->host.cr3, VMCS_HOST_CR3, __native_read_cr3());
	write_if_new(&vmcs->host.cr4, VMCS_HOST_CR4, native_read_cr4());
	write_if_new(&vmcs->host.fs_base, VMCS_HOST_FS_BASE, saved->fs_base);
	if (has_pmu) {
		rdmsrq(MSR_CORE_PERF_GLOBAL_CTRL, counters);
		write_if_new(&vmcs->host.counters, VMCS_HOST_PERF_GLOBAL_CTRL, counters);
	}
}

/* FS base from the processor: with FSGSBASE a thread may write it, unknown to the kernel. */
static u64 read_fs_base(void)
{
	u64 base;

	if (boot_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	rdmsrq(MSR_FS_BASE, base);
	return base;
}

/*
 * Done once between two times that the vCPU leaves the CPU, not for each entry.
 * Context: preemption off.
 */
void host_save(struct host_saved *saved)
{
	if (saved->valid)
		return;
	saved->fs_base = read_fs_base();
	savesegment(fs, saved->fs);
	savesegment(gs, saved->gs);
	savesegment(ds, saved->ds);
	savesegment(es, saved->es);
	store_ldt(saved->ldt);
	store_idt(&saved->idt);
	saved->valid = true;
}

/*
 * Loads what host_save() noted. A segment register that held 0 need not be loaded, as it is 0 after
 * an exit. Context: preemption off.
 */
void host_restore(struct host_saved *saved)
{
	if (!saved->valid)
		return;
	saved->valid = false;
	if (saved->ldt)
		asm volatile("lldt %w0" : : "q"(saved->ldt));
	if (saved->ds)
		loadsegment(ds, saved->ds);
	if (saved->es)
		loadsegment(es, saved->es);
	if (saved->fs) {
		loadsegment(fs, saved->fs);
		/* Without FSGSBASE's instructions programs have FS base by the selector alone. */
		if (boot_cpu_has(X86_FEATURE_FSGSBASE))
			wrmsrq(MSR_FS_BASE, saved->fs_base);
	}
	if (saved->gs)
		load_gs_index(saved->gs); /* the caller gives KERNEL_GS_BASE back after this */
	/* VM exits leave GDTR, IDTR and TR with the largest limits. */
	load_idt(&saved->idt);
	load_fixmap_gdt(raw_smp_processor_id());
	invalidate_tss_limit();
}

/* The vCPU that this CPU ran last, for which the branch predictor may still be trained. */
static DEFINE_PER_CPU(u64, last_vcpu);

void host_forget_branches(void)
{
	if (has_ibpb)
		native_wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

void host_note_vcpu(u64 number)
{
	if (this_cpu_read(last_vcpu) == number)
		return;
	this_cpu_write(last_vcpu, number);
	host_forget_branches();
}

bool host_flushes_l1d(void)
{
	return l1d_flush;
}

bool host_has_counters(void)
{
	return has_pmu;
}

/*
 * The VMCS stops the counters in one step with the entry. But PEBS may be about to write a record,
 * and would write it to an address of the guest's, so PEBS is stopped earlier, here. An NMI
 * can still come between here and the entry, whose handler may switch PEBS on again (README,
 * Limits).
 */
void host_quiet(struct host_saved *saved)
{
	rdmsrq(MSR_IA32_DEBUGCTLMSR, saved->debugctl);
	saved->pebs = 0;
	if (!has_pebs)
		return;
	rdmsrq(MSR_IA32_PEBS_ENABLE, saved->pebs);
	if (unlikely(saved->pebs))
		wrmsrq(MSR_IA32_PEBS_ENABLE, 0);
}

void host_loud(const struct host_saved *saved)
{
	compat_guest_has_run();
	if (unlikely(saved->pebs))
		wrmsrq(MSR_IA32_PEBS_ENABLE, saved->pebs);
}

/*
 * Flushes the cache by the command, or by reads that fill it: a byte of each page is read first, so
 * that all translations are cached when the lines are read.
 */
noinline void host_flush_l1d(void)
{
	size_t at;

	if (!l1d_filler) {
		native_wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	for (at = 0; at < L1D_SIZE; at += PAGE_SIZE)
		READ_ONCE(l1d_filler[at]);
	asm volatile("lfence" : : : "memory");
	for (at = 0; at < L1D_SIZE; at += SMP_CACHE_BYTES)
		READ_ONCE(l1d_filler[at]);
	asm volatile("lfence" : : : "memory");
}

static_assert(offsetof(struct spec_ctrl_pair, guest) == SPEC_GUEST);
static_assert(offsetof(struct spec_ctrl_pair, host) == SPEC_HOST);

static noinline void prepare_spec_ctrl(struct host_saved *saved, const u64 *spec_ctrl)
{
	if (spec_switch(&saved->spec, spec_ctrl, spec_ctrl_current(),
			cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS)))
		saved->switched = &saved->spec;
}

void host_prepare_entry(struct host_saved *saved, const u64 *spec_ctrl)
{
	saved->how = flush_buffers ? VMX_ENTER_VERW : 0;
	saved->flush = l1d_flush;
	saved->switched = NULL;
	if (unlikely(spec_ctrl) || cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		prepare_spec_ctrl(saved, spec_ctrl);
}

void host_load_debugctl(u64 debugctl)
{
	native_wrmsrq(MSR_IA32_DEBUGCTLMSR, debugctl);
}
