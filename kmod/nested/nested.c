// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested VMX of a vCPU: its life, its MSRs and control registers, and the hooks
 * by which the run loop and the layers below call nested/. Tour, stop 8.
 *
 * What a reader must know: struct nested is there from the first KVM_SET_CPUID2
 * with VMX until the vCPU's end, even if VMX goes from CPUID again. Its parts
 * (vmcs02, snapshots, VPID02) come with the first VMXON (.ready).
 */
#include <linux/slab.h>

#include "cpu/regs.h"
#include "hw/caps.h"
#include "hw/vmxop.h"
#include "nested/bitmaps.h"
#include "nested/caps.h"
#include "nested/internal.h"
#include "pc/irqchip.h"

static struct vmx_caps offered_to_all; /* on this processor, to a vCPU with every CPUID feature */

/* KVM_GET_MSRS on the device gets the capability MSRs of a vCPU with every CPUID feature. */
int nested_feature_msr(u32 index, u64 *value)
{
	return caps_get(&offered_to_all, index, value) ? 0 : -EINVAL;
}

void nested_setup(void)
{
	current_global_init();
	caps_offer(&hw_caps, &offered_to_all);
	shadow_global_init();
}

/* --- from CPUID with VMX to the vCPU's end ------------------------------- */

static struct nested *nested_alloc(struct vcpu *vcpu)
{
	struct nested *n = kzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);

	if (!n)
		return NULL;
	n->wanted = offered_to_all;
	n->vmxon_ptr = NO_GPA;
	n->vmcs12_ptr = NO_GPA;
	n->apic_stands_in = NO_GPA;
	n->answered.gpa = NO_GPA;
	timer_init(n, vcpu);
	return n;
}

/* Controls that enable an instruction in L2. L1 is offered one only if it has the instruction. */
#define PROC2_OF_CPUID (PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES | PROC2_USER_WAIT)

/*
 * Computes anew what L1 is offered: what userspace wants, less the controls and CR4 bits that need
 * a CPUID feature which this vCPU lacks. VMCSs that passed the checks are checked again, as these
 * go by the offer.
 */
static void refresh_caps(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h;
	int i;

	n->caps = n->wanted;
	/* Posted interrupts need a LAPIC in the kernel, from which L0 takes their notification. */
	if (!vcpu->lapic)
		n->caps.pin.may &= ~(u32)PIN_POSTED_INTR;
	n->caps.proc2.may &= ~(u32)PROC2_OF_CPUID | vcpu->vmcs01.ctl[CTL_PROC2];
	if (vcpu->cpuid.cr4_reserved & CR4_CET) {
		n->caps.exit.may &= ~(u32)EXITC_LOAD_CET;
		n->caps.entry.may &= ~(u32)ENTRYC_LOAD_CET;
	}
	n->caps.cr4_fixed1 &= ~(u64)vcpu->cpuid.cr4_reserved;
	n->caps.cr4_fixed1 |= CR4_VMXE;
	vmcs12_fields_of(&n->caps, &n->fields);
	for_each_held(n, h, i)
		h->check_ctls = h->check_host = h->check_guest = true;
}

int nested_reserve(struct vcpu *vcpu)
{
	struct nested *n;

	if (vcpu->nested)
		return 0;
	n = nested_alloc(vcpu);
	if (!n)
		return -ENOMEM;
	smp_store_release(&vcpu->nested, n); /* ept02_unmap() may look at once */
	return 0;
}

void nested_cpuid_changed(struct vcpu *vcpu)
{
	struct l1_vmcs *h;
	int i;

	if (!vcpu->cpuid.vmx) {
		nested_leave(vcpu); /* a nested state was set first, and then CPUID without VMX */
		return;
	}
	refresh_caps(vcpu);
	/* A nested state may have been set before CPUID: vmcs02 must follow vmcs01 and CR4. */
	for_each_held(vcpu->nested, h, i) {
		h->merge_due = true;
		h->cr0_kept02 = ~0UL;
	}
}

static void free_parts(struct nested *n)
{
	held_free(n);
	free_page((unsigned long)n->spare);
	free_page((unsigned long)n->msr_bitmap02);
	free_pages((unsigned long)n->no_memory, 1);
	vpid_free(n->vpid02);
	shadow_free(n);
	n->spare = NULL;
	n->msr_bitmap02 = n->no_memory = NULL;
	n->vpid02 = 0;
	n->ready = false;
}

/* Allocates what VMX operation needs, from the first VMXON until the vCPU's end. May sleep. */
int nested_prepare(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	int r = -ENOMEM;

	if (n->ready)
		return 0;
	n->spare = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	n->msr_bitmap02 = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	n->no_memory = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, 1);
	if (!n->spare || !n->msr_bitmap02 || !n->no_memory)
		goto fail;
	n->vpid02 = vpid_alloc();
	vmcs02_init_bitmap_words(vcpu);
	r = shadow_init(vcpu);
	if (!r)
		r = held_init(vcpu);
	if (r)
		goto fail;
	n->ready = true;
	return 0;
fail:
	free_parts(n);
	return r;
}

/*
 * Nobody runs the vCPU any more. The timer must be cancelled first, as its handler uses what is
 * freed here.
 */
void nested_free(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!n)
		return;
	hrtimer_cancel(&n->timer);
	ept02_free_roots(n);
	free_parts(n);
	kvfree(n->exit_watch);
	vcpu->nested = NULL;
	kfree(n);
}

/*
 * L1 is in VMX operation from here on. EPT02 and VPID02 may still hold translations from before a
 * VMXOFF, or from before userspace restored a saved state. They are dropped.
 */
void nested_begin(struct vcpu *vcpu, u64 vmxon_ptr)
{
	struct nested *n = vcpu->nested;

	n->vmxon = true;
	n->wide = false; /* another hypervisor may have had the habit */
	n->wide_writes = n->wide_reads = 0;
	n->vmxon_ptr = vmxon_ptr;
	n->vmcs12_ptr = NO_GPA;
	n->last_vpid12_valid = false;
	ept02_invalidate(vcpu, true, 0, ABYME_FLUSH_VMXON);
}

/*
 * Ends VMX operation, in userspace's name. If L2 was running, L1 is loaded from vmcs12's host area
 * as after an exit, so that the vCPU is in a valid state whatever userspace sets next.
 */
void nested_leave(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!n)
		return;
	timer_stop(vcpu);
	n->mtf_pending = false;
	n->entering = false;
	if (vcpu->in_l2) {
		events_forget(vcpu); /* what was in delivery was L2's */
		l2_switch_to_l1(vcpu);
		host_state_load(vcpu, false);
	}
	if (n->ready)
		shadow_off(vcpu);
	n->wide = false;
	n->wide_writes = n->wide_reads = 0;
	held_forget(n);
	n->vmcs12_ptr = NO_GPA;
	n->vmxon_ptr = NO_GPA;
	n->vmxon = false;
}

/* --- MSRs and control registers ----------------------------------------- */

#define FEATCTL_KNOWN (FEATCTL_LOCKED | FEATCTL_VMX)

static int set_feature_control(struct vcpu *vcpu, u64 value, bool host)
{
	struct nested *n = vcpu->nested;

	if (value & ~FEATCTL_KNOWN)
		return -EINVAL;
	if (!host && (n->feature_control & FEATCTL_LOCKED))
		return -EINVAL;
	n->feature_control = value;
	/* 0 is the value after a reset: userspace resets the vCPU, and writes CR4 without VMXE next. */
	if (host && !value)
		nested_leave(vcpu);
	return 0;
}

int nested_msr_get(struct vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	struct nested *n = vcpu->nested;
	u64 there;

	if (!host && !vcpu->cpuid.vmx)
		return -EINVAL;
	/* KVM_GET_MSR_INDEX_LIST names these MSRs, so without VMX userspace reads them as 0. */
	if (!n || !vcpu->cpuid.vmx) {
		*value = 0;
		return host ? 0 : -EINVAL;
	}
	if (msr == VMX_MSR_FEATURE_CONTROL) {
		*value = n->feature_control;
		return 0;
	}
	if (caps_get(&n->caps, msr, value))
		return 0;
	*value = 0; /* also what one reads that userspace has taken away by setting another */
	return host && caps_get(&offered_to_all, msr, &there) ? 0 : -EINVAL;
}

int nested_msr_set(struct vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct nested *n = vcpu->nested;
	u64 now, there;
	int r;

	if (!host && !vcpu->cpuid.vmx)
		return -EINVAL;
	if (!n || !vcpu->cpuid.vmx)
		return host && !value ? 0 : -EINVAL;
	if (msr == VMX_MSR_FEATURE_CONTROL)
		return set_feature_control(vcpu, value, host);
	if (!host)
		return -EINVAL;
	if (!caps_get(&n->caps, msr, &now))
		now = 0;
	if (now == value && caps_get(&offered_to_all, msr, &there))
		return 0;
	/* In VMX operation these MSRs must stay: VMCSs have passed checks that went by them. */
	if (n->vmxon)
		return -EINVAL;
	r = caps_set(&n->wanted, &offered_to_all, msr, value);
	if (!r)
		refresh_caps(vcpu);
	return r;
}

bool nested_in_vmx(const struct vcpu *vcpu)
{
	return vcpu->nested && vcpu->nested->vmxon;
}

bool nested_in_root(struct vcpu *vcpu)
{
	return !vcpu->in_l2 && nested_in_vmx(vcpu);
}

/*
 * Does @cr0 keep the bits that VMX operation fixes? In L2 an unrestricted guest is free to clear
 * PE and PG.
 */
bool nested_cr0_valid(struct vcpu *vcpu, unsigned long cr0)
{
	const struct nested *n = vcpu->nested;
	u64 fixed0;

	if (!nested_in_vmx(vcpu))
		return true;
	fixed0 = n->caps.cr0_fixed0;
	if (vcpu->in_l2 && (vmcs12_proc2(n->v) & PROC2_UNRESTRICTED))
		fixed0 &= ~(CR0_PE | CR0_PG);
	return (cr0 & fixed0) == fixed0 && !(cr0 & ~n->caps.cr0_fixed1);
}

bool nested_cr4_valid(struct vcpu *vcpu, unsigned long cr4)
{
	const struct nested *n = vcpu->nested;

	if (!nested_in_vmx(vcpu))
		return true;
	return (cr4 & n->caps.cr4_fixed0) == n->caps.cr4_fixed0 && !(cr4 & ~n->caps.cr4_fixed1);
}

/* After an instruction that L0 emulated for L2 the processor makes no MTF exit, so L0 does. */
void nested_insn_done(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!(n->v->proc_ctls & PROC_MTF))
		return;
	n->mtf_pending = true;
	vcpu_request(vcpu, REQ_EVENT);
}

bool nested_event_waits(const struct vcpu *vcpu)
{
	return vcpu->in_l2 && vcpu->nested->entering &&
	       (vcpu->nested->v->entry_intr_info & INTR_VALID);
}

u32 nested_state_event(const struct vcpu *vcpu)
{
	u32 info = inject_info(&vcpu->inject);

	if (!vcpu->in_l2)
		return 0;
	if (nested_event_waits(vcpu))
		return vcpu->nested->v->entry_intr_info;
	return intr_type_software(info) || (vcpu->inject.irq.injected && !vcpu->lapic) ? info : 0;
}

bool nested_state_has_irq(const struct vcpu *vcpu)
{
	return vcpu->inject.irq.injected && nested_state_event(vcpu);
}

u32 nested_get_mp_state(struct vcpu *vcpu)
{
	if (!vcpu->in_l2 || vcpu->nested->activity != ACTIVITY_SIPI)
		return vcpu->mp_state;
	return lapic_has_sipi(vcpu) ? KVM_MP_STATE_SIPI_RECEIVED : KVM_MP_STATE_INIT_RECEIVED;
}

int nested_set_mp_state(struct vcpu *vcpu, u32 state)
{
	struct nested *n = vcpu->nested;

	if (!vcpu->in_l2)
		return nested_in_vmx(vcpu) && state == KVM_MP_STATE_INIT_RECEIVED ? -EINVAL : 0;
	switch (state) {
	case KVM_MP_STATE_UNINITIALIZED: return -EINVAL; /* L2 has no such activity state */
	case KVM_MP_STATE_RUNNABLE: n->activity = ACTIVITY_ACTIVE; break;
	case KVM_MP_STATE_INIT_RECEIVED: n->activity = ACTIVITY_SIPI; break;
	default: n->activity = n->activity == ACTIVITY_SHUTDOWN ? ACTIVITY_SHUTDOWN : ACTIVITY_HLT;
	}
	/* The run loop knows only "halted", whatever event L2 waits for. */
	vcpu->mp_state = state == KVM_MP_STATE_RUNNABLE ? KVM_MP_STATE_RUNNABLE
							: KVM_MP_STATE_HALTED;
	if (n->activity != ACTIVITY_ACTIVE)
		timer_for_halt(vcpu);
	return 1;
}

/* --- hooks of the run loop ---------------------------------------------- */

/*
 * Are the pages that vmcs02 names, and the root that it walks, still as they were resolved?
 * Context: any, but the answer may be outdated at once unless interrupts are off and
 * VCPU_IN_GUEST is set.
 */
static bool pages_valid(const struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	if (n->current_root && !READ_ONCE(n->current_root->ept.root))
		return false;
	return READ_ONCE(vcpu->vm->mem.epoch) == n->cur->pages_epoch;
}

/* Have vmcs01's controls changed since they were merged? A debugger, for one, changes them. */
static bool l0_changed(struct vcpu *vcpu)
{
	return memcmp(vcpu->nested->cur->l0_ctl, vcpu->vmcs01.ctl, sizeof(vcpu->vmcs01.ctl));
}

/* Nearly always there is nothing to do, which a few comparisons tell. */
int nested_before_entry(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	int r;

	if (!vcpu->in_l2)
		return 1;
	if (unlikely(n->owes_exit))
		return l2_leave(vcpu, &n->owed);
	if (n->cur->merge_due || !pages_valid(vcpu) || l0_changed(vcpu)) {
		r = vmcs02_write_controls(vcpu);
		if (r == -EINTR)
			vcpu->run->exit_reason = KVM_EXIT_INTR;
		if (r)
			return r;
	}
	if (n->answered.gpa != NO_GPA)
		ept02_map_answered(vcpu);
	return 1;
}

void nested_msr_bitmap_changed(struct vcpu *vcpu)
{
	struct l1_vmcs *h;
	int i;

	if (!vcpu->nested || !vcpu->nested->ready)
		return;
	vmcs02_init_bitmap_words(vcpu);
	for_each_held(vcpu->nested, h, i)
		h->merge_due = true;
	vcpu->nested->bitmap_due = true;
}

/* Of no VMCS but the current one is known any more what its DR7 is. */
void nested_debug_changed(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h;
	int i;

	if (!n || !n->ready)
		return;
	n->dr7_01 = DR7_UNKNOWN;
	for_each_held(n, h, i)
		h->dr7_02 = DR7_UNKNOWN;
}

/*
 * Merges L1's MSR bitmap into vmcs02's: an access exits if either wants it to.
 * Only the words in which L0 lets anything through are looked at; the others
 * are all ones. Context: interrupts off, the page of L1's bitmap valid.
 */
static void merge_msr_bitmap(struct nested *n)
{
	const u64 *a = (const u64 *)n->vcpu->msr_bitmap, *b = n->cur->msr_bitmap12.kva;
	const u16 *next = n->bitmap_word, *end = next + n->bitmap_words;
	u64 *to = (u64 *)n->msr_bitmap02;
	u32 proc2 = n->cur->merged.ctl[CTL_PROC2];

	while (next < end) {
		unsigned int i = *next++;

		to[i] = a[i] | READ_ONCE(b[i]);
	}
	/* vmcs01's bitmap lets DEBUGCTL through by the value of L1 or of L2: here L2's counts. */
	if (unlikely(n->vcpu->debug.ctl))
		n->msr_bitmap02[MSR_IA32_DEBUGCTLMSR / 8] |= BIT(MSR_IA32_DEBUGCTLMSR % 8);
	/* All x2APIC MSRs exit as long as neither L1 nor a mode before opened any. */
	if (unlikely((proc2 & PROC2_X2APIC) || n->x2apic_open))
		msr_bitmap_merge_x2apic(n->msr_bitmap02, n->cur->msr_bitmap12.kva, proc2);
	n->x2apic_open = proc2 & PROC2_X2APIC;
	n->bitmap_due = false;
}

bool nested_is_here(const struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	return vmcs_is_here(&vcpu->vmcs01) && (!n || !n->ready || vmcs_is_here(&n->cur->vmcs02));
}

bool nested_event_due(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	return n->mtf_pending || n->activity != ACTIVITY_ACTIVE || timer_expired(n) ||
	       (vcpu->lapic && lapic_has_events(vcpu));
}

bool nested_get_ready(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	if (n->owes_exit || n->cur->merge_due || l0_changed(vcpu))
		return false;
	return n->answered.gpa == NO_GPA || ept02_map_answered(vcpu);
}

void nested_begin_run(struct vcpu *vcpu)
{
	vcpu->nested->owes_exit = false;
	held_follow_slots(vcpu);
}

void nested_end_run(struct vcpu *vcpu)
{
	vmcs12_save_others(vcpu);
}

bool nested_entry_stale(const struct vcpu *vcpu)
{
	return unlikely(!pages_valid(vcpu));
}

void nested_commit_entry(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->bitmap_due && n->cur->msr_bitmap12.gpa != NO_GPA)
		merge_msr_bitmap(n);
	if (n->timer_on)
		timer_program(vcpu);
	n->entering = false;
	if (unlikely(n->activity != ACTIVITY_ACTIVE))
		nested_end_halt(vcpu);
}
