// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run loop: requests, events, the entry, and after the exit its dispatch.
 * KVM_RUN comes to vcpu_run(). Tour, stop 5.
 *
 * What a reader must know: whoever wants a vCPU's attention sets a request and
 * then kicks. The vCPU sets VCPU_IN_GUEST, with interrupts off, before it looks
 * at its requests for the last time: either it sees the request, or the kicker
 * sees the mode and sends an IPI, which makes a VM exit.
 *
 * Functions of the loop answer 1 (go on), 0 (kvm_run is filled, go to
 * userspace) or a negative errno.
 * Context: the vCPU's thread, vCPU locked and loaded, interrupts and preemption
 * on unless it is said otherwise.
 */

#include <abyme.h>
#include <linux/context_tracking.h>
#include <linux/kvm.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/vtime.h>
#include <vmx/controls.h>
#include <vmx/exits.h>
#include <vmx/info.h>

#include "compat/compat.h"
#include "cpu/host_event.h"
#include "cpu/inject.h"
#include "cpu/trace.h"
#include "cpu/vcpu.h"
#include "hw/entry.h"
#include "hw/insn.h"
#include "hw/vmxop.h"
#include "nested/nested.h"
#include "pc/irqchip.h"
#include "run/exit.h"

static unsigned int halt_poll_ns = 50000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns,
		 "longest busy wait, in ns, before a halted vCPU sleeps (0: none; default: 50000)");

/* --- requests ----------------------------------------------------------- */

/* A triple fault of L2 is an exit to L1, whatever vmcs12 says; one of L1 ends KVM_RUN. */
static int triple_fault(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		return nested_reflect_as(vcpu, EXIT_TRIPLE_FAULT, 0, 0);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

/*
 * Takes the requests and does what they ask for. Some only had to make the vCPU leave the guest:
 * what they are about is looked up before each entry anyway. REQ_EVENT and REQ_TLB_FLUSH are
 * taken later.
 */
static int handle_requests(struct vcpu *vcpu)
{
	if (likely(!READ_ONCE(vcpu->requests)))
		return 1;
	/* This one comes first, as some of the others write to guest memory. */
	if (vcpu_test_request(vcpu, REQ_RING_FULL)) {
		if (dirty_ring_full(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
			return 0;
		}
		vcpu_take_request(vcpu, REQ_RING_FULL);
	}
	if (vcpu_take_request(vcpu, REQ_CLOCK_UPDATE)) {
		clock_update(vcpu);
		hyperv_clock_update(vcpu);
		lapic_timer_sync(vcpu);
	}
	if (vcpu_take_request(vcpu, REQ_STEAL_UPDATE))
		clock_update_steal(vcpu);
	inject_take_nmi(vcpu);
	if (vcpu_take_request(vcpu, REQ_MSR_BITMAP)) {
		msrs_init_bitmap(vcpu);
		nested_msr_bitmap_changed(vcpu);
	}
	vcpu_take_request(vcpu, REQ_MEM_EPOCH);
	vcpu_take_request(vcpu, REQ_NESTED);
	if (vcpu_take_request(vcpu, REQ_TRIPLE_FAULT))
		return triple_fault(vcpu);
	if (vcpu_take_request(vcpu, REQ_LEAVE)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	return 1;
}

/* --- events ------------------------------------------------------------- */

/*
 * An event whose delivery an exit has interrupted is injected before all others. Return: was there
 * one?
 */
static bool run_reinject(struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;
	u32 info = inject_info(in);

	if (!info)
		return false;
	trace_abyme_inj(vcpu->id, info & ~INTR_VALID, in->exception.error);
	inject_write(vcpu, info, in->exception.error, in->insn_len);
	return true;
}

/* Writes a pending exception to the VMCS, and first its payload to CR2 or DR6. */
static void deliver_exception(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (in->exception.has_payload) {
		if (in->exception.vector == VEC_PF)
			vcpu->cr2 = in->exception.payload;
		else
			debug_deliver_payload(vcpu, in->exception.payload);
		in->exception.has_payload = false;
	}
	/* Of an exception that userspace has made pending this is not done yet. */
	inject_set_resume_flag(vcpu, in->exception.vector);
	in->exception.pending = false;
	in->exception.injected = true;
	run_reinject(vcpu);
}

static bool deliver_nmi(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (!in->nmi.pending || !inject_nmi_allowed(vcpu))
		return false;
	in->nmi.pending--;
	in->nmi.injected = true;
	inject_write(vcpu, VEC_NMI | INTR_TYPE_NMI, 0, 0);
	trace_abyme_inj(vcpu->id, VEC_NMI | INTR_TYPE_NMI, 0);
	vcpu->stats.nmi_injections++;
	return true;
}

/*
 * Injects an interrupt if one waits and the guest can take it. If interrupts exit from L2 to L1
 * there is nothing to do: nested_events() has given L1 the exit.
 */
static bool deliver_irq(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;
	int vector;

	if (nested_takes_irqs(vcpu) || !inject_irq_allowed(vcpu))
		return false;
	vector = irq_ack(vcpu);
	if (vector < 0)
		return false;
	in->irq.injected = true;
	in->irq.soft = false;
	in->irq.vector = vector;
	inject_write(vcpu, vector | INTR_TYPE_EXT, 0, 0);
	trace_abyme_inj(vcpu->id, vector | INTR_TYPE_EXT, 0);
	vcpu->stats.irq_injections++;
	return true;
}

/* Does userspace, which has the 8259As, wait until the guest can take an interrupt? */
static bool user_wants_window(struct vcpu *vcpu)
{
	return unlikely(READ_ONCE(vcpu->run->request_interrupt_window)) && irq_user_may_raise(vcpu);
}

/*
 * Writes the next event into the active VMCS, and opens a window for the others. May give L1 an
 * exit instead. *@immediate becomes true if the guest must be left again right after the entry, as
 * L1 is due something.
 */
static int deliver_events(struct vcpu *vcpu, bool *immediate)
{
	int irq, r;

	if (vcpu->in_l2) {
		r = nested_events(vcpu, immediate);
		if (r <= 0)
			return r;
	}
	if (!run_reinject(vcpu)) {
		if (vcpu->inject.exception.pending)
			deliver_exception(vcpu);
		else if (!*immediate && !deliver_nmi(vcpu))
			deliver_irq(vcpu);
	}
	if (vcpu->inject.nmi.pending)
		inject_nmi_window(vcpu, true);
	irq = irq_pending(vcpu);
	if ((irq >= 0 && !debug_blocks_irq(vcpu)) || user_wants_window(vcpu))
		inject_irq_window(vcpu, true);
	if (!vcpu->in_l2)
		inject_tpr_window(vcpu, irq_held(irq));
	return 1;
}

/* --- the entry ---------------------------------------------------------- */

/* Gives up the entry. What was injected for it is injected at the next one. Interrupts off. */
static void cancel_entry(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	inject_cancel(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

/*
 * Has something come up since the preparations? The vCPU may have been kicked meanwhile, which
 * shows as another mode than VCPU_IN_GUEST. Context: interrupts off.
 */
static bool must_not_enter(struct vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_TLB_FLUSH)) {
		hw_invept(INVEPT_ALL, 0);
		vcpu->stats.tlb_flush++;
	}
	return !vmxop_on_here() || READ_ONCE(vcpu->requests) || xfer_to_guest_mode_work_pending() ||
	       READ_ONCE(vcpu->mode) != VCPU_IN_GUEST || (vcpu->in_l2 && nested_entry_stale(vcpu));
}

/*
 * The crossing itself. Between context_tracking_guest_enter() and _exit() RCU
 * may not watch: nothing in there may be traced or take a lock. Context:
 * interrupts off, host_quiet() was called. Return: 0, or 1 on VMfail.
 */
static __always_inline int run_cross(struct vcpu *vcpu, struct vmcs *vmcs)
{
	int failed;
	u32 how;

	static_assert(VMX_ENTER_RESUME == true); /* so that .launched is that bit */
	context_tracking_guest_enter();
	if (unlikely(vcpu->cr2 != native_read_cr2()))
		native_write_cr2(vcpu->cr2);
	how = host_before_entry(&vcpu->host) | vmcs->launched;
	failed = vmx_enter(vcpu->gpr, how, &vmcs->host.rsp, vcpu->host.switched);
	host_after_exit(&vcpu->host);
	vcpu->cr2 = native_read_cr2();
	context_tracking_guest_exit();
	return failed;
}

/* Crosses, and notes the time of entry and exit. */
static noinline int cross_watched(struct vcpu *vcpu)
{
	int failed;

	nested_watch_entry(vcpu);
	failed = run_cross(vcpu, vcpu->vmcs);
	nested_watch_exit(vcpu);
	return failed;
}

/* What .exit_reason is when the processor refused to enter at all. */
#define NO_EXIT 0xffff

/* Reads what nearly every handler needs to know of the exit. Context: interrupts off. */
static void read_exit(struct vcpu *vcpu, u32 reason)
{
	if (likely(!(reason & EXIT_ENTRY_FAILED)))
		vcpu->vmcs->launched = true;
	vcpu->exit_reason = reason;
	if (reason == EXIT_EXCEPTION_NMI)
		vcpu->intr_info = vmread(VMCS_EXIT_INTR_INFO);
	vcpu->exit_qual_read = false;
	vcpu->idt_vectoring = vmread(VMCS_IDT_VECTORING_INFO);
	vcpu->lazy_avail = 0;
}

/*
 * If the exit is an NMI or a machine check of the host's, runs the host's handler at once, with
 * the host's FPU state and breakpoints. Context: interrupts off.
 */
static void serve_host(struct vcpu *vcpu)
{
	switch (host_event_of(vcpu->exit_reason, vcpu->intr_info)) {
	case HOST_NMI: vmx_raise_nmi(); break;
	case HOST_MACHINE_CHECK:
		compat_machine_check();
		vcpu_request(vcpu, REQ_EVENT); /* it may have come instead of the exit for TPR */
		break;
	case HOST_NOTHING: break;
	}
}

/* Turns interrupts on. If one of the host's made the exit, the host takes it here. */
static void leave_irqs_off(struct vcpu *vcpu)
{
	if ((u16)vcpu->exit_reason == EXIT_EXT_INT) {
		local_irq_enable();
		asm volatile("nop"); /* STI's shadow ends: an interrupt is the guest's time */
		local_irq_disable();
	}
	vtime_account_guest_exit();
	local_irq_enable();
}

/*
 * The processor refused the entry. If it was to L1, userspace has set a state that no processor
 * accepts, or abyme has a bug; or a machine check came in between, which the host's handler has
 * seen: then the same entry is made again. The event stays in the state, and is taken out of the
 * VMCS, which it would be delivered from once the state is mended. @error: the VM-instruction error
 * of a VMfail, or 0.
 */
static int entry_failed(struct vcpu *vcpu, u32 error)
{
	struct kvm_run *run = vcpu->run;

	inject_cancel(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	if (!error && host_event_of(vcpu->exit_reason, 0) == HOST_MACHINE_CHECK)
		return 1;
	if (vcpu->in_l2)
		return nested_entry_refused(vcpu, error ? 0 : vcpu->exit_reason, error);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = error ? error : vcpu->exit_reason;
	run->fail_entry.cpu = raw_smp_processor_id();
	return 0;
}

/* What is done after every exit, before its handler is called. */
static void note_exit(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		vcpu->stats.nested_exits++;
	inject_recover(vcpu);
	trace_abyme_exit(vcpu);
}

/*
 * Handles an exit without going back to the host: its interrupts stay off, and the guest's FPU and
 * debug registers loaded. Context: interrupts off, the exit is noted. Return: as exit_handle();
 * EXIT_LATER: it has to be handled with interrupts on.
 */
static int handle_at_once(struct vcpu *vcpu)
{
	u32 reason = vcpu->exit_reason;
	bool is_short = vcpu->in_l2 ? nested_reflects_at_once(vcpu, reason)
				    : exit_is_plain(reason) || reason == EXIT_EPT_VIOLATION;

	return is_short ? exit_handle(vcpu) : EXIT_LATER;
}

/*
 * Asked when REQ_EVENT was taken: is an event due to the guest that runs next, or to L1 while L2
 * runs? Context: interrupts may be off.
 */
static bool event_due(struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;
	int irq = irq_pending(vcpu);

	return irq >= 0 || in->exception.injected || in->exception.pending || in->irq.injected ||
	       in->nmi.injected || in->nmi.pending || user_wants_window(vcpu) ||
	       lapic_shares_eoi(vcpu) ||
	       (vcpu->in_l2 ? nested_event_due(vcpu) : irq_held(irq) != vcpu->tpr_threshold);
}

/* May the vCPU be entered again at once, as no event is due? INIT may come from the vCPU itself. */
static bool no_event_due(struct vcpu *vcpu)
{
	if (!vcpu_take_request(vcpu, REQ_EVENT) ||
	    !(event_due(vcpu) || (vcpu->lapic && lapic_has_events(vcpu))))
		return true;
	vcpu_request(vcpu, REQ_EVENT);
	return false;
}

/* What was entered last: L1 or L2, by its VMCS, and the CR4 for which the FPU was set up. */
struct entered {
	struct vmcs *vmcs;
	unsigned long cr4;
};

/*
 * After a change between L1 and L2: can the other one be entered right away? Not if something has
 * to be done with interrupts on, if breakpoints must be loaded, or if L1 must be offered an EOI
 * in its memory.
 */
static bool get_ready(struct vcpu *vcpu)
{
	if (vcpu->debug.active || vcpu->debug.control)
		return false;
	return vcpu->in_l2 ? nested_get_ready(vcpu) : !lapic_share_due(vcpu);
}

/* Does what enter_again() says where there is more to do than to enter. */
static noinline bool enter_changed(struct vcpu *vcpu, struct entered *last)
{
	bool same = vcpu->vmcs == last->vmcs;

	if (!no_event_due(vcpu) || (!same && !get_ready(vcpu)) || must_not_enter(vcpu))
		return false;
	/* The VMCS may be the same and CR4 not: an entry to L2 that fails loads CR4 as an exit does. */
	if (fpu_enter_differs(vcpu->cr4, last->cr4)) {
		fpu_exit(vcpu);
		fpu_enter(vcpu);
		last->cr4 = vcpu->cr4;
	}
	if (same)
		return true;
	last->vmcs = vcpu->vmcs;
	if (vcpu->in_l2)
		nested_commit_entry(vcpu);
	host_write_entry(vcpu->vmcs, &vcpu->host);
	return true;
}

/*
 * After an exit that was handled at once: can the next entry, to the same guest or to the other
 * of L1 and L2, follow right away? If so, prepares it. Context: interrupts off, VCPU_IN_GUEST set.
 * VMX operation stays on while interrupts are off. Where CR4 changes and the VMCS does not, at an
 * entry to L2 that fails, a request is made.
 */
static __always_inline bool enter_again(struct vcpu *vcpu, struct entered *last)
{
	if (likely(!READ_ONCE(vcpu->requests)) && vcpu->vmcs == last->vmcs &&
	    !xfer_to_guest_mode_work_pending() && READ_ONCE(vcpu->mode) == VCPU_IN_GUEST &&
	    !vcpu->in_l2)
		return true;
	return enter_changed(vcpu, last);
}

/* Gives the CPU back to the host. Interrupts and preemption are off before, and on afterwards. */
static void leave_guest(struct vcpu *vcpu)
{
	host_loud(&vcpu->host);
	fpu_exit(vcpu);
	umwait_exit(vcpu);
	debug_exit(vcpu);
	serve_host(vcpu);
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	leave_irqs_off(vcpu);
	preempt_enable();
	if (unlikely(vcpu->lapic_shares))
		lapic_unshare(vcpu);
}

/* Reads and notes any exit. */
static void take_exit(struct vcpu *vcpu, u32 reason)
{
	read_exit(vcpu, reason);
	stats_count_exit(&vcpu->stats, vcpu->exit_reason, vcpu->in_l2);
	if (likely(!(vcpu->exit_reason & EXIT_ENTRY_FAILED)))
		note_exit(vcpu);
}

/* The processor did not enter. Return: the VM-instruction error. */
static u32 note_failed(struct vcpu *vcpu)
{
	vcpu->exit_reason = NO_EXIT;
	vcpu->stats.exits++;
	return vmread(VMCS_INSN_ERROR);
}

static noinline int other_exit(struct vcpu *vcpu, u32 reason)
{
	take_exit(vcpu, reason);
	return handle_at_once(vcpu);
}

/*
 * Enters the guest, and handles its exit if that can be done at once. An exit that an instruction of
 * L1's makes is noted here, with the little that there is to note of it; others take the longer way.
 * Context: interrupts off. *@error: the VM-instruction error of an entry that failed. Return: as
 * handle_at_once().
 */
static __always_inline int enter_guest(struct vcpu *vcpu, u32 *error)
{
	struct vmcs *vmcs = vcpu->vmcs;
	u32 reason;

	vcpu_lazy_flush(vcpu);
	trace_abyme_entry(vcpu);
	if (unlikely(run_cross(vcpu, vmcs))) {
		*error = note_failed(vcpu);
		return EXIT_LATER;
	}
	reason = vmread(VMCS_EXIT_REASON);
	if (unlikely(!exit_is_plain(reason)) || vcpu->in_l2)
		return other_exit(vcpu, reason);
	vcpu->exit_reason = reason;
	vmcs->launched = true;
	vcpu->exit_qual_read = false;
	vcpu->lazy_avail = 0;
	vcpu->idt_vectoring = 0;
	inject_delivered(&vcpu->inject);
	vcpu->stats.exit_l1[reason & 63]++;
	trace_abyme_exit(vcpu);
	return exit_handle_plain(vcpu, reason);
}

/*
 * The same for a vCPU that is watched, or has its TPR in memory: then there is more to do between
 * exit and entry, so the exit is not handled here. Return: the VM-instruction error, or 0.
 */
static noinline u32 enter_alone(struct vcpu *vcpu)
{
	vcpu_lazy_flush(vcpu);
	trace_abyme_entry(vcpu);
	if (unlikely(vcpu->watched ? cross_watched(vcpu) : run_cross(vcpu, vcpu->vmcs)))
		return note_failed(vcpu);
	take_exit(vcpu, vmread(VMCS_EXIT_REASON));
	return 0;
}

/*
 * One entry, or several whose exits are handled at once, up to an exit that is handled with
 * interrupts on. Before preempt_disable() everything may sleep. After it nothing may, and what
 * was prepared is checked once more.
 */
static int enter_once(struct vcpu *vcpu)
{
	struct entered last;
	bool immediate = false;
	u32 error = 0;
	int r;

	r = handle_requests(vcpu);
	if (r > 0 && vcpu->nested)
		r = nested_before_entry(vcpu);
	if (r > 0 && vcpu_take_request(vcpu, REQ_EVENT) && event_due(vcpu))
		r = deliver_events(vcpu, &immediate);
	if (r <= 0)
		return r;
	last = (struct entered){ vcpu->vmcs, vcpu->cr4 };
	if (unlikely(vcpu->lapic_shares))
		lapic_share(vcpu);

	preempt_disable();
	host_save(&vcpu->host);
	msrs_load_guest(vcpu);
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, VCPU_IN_GUEST);
	smp_mb(); /* the mode before the requests: see the top of this file */
	if (must_not_enter(vcpu)) {
		cancel_entry(vcpu);
		local_irq_enable();
		preempt_enable();
		if (unlikely(vcpu->lapic_shares))
			lapic_unshare(vcpu);
		return vmxop_over() ? -ESHUTDOWN : 1;
	}
	if (vcpu->in_l2)
		nested_commit_entry(vcpu);
	host_write_entry(vcpu->vmcs, &vcpu->host);
	debug_enter(vcpu);
	umwait_enter(vcpu);
	fpu_enter(vcpu);
	if (unlikely(immediate)) {
		compat_kick_cpu(smp_processor_id());
		vcpu_request(vcpu, REQ_EVENT); /* L1 will still be due what it is due */
	}
	host_quiet(&vcpu->host);
	host_prepare_entry(&vcpu->host, vcpu->cpuid.spec_ctrl ? &vcpu->msrs.spec_ctrl : NULL);
	compat_rcu_note_guest();
	vtime_account_guest_enter();
	if (likely(!vcpu->watched && !(vcpu->lapic_shares & LAPIC_SHARES_TPR))) {
		vcpu->at_once = true;
		do {
			r = enter_guest(vcpu, &error);
		} while (r == 1 && enter_again(vcpu, &last));
		vcpu->at_once = false;
	} else {
		error = enter_alone(vcpu);
		r = EXIT_LATER;
	}
	leave_guest(vcpu);
	if (r != EXIT_LATER)
		return r;
	if (unlikely(vcpu->exit_reason == NO_EXIT || (vcpu->exit_reason & EXIT_ENTRY_FAILED)))
		return entry_failed(vcpu, error);
	return exit_handle(vcpu);
}

/* --- halting ------------------------------------------------------------ */

/* Has an event come that ends HLT? Does not sleep. */
static bool has_wake_event(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		return nested_wakes(vcpu);
	if (vcpu_test_request(vcpu, REQ_TRIPLE_FAULT))
		return true;
	if (vcpu->inject.exception.pending)
		return true;
	if ((vcpu->inject.nmi.pending || vcpu_test_request(vcpu, REQ_NMI)) &&
	    inject_nmi_allowed(vcpu))
		return true;
	return irq_pending(vcpu) >= 0 && inject_irq_allowed(vcpu);
}

/*
 * Is there a reason to stop waiting? Called with the thread about to sleep, so
 * it must not sleep itself.
 */
static bool has_work(struct vcpu *vcpu)
{
	if (signal_pending(current) || compat_immediate_exit(vcpu->run))
		return true;
	if (vcpu->lapic && lapic_has_events(vcpu) && !nested_in_vmx(vcpu))
		return true;
	if (vcpu->in_l2 && nested_halt_changed(vcpu))
		return true;
	return vcpu->mp_state == KVM_MP_STATE_HALTED && has_wake_event(vcpu);
}

/* Waits busily for up to .poll_ns, see adapt_poll(). Return: did work come meanwhile? */
static bool run_poll(struct vcpu *vcpu)
{
	u64 end = ktime_get_ns() + vcpu->halt_poll_ns;

	if (!vcpu->halt_poll_ns || vcpu->mp_state != KVM_MP_STATE_HALTED)
		return false;
	do {
		if (has_work(vcpu)) {
			vcpu->stats.halt_poll_success++;
			return true;
		}
		cpu_relax();
	} while (!need_resched() && ktime_get_ns() < end);
	return false;
}

/*
 * Sleeps until vcpu_kick(). The thread's state is set before has_work() looks, so that no
 * wake-up in between is lost.
 */
static void sleep_until_work(struct vcpu *vcpu)
{
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (has_work(vcpu))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->stats.halt_wakeup++;
}

/* Halves the busy wait after a long sleep, doubles it if a slightly longer one would have done. */
static void adapt_poll(struct vcpu *vcpu, u64 slept_ns)
{
	unsigned int limit = READ_ONCE(halt_poll_ns);

	if (slept_ns > limit)
		vcpu->halt_poll_ns /= 2;
	else
		vcpu->halt_poll_ns = min(limit, max(vcpu->halt_poll_ns * 2, 5000U));
	if (vcpu->halt_poll_ns < 1000)
		vcpu->halt_poll_ns = 0;
}

/* The vCPU is halted, or waits for a SIPI. */
static int run_block(struct vcpu *vcpu)
{
	u64 start;

	if (vcpu->in_l2)
		nested_halted(vcpu);
	if (unlikely(vcpu->watched))
		nested_watch_spend(vcpu, ABYME_SPENT_IDLE);
	if (!run_poll(vcpu)) {
		start = ktime_get_ns();
		sleep_until_work(vcpu);
		adapt_poll(vcpu, ktime_get_ns() - start);
	}
	if (unlikely(vcpu->watched))
		nested_watch_spend(vcpu, ABYME_SPENT_L0);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && has_wake_event(vcpu)) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		vcpu_request(vcpu, REQ_EVENT);
	}
	return 1;
}

/* --- KVM_RUN ------------------------------------------------------------ */

static bool run_runnable(struct vcpu *vcpu)
{
	if (vcpu->lapic && unlikely(lapic_has_events(vcpu))) {
		if (!nested_in_vmx(vcpu))
			lapic_accept_events(vcpu);
		else if (vcpu->in_l2)
			vcpu_request(vcpu, REQ_EVENT); /* so that nested_events() looks at it */
	}
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

/* Gives way to the host's scheduler, and ends KVM_RUN for a signal. Return: 1: go on. */
static int host_work(struct vcpu *vcpu)
{
	if (!__xfer_to_guest_mode_work_pending() && !compat_immediate_exit(vcpu->run))
		return 1;
	if (compat_immediate_exit(vcpu->run))
		return -EINTR; /* .exit_reason stays: userspace calls so only to finish the last exit */
	if (compat_guest_work()) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		vcpu->stats.signal_exits++;
		return -EINTR;
	}
	return 1;
}

static bool window_open_for_user(struct vcpu *vcpu)
{
	if (!user_wants_window(vcpu) || !irq_window_open(vcpu))
		return false;
	vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	vcpu->stats.request_irq_exits++;
	return true;
}

/*
 * Ends KVM_RUN first of all if the guest's last instruction made an exit to userspace due, such as
 * an EOI of its IOAPIC's: no state that userspace can save has it, so it must not wait.
 */
static int tell_user(struct vcpu *vcpu)
{
	int r;

	if (likely(!(READ_ONCE(vcpu->requests) & (LAPIC_USER_REQUESTS | HYPERV_USER_REQUESTS))))
		return 1;
	r = lapic_tell_user(vcpu);
	return r > 0 ? hyperv_tell_user(vcpu) : r;
}

/* Userspace has answered an exit: ends the instruction that made it. */
static int finish_last_exit(struct vcpu *vcpu)
{
	int (*complete)(struct vcpu * vcpu) = vcpu->complete;

	if (!complete)
		return 1;
	vcpu->complete = NULL;
	return complete(vcpu);
}

/*
 * Here is what is done once for each KVM_RUN; enter_once() has what is done for each entry. Tour,
 * stop 5.
 */
int vcpu_run(struct vcpu *vcpu)
{
	int r;

	vcpu->first_run_done = true;
	if (unlikely(vcpu->watched))
		nested_watch_spend(vcpu, ABYME_SPENT_L0);
	if (vcpu->nested)
		nested_begin_run(vcpu);
	lapic_timer_attend(vcpu); /* userspace may have set the TSC, too */
	fpu_load_guest(vcpu);
	r = finish_last_exit(vcpu);
	if (r > 0)
		r = tell_user(vcpu);
	if (r > 0)
		r = host_work(vcpu);
	if (r > 0 && vcpu->run->request_interrupt_window) {
		vcpu_request(vcpu, REQ_EVENT);
		/* Where L1 takes interrupts the window is open, and no exit of L2's tells. */
		if (vcpu->in_l2 && window_open_for_user(vcpu))
			r = 0;
	}
	while (r > 0) {
		r = run_runnable(vcpu) ? enter_once(vcpu) : run_block(vcpu);
		if (r > 0)
			r = tell_user(vcpu);
		if (r > 0 && window_open_for_user(vcpu))
			r = 0;
		if (r > 0)
			r = host_work(vcpu);
	}
	if (vcpu->nested)
		nested_end_run(vcpu);
	fpu_put_guest(vcpu);
	lapic_timer_leave(vcpu);
	if (unlikely(vcpu->watched))
		nested_watch_spend(vcpu, r ? ABYME_SPENT_TRACE : ABYME_SPENT_USER);
	return r;
}
