// SPDX-License-Identifier: GPL-2.0-only
/* The host's half of a VMCS, and the host's state that entries and exits disturb. */

#include <linux/cpu.h>
#include <linux/percpu.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/spec-ctrl.h>

#include "compat/msr.h"
#include "hw/entry.h"
#include "hw/host.h"
#include "hw/vmcs.h"

static bool flush_buffers; /* MDS, RFDS and their like: VERW before entry */
static bool flush_l1d;	   /* L1TF: flush the L1 data cache before entry */
static bool has_pmu;	   /* the kernel drives counters */

static bool pmu_is_driven(void)
{
	int nr = 0;
	bool driven;

	preempt_disable(); /* the answer is this CPU's table */
	driven = perf_guest_get_msrs(&nr, NULL);
	preempt_enable();
	return driven;
}

void host_setup(void)
{
	bool off = cpu_mitigations_off();

	has_pmu = pmu_is_driven();
	flush_buffers = !off && (boot_cpu_has_bug(X86_BUG_MDS) || boot_cpu_has_bug(X86_BUG_TAA) ||
				 boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA));
#ifdef X86_FEATURE_CLEAR_CPU_BUF /* since 6.1.82 or so: what the kernel itself has decided */
	flush_buffers |= boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF);
#endif
	flush_l1d = !off && boot_cpu_has_bug(X86_BUG_L1TF) && boot_cpu_has(X86_FEATURE_FLUSH_L1D);
}

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
	vmcs->host = (struct vmcs_host){};
}

void host_write_cpu(struct vmcs *vmcs)
{
	int cpu = smp_processor_id();
	unsigned long sysenter_esp;

	/* 0 in a kernel without 32-bit programs, else the CPU's entry stack. */
	rdmsrq(MSR_IA32_SYSENTER_ESP, sysenter_esp);
	vmwrite(VMCS_HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmwrite(VMCS_HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	vmwrite(VMCS_HOST_SYSENTER_ESP, sysenter_esp);
	vmwrite(VMCS_HOST_GS_BASE, cpu_kernelmode_gs_base(cpu));
}

static void write_if_new(unsigned long *copy, unsigned long field, unsigned long value)
{
	if (*copy == value)
		return;
	*copy = value;
	vmwrite(field, value);
}

void host_write_entry(struct vmcs *vmcs, const struct host_saved *saved)
{
	write_if_new(&vmcs->host.cr3, VMCS_HOST_CR3, __native_read_cr3());
	write_if_new(&vmcs->host.cr4, VMCS_HOST_CR4, native_read_cr4());
	write_if_new(&vmcs->host.fs_base, VMCS_HOST_FS_BASE, saved->fs_base);
}

/* The processor's own: where a thread may write it, the kernel's copy is older. */
static u64 read_fs_base(void)
{
	u64 base;

	if (boot_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	rdmsrq(MSR_FS_BASE, base);
	return base;
}

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
	rdmsrq(MSR_IA32_DEBUGCTLMSR, saved->debugctl);
	saved->valid = true;
}

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
		/* Without these instructions the selector alone says where it is. */
		if (boot_cpu_has(X86_FEATURE_FSGSBASE))
			wrmsrq(MSR_FS_BASE, saved->fs_base);
	}
	if (saved->gs)
		load_gs_index(saved->gs); /* the caller gives KERNEL_GS_BASE back after this */
	/* VM exits leave the largest limits. */
	load_idt(&saved->idt);
	load_fixmap_gdt(raw_smp_processor_id());
	invalidate_tss_limit();
}

/* The vCPU that this CPU ran last; the branch predictor may still serve it. */
static DEFINE_PER_CPU(u64, last_vcpu);

void host_note_vcpu(u64 number)
{
	if (this_cpu_read(last_vcpu) == number)
		return;
	this_cpu_write(last_vcpu, number);
	indirect_branch_prediction_barrier();
}

/*
 * Counters that leave guests out, and PEBS, whose records would go to linear addresses of the
 * guest's. The kernel says which MSRs and values; the second argument is for guests that have
 * PEBS themselves. Interrupts are off, NMIs are not: the PMU's handler, between here and the
 * entry, starts them again for that one entry (README, Limits).
 */
void host_perf_leave(struct host_saved *saved)
{
	int i;

	if (!has_pmu)
		return;
	saved->nr_perf = 0;
	saved->perf = perf_guest_get_msrs(&saved->nr_perf, NULL);
	for (i = 0; i < saved->nr_perf; i++)
		if (saved->perf[i].guest != saved->perf[i].host)
			wrmsrq(saved->perf[i].msr, saved->perf[i].guest);
}

/* Backwards, so that counters start again last. */
void host_perf_return(const struct host_saved *saved)
{
	int i;

	for (i = saved->nr_perf - 1; i >= 0; i--)
		if (saved->perf[i].guest != saved->perf[i].host)
			wrmsrq(saved->perf[i].msr, saved->perf[i].host);
}

void host_before_entry(void)
{
	if (flush_l1d)
		native_wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	else if (flush_buffers)
		x86_clear_cpu_buffers();
}

void host_after_exit(const struct host_saved *saved)
{
	/* The exit has cleared it: branch records that the host's perf takes. */
	if (unlikely(saved->debugctl))
		native_wrmsrq(MSR_IA32_DEBUGCTLMSR, saved->debugctl);
	/* Legacy IBRS protects the host's branches only when it is written after the exit. */
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		native_wrmsrq(MSR_IA32_SPEC_CTRL, spec_ctrl_current());
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER /* VMSCAPE: the kernel does it on the way out */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}
