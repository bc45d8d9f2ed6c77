/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nested VMX offers to the layers above: the run loop and the dispatch of
 * exits. All functions want the vCPU loaded on this CPU unless they say
 * otherwise; "may sleep" means that preemption and interrupts are on.
 *
 * A function of type int answers 1 (go on in the kernel), 0 (go to userspace,
 * kvm_run is filled) or a negative errno for the ioctl, like all exit handlers.
 */
#ifndef NESTED_NESTED_H
#define NESTED_NESTED_H

#include <vmx/types.h>

struct abyme_entry_reports;
struct abyme_nested_counts;
struct abyme_nested_exits;
struct abyme_watch;
struct kvm_nested_state;
struct kvm_msr_entry;
struct vcpu;
struct vm;

/* Called at the module's load, once the processor's capabilities are known. */
void nested_setup(void);

/*
 * Before each entry, in this order:
 *
 * nested_begin_run(), when KVM_RUN begins: userspace may have changed anything.
 * nested_end_run(), when it ends: userspace may save anything.
 *
 * nested_before_entry() gives L1 an exit that it is owed (l2_owe_exit()); or it
 * resolves the pages that the VMCS to be entered names, and writes what vmcs02
 * still lacks. May sleep.
 *
 * nested_events(), when L2 is to run: what L1 must get before L2 goes on
 * (interrupt, NMI, INIT, SIPI, exception, preemption timer, MTF). It may
 * reflect an exit: then vmcs01 is current afterwards. *@immediate is set when
 * something is due to L1 but an event must enter L2 first, or the processor
 * exits for L1 at the entry: enter, with no other event, and leave again at
 * once. May sleep.
 *
 * nested_entry_stale(), when L2 is to run, with interrupts off and
 * VCPU_IN_GUEST set, says whether something that nested_before_entry() resolved
 * is gone, so that the caller must begin again. If not, nested_commit_entry() is
 * the last thing before the entry to L2.
 */
void nested_begin_run(struct vcpu *vcpu);
void nested_end_run(struct vcpu *vcpu);
int nested_before_entry(struct vcpu *vcpu);
int nested_events(struct vcpu *vcpu, bool *immediate);
bool nested_entry_stale(const struct vcpu *vcpu);
void nested_commit_entry(struct vcpu *vcpu);
/*
 * For vcpu->in_l2 only. nested_event_due(): has nested_events() something to do even if neither an
 * interrupt (or notification of posted ones), an NMI nor an exception waits? nested_get_ready()
 * does what nested_before_entry() does, with interrupts off; false: it would have to sleep.
 */
bool nested_event_due(struct vcpu *vcpu);
bool nested_get_ready(struct vcpu *vcpu);

/* To be called when vmcs01's MSR bitmap has changed: vmcs02's is merged with it anew. */
void nested_msr_bitmap_changed(struct vcpu *vcpu);

/* Is the vCPU in VMX operation? L1 holds INIT back there, and while L2 runs it is an exit. */
bool nested_in_vmx(const struct vcpu *vcpu);

/* Is L1's entry done, and the event that it injects still to be delivered to L2? */
bool nested_event_waits(const struct vcpu *vcpu);
/*
 * The event in delivery to L2 that the nested state has, as one of L1's entry, in the format of
 * VM-entry interruption information; 0: none. It is one that waits for L1's entry, or a software
 * interrupt or exception, for which the vCPU's events have no length. Without a LAPIC an external
 * interrupt is another: there a vector among the vCPU's events is what KVM_INTERRUPT queued, which
 * may be for L1.
 */
u32 nested_state_event(const struct vcpu *vcpu);
/* Is that an interrupt? */
bool nested_state_has_irq(const struct vcpu *vcpu);

/*
 * For KVM_GET_MP_STATE and KVM_SET_MP_STATE. nested_set_mp_state() answers 1 if L2 is in @state
 * now; 0 if no L2 runs, so that the caller sets L1's state; -EINVAL if L2 has no such state, or
 * L1, in VMX root operation, holds INIT back.
 */
u32 nested_get_mp_state(struct vcpu *vcpu);
int nested_set_mp_state(struct vcpu *vcpu, u32 state);

/*
 * For an L2 that is halted, shut down or waits for a SIPI. nested_halted() is called first,
 * whenever L2 halts, and again when nested_halt_changed() says so; it may sleep. nested_wakes()
 * then says whether an event has come that ends the wait; neither of these two sleeps.
 */
void nested_halted(struct vcpu *vcpu);
bool nested_halt_changed(struct vcpu *vcpu);
bool nested_wakes(struct vcpu *vcpu);

/*
 * Is an exit of L2 L1's? Asked after the exit, before the dispatch. Reads the
 * exit from vmcs02; quick, and for nearly all reasons without an access to
 * guest memory.
 */
bool nested_wants_exit(struct vcpu *vcpu, u32 reason);

/*
 * May an exit of L2 be given to L1 with interrupts off, should it be L1's? Context: as
 * nested_is_here().
 */
bool nested_reflects_at_once(const struct vcpu *vcpu, u32 reason);

/* Gives L1 the exit that the processor reported in vmcs02. */
int nested_reflect(struct vcpu *vcpu, u32 reason);
/* Gives L1 an exit that the processor did not make: for an event, or what L0 emulated for L2. */
int nested_reflect_as(struct vcpu *vcpu, u32 reason, u32 intr_info, u64 qual);

/*
 * The processor refused the entry to L2, by an exit with @reason, or by VMfail with the number
 * @error (else 0). Either userspace has set registers of L2 that no processor accepts, and L1
 * gets a triple fault of L2's; or one of abyme's checks is missing.
 */
int nested_entry_refused(struct vcpu *vcpu, u32 reason, u32 error);

/* Exit handlers of L1's VMX instructions, and of those of L2 that do not exit to L1. */
int vmx_vmclear(struct vcpu *vcpu);
int vmx_vmlaunch(struct vcpu *vcpu);
int vmx_vmptrld(struct vcpu *vcpu);
int vmx_vmptrst(struct vcpu *vcpu);
int vmx_vmread(struct vcpu *vcpu);
int vmx_vmresume(struct vcpu *vcpu);
int vmx_vmwrite(struct vcpu *vcpu);
int vmx_vmxoff(struct vcpu *vcpu);
int vmx_vmxon(struct vcpu *vcpu);
int vmx_invept(struct vcpu *vcpu);
int vmx_invvpid(struct vcpu *vcpu);
int vmx_vmfunc(struct vcpu *vcpu);
int vmx_vmcall(struct vcpu *vcpu); /* if nested_in_root() */

/*
 * EPT violation and misconfiguration while L2 runs. They find out whether
 * EPT12, EPT02 or L1's memory is to blame, and reflect if EPT12 is. May sleep.
 */
int ept02_violation(struct vcpu *vcpu); /* if nested_on_ept02() */
/* Did L2 run on an EPT02, rather than on L1's own EPT? */
bool nested_on_ept02(struct vcpu *vcpu);
/*
 * Is neither vmcs01 nor vmcs02 active on another CPU? If one is, it has to be cleared there by an
 * IPI before it is loaded here, for which interrupts must be on. Context: preemption off.
 */
bool nested_is_here(const struct vcpu *vcpu);
/* Is L1 in VMX operation, and does it run itself rather than L2? */
bool nested_in_root(struct vcpu *vcpu);

/* ABYME_GET_ENTRY_REPORT, ABYME_SET_WATCH, ABYME_GET_NESTED_EXITS, ABYME_GET_NESTED_COUNTS. */
int nested_get_reports(struct vcpu *vcpu, struct abyme_entry_reports __user *user);
int nested_set_watch(struct vcpu *vcpu, const struct abyme_watch *watch);
int nested_get_exits(struct vcpu *vcpu, struct abyme_nested_exits __user *user);
int nested_get_counts(struct vcpu *vcpu, struct abyme_nested_counts __user *user);

/*
 * Called while the vCPU is watched (vcpu->watched), in the order of the declarations: right before
 * an entry to L1 or L2; right after an exit of either; with an exit of L2, before it is handled;
 * when the time from now on is to be @spender's (ABYME_SPENT_*). None of them sleeps.
 */
void nested_watch_entry(struct vcpu *vcpu);
void nested_watch_exit(struct vcpu *vcpu);
void nested_note_exit(struct vcpu *vcpu, u32 reason);
void nested_watch_spend(struct vcpu *vcpu, u32 spender);

/* KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE; vCPU loaded, may sleep. */
int nested_state_get(struct vcpu *vcpu, struct kvm_nested_state __user *user, u32 user_size);
int nested_state_set(struct vcpu *vcpu, struct kvm_nested_state __user *user);

#endif
