// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs01's controls: what L0 wants to see of L1, and what L1 runs without an
 * exit. Tour, stop 4.
 *
 * vcpu_create() writes vmcs01 once by vmcs01_setup(). Whatever changes what L0
 * wants (CPUID, a debugger, a capability) calls vmcs01_update_ctls().
 * nested/merge.c joins the same controls with L1's.
 *
 * What a reader must know: what is missing here is what L1 does at full speed:
 * CR3, INVLPG, RDTSC, and the few MSRs of msrs_init_bitmap().
 */

#include <linux/kvm.h>
#include <vmx/controls.h>
#include <vmx/info.h>

#include "cpu/cpuid_bits.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"
#include "hw/caps.h"
#include "hw/host.h"

/*
 * Exits that L0 always wants. Port I/O exits as a whole, as all of L1's devices
 * are emulated. External interrupts are not acknowledged by the exit: the host
 * takes them when interrupts are on again.
 */
#define PIN_WANT (PIN_EXT_INT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)
#define PROC_WANT                                                                      \
	(PROC_HLT | PROC_TSC_OFFSET | PROC_MSR_BITMAPS | PROC_UNCOND_IO | PROC_MWAIT | \
	 PROC_MONITOR | PROC_RDPMC | PROC_CR8_LOAD | PROC_CR8_STORE | PROC_MOV_DR |    \
	 PROC_SECONDARY)
#define PROC2_WANT (PROC2_EPT | PROC2_UNRESTRICTED | PROC2_WBINVD | PROC2_PAUSE_LOOP | PROC2_ENCLS)
#define EXITC_WANT                                                                             \
	(EXITC_HOST_64 | EXITC_SAVE_EFER | EXITC_LOAD_EFER | EXITC_SAVE_PAT | EXITC_LOAD_PAT | \
	 EXITC_SAVE_DEBUG)
#define ENTRYC_WANT (ENTRYC_LOAD_EFER | ENTRYC_LOAD_PAT | ENTRYC_LOAD_DEBUG)

/*
 * #DB and #AC whose delivery raises them again would hang the CPU for ever; #MC
 * is the host's.
 */
#define EXCEPTIONS_WANT (BIT(VEC_DB) | BIT(VEC_AC) | BIT(VEC_MC))

/*
 * PAUSE-loop exiting, in TSC ticks: an exit after WINDOW ticks of a loop whose
 * PAUSEs are less than GAP apart.
 */
#define PLE_GAP 128
#define PLE_WINDOW 4096

/* Controls without which an instruction faults: they are set if L1's CPUID has the instruction. */
static u32 proc2_from_cpuid(struct vcpu *vcpu)
{
	u32 bits = 0;

	/* The one control is for both, so that who has either can execute the other. */
	if ((cpuid_word(vcpu, 0x80000001, 0, CPUID_REG_EDX) & FEATURE(8000_0001_EDX, RDTSCP)) ||
	    (cpuid_word(vcpu, 7, 0, CPUID_REG_ECX) & FEATURE(7_ECX, RDPID)))
		bits |= PROC2_RDTSCP;
	if (cpuid_word(vcpu, 7, 0, CPUID_REG_EBX) & FEATURE(7_0_EBX, INVPCID))
		bits |= PROC2_INVPCID;
	if (vcpu->cpuid.xss_supported || vcpu->cpuid.xsaves)
		bits |= PROC2_XSAVES;
	if (vcpu->cpuid.user_wait)
		bits |= PROC2_USER_WAIT;
	if (vcpu->vpid)
		bits |= PROC2_VPID;
	if (vcpu->clock.tsc_ratio != 1ULL << 48)
		bits |= PROC2_TSC_SCALING;
	return bits;
}

static u32 vmcs01_exceptions(struct vcpu *vcpu)
{
	u32 bits = EXCEPTIONS_WANT;

	if (vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
		bits |= BIT(VEC_BP);
	return bits;
}

void vmcs01_ctls(struct vcpu *vcpu, struct vmcs01_ctls *out)
{
	u32 proc = PROC_WANT, exit = EXITC_WANT, entry = ENTRYC_WANT;

	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		proc &= ~PROC_HLT;
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT)
		proc &= ~(PROC_MWAIT | PROC_MONITOR);
	/* Without a LAPIC here TPR is userspace's, which hears of its changes. */
	if (vcpu->lapic)
		proc = (proc & ~(u32)(PROC_CR8_LOAD | PROC_CR8_STORE)) | PROC_TPR_SHADOW;
	if (host_has_counters()) {
		exit |= EXITC_LOAD_PERF_GLOBAL;
		entry |= ENTRYC_LOAD_PERF_GLOBAL;
	}
	if (hw_has_cet()) {
		exit |= EXITC_LOAD_CET;
		entry |= ENTRYC_LOAD_CET;
	}
	out->ctl[CTL_PIN] = ctl_adjust(hw_caps.pin, PIN_WANT);
	out->ctl[CTL_PROC1] = ctl_adjust(hw_caps.proc, proc);
	out->ctl[CTL_PROC2] = ctl_adjust(hw_caps.proc2, PROC2_WANT | proc2_from_cpuid(vcpu));
	out->ctl[CTL_EXIT] = ctl_adjust(hw_caps.exit, exit);
	out->ctl[CTL_ENTRY] = ctl_adjust(hw_caps.entry, entry);
	out->ctl[CTL_EXCEPTIONS] = vmcs01_exceptions(vcpu);
}

/* The control "IA-32e mode guest" of vmcs01 is L1's state, which it keeps while L2 runs. */
static u32 entry_mode(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		return vcpu->vmcs01.ctl[CTL_ENTRY] & ENTRYC_GUEST_64;
	return vcpu->efer & EFER_LMA ? ENTRYC_GUEST_64 : 0;
}

/*
 * Leaves windows, the monitor trap and VMCS shadowing as they are, since others change them from
 * entry to entry. Context: vmcs01 is current.
 */
static void update_ctls(struct vcpu *vcpu)
{
	struct vmcs *vmcs = &vcpu->vmcs01;
	struct vmcs01_ctls c;
	u32 proc_keep = PROC_INT_WINDOW | PROC_NMI_WINDOW | PROC_MTF;
	u32 proc2_keep = PROC2_SHADOW_VMCS;

	vmcs01_ctls(vcpu, &c);
	vmcs_ctl_set(vmcs, CTL_PIN, c.ctl[CTL_PIN]);
	vmcs_ctl_set(vmcs, CTL_PROC1, c.ctl[CTL_PROC1] | (vmcs->ctl[CTL_PROC1] & proc_keep));
	vmcs_ctl_set(vmcs, CTL_PROC2, c.ctl[CTL_PROC2] | (vmcs->ctl[CTL_PROC2] & proc2_keep));
	vmcs_ctl_set(vmcs, CTL_EXIT, c.ctl[CTL_EXIT]);
	vmcs_ctl_set(vmcs, CTL_ENTRY, c.ctl[CTL_ENTRY] | entry_mode(vcpu));
	vmcs_ctl_set(vmcs, CTL_EXCEPTIONS, c.ctl[CTL_EXCEPTIONS]);
}

/* Any VMCS may be current: vmcs02 follows by its own merge, from vmcs01_ctls(). */
void vmcs01_update_ctls(struct vcpu *vcpu)
{
	struct vmcs *now = vcpu->vmcs;

	if (now != &vcpu->vmcs01)
		vcpu_switch_vmcs(vcpu, &vcpu->vmcs01);
	update_ctls(vcpu);
	if (now != &vcpu->vmcs01)
		vcpu_switch_vmcs(vcpu, now);
}

/*
 * Writes bitmaps and tables. Every ENCLS exits, as no guest is offered SGX. XSAVES never does, as
 * IA32_XSS has the guest's own value while it runs.
 */
static void write_tables(struct vcpu *vcpu)
{
	vmwrite(VMCS_MSR_BITMAP, __pa(vcpu->msr_bitmap));
	vmwrite(VMCS_EPT_POINTER, vcpu->vm->ept.eptp);
	vmwrite(VMCS_VIRT_APIC_ADDR, __pa(vcpu->virt_apic));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_LINK_POINTER, NO_GPA);
	clock_write_vmcs(vcpu);
	if (vcpu->vpid)
		vmwrite(VMCS_VPID, vcpu->vpid);
	if (ctl_may(hw_caps.proc2, PROC2_PAUSE_LOOP)) {
		vmwrite(VMCS_PLE_GAP, PLE_GAP);
		vmwrite(VMCS_PLE_WINDOW, PLE_WINDOW);
	}
	if (ctl_may(hw_caps.proc2, PROC2_ENCLS))
		vmwrite(VMCS_ENCLS_BITMAP, ~0ULL);
	if (hw_has_xsaves())
		vmwrite(VMCS_XSS_BITMAP, 0);
}

void vmcs01_setup(struct vcpu *vcpu)
{
	struct vmcs *vmcs = &vcpu->vmcs01;
	int i;

	/* The fields of a cleared VMCS hold anything: each control is written once for certain. */
	for (i = 0; i < NR_VMCS_CTLS; i++)
		vmwrite(vmcs_ctl_field[i], vmcs->ctl[i]);
	vmwrite(VMCS_PF_ERROR_MASK, 0);
	vmwrite(VMCS_PF_ERROR_MATCH, 0);
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	host_write_constant(vmcs);
	write_tables(vcpu);
	vmcs01_update_ctls(vcpu);
}
