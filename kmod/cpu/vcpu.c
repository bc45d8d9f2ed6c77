// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a vCPU, its way from CPU to CPU, and how others get its
 * attention.
 *
 * The ioctls of a vCPU call it, and so does the scheduler, by the preempt
 * notifier. It owns struct vcpu as a whole; parts of it belong to the files of
 * their names.
 *
 * What a reader must know: a VMCS is active on one CPU at a time. Between
 * vcpu_load() and vcpu_put() the notifier sees to it that the vCPU's VMCS is
 * current wherever the thread runs, so that code in between may use vmread()
 * and vmwrite() and sleep nevertheless.
 */

#include <linux/highmem.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <vmx/controls.h>
#include <vmx/info.h>

#include "compat/compat.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"
#include "hw/vmxop.h"

/* --- between CPUs ------------------------------------------------------- */

/* The vCPU whose thread runs on this CPU, between vcpu_load() and vcpu_put(). */
static DEFINE_PER_CPU(struct vcpu *, loaded);

/* Wherever the thread is when it reads, the notifier has written its own vCPU there. */
struct vcpu *vcpu_loaded(void)
{
	return this_cpu_read(loaded);
}

/* Loads the vCPU: its thread has come to this CPU, or begins to use it. Preemption off. */
static void on_cpu(struct vcpu *vcpu)
{
	__this_cpu_write(loaded, vcpu);
	if (!vmxop_on_here())
		return; /* the CPU is being unplugged; the scheduler moves the thread on */
	vcpu->cpu = smp_processor_id();
	host_note_vcpu(vcpu->number);
	if (vmcs_load(vcpu->vmcs)) {
		host_write_cpu(vcpu->vmcs);
		vcpu_request(vcpu, REQ_TLB_FLUSH);
		clock_moved(vcpu);
		/*
		 * l2_switch_to_l1() has cleared what L2 left in the predictors of another
		 * CPU; this one may have more from an earlier visit.
		 */
		if (vcpu->cpuid.ibpb)
			host_forget_branches();
	}
	clock_resumed(vcpu);
}

/*
 * The thread leaves this CPU: gives back what guest and host share without the
 * VMCS. The VMCS stays active here until another CPU asks for it. Context:
 * preemption off.
 */
static void off_cpu(struct vcpu *vcpu)
{
	/* A GS selector of the host's that isn't 0 loads KERNEL_GS_BASE when it comes back. */
	msrs_save_guest(vcpu);
	host_restore(&vcpu->host);
	msrs_put_guest(vcpu);
	vcpu->cpu = -1;
	__this_cpu_write(loaded, NULL);
}

static void sched_in(struct preempt_notifier *n, int cpu)
{
	on_cpu(container_of(n, struct vcpu, notifier));
}

static void sched_out(struct preempt_notifier *n, struct task_struct *next)
{
	off_cpu(container_of(n, struct vcpu, notifier));
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

/* The notifier is registered first: from then on on_cpu() follows the thread. */
void vcpu_load(struct vcpu *vcpu)
{
	preempt_disable();
	preempt_notifier_register(&vcpu->notifier);
	on_cpu(vcpu);
	hyperv_load(vcpu);
	preempt_enable();
}

void vcpu_put(struct vcpu *vcpu)
{
	preempt_disable();
	hyperv_put(vcpu);
	off_cpu(vcpu);
	preempt_notifier_unregister(&vcpu->notifier);
	preempt_enable();
}

void vcpu_lazy_write(struct vcpu *vcpu)
{
	u32 dirty = vcpu->lazy_dirty;

	if (dirty & BIT(LAZY_RIP))
		vmwrite(VMCS_GUEST_RIP, vcpu->rip);
	if (dirty & BIT(LAZY_RSP))
		vmwrite(VMCS_GUEST_RSP, vcpu->gpr[GPR_RSP]);
	if (dirty & BIT(LAZY_RFLAGS))
		vmwrite(VMCS_GUEST_RFLAGS, vcpu->rflags);
	if (dirty & BIT(LAZY_CR3))
		vmwrite(VMCS_GUEST_CR3, vcpu->cr3);
	vcpu->lazy_dirty = 0;
}

/*
 * Context: vCPU loaded. Preemption is off, so that the notifier does not see a
 * VMCS that is half switched.
 */
void vcpu_switch_vmcs(struct vcpu *vcpu, struct vmcs *vmcs)
{
	preempt_disable();
	vcpu_lazy_flush(vcpu);
	vcpu->vmcs = vmcs;
	if (vmcs_load(vmcs)) {
		host_write_cpu(vmcs);
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	}
	vcpu_lazy_forget(vcpu);
	preempt_enable();
}

/* --- attention ---------------------------------------------------------- */

/*
 * A vCPU that sleeps is woken, and then looks at its requests. One in the guest is sent an IPI,
 * unless .mode says that another kick has sent one already.
 */
void vcpu_kick(struct vcpu *vcpu)
{
	int me, cpu;

	if (rcuwait_wake_up(&vcpu->wait))
		return;
	me = get_cpu();
	if (cmpxchg(&vcpu->mode, VCPU_IN_GUEST, VCPU_EXITING) == VCPU_IN_GUEST) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && cpu >= 0)
			compat_kick_cpu(cpu);
	}
	put_cpu();
}

/* --- reset -------------------------------------------------------------- */

/* @init: an INIT, which leaves more as it is than power-up does. vCPU loaded. */
void vcpu_reset(struct vcpu *vcpu, bool init)
{
	nested_leave(vcpu);
	memset(&vcpu->inject, 0, sizeof(vcpu->inject));
	regs_reset(vcpu, init);
	msrs_reset(vcpu, init);
	debug_reset(vcpu);
	fpu_reset(vcpu, init);
	vcpu_request(vcpu, REQ_EVENT);
}

/* Leaves the trap of TF due: the processor raises it, or gives it to the debugger, at the entry. */
static void step_due(void)
{
	vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) | DBG_BS);
}

/*
 * What every instruction does at its end: it raises the trap of TF and clears RF. @whole: it is
 * complete, not a REP of which iterations remain.
 */
static void end_debug_flags(struct vcpu *vcpu, bool whole)
{
	if (debug_steps(vcpu))
		step_due();
	/* RF was for this instruction only, and REP keeps it to its end. */
	if (whole)
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) & ~X86_EFLAGS_RF);
}

/* What few instructions need at their end. */
static noinline int insn_done_more(struct vcpu *vcpu, unsigned long next, bool whole)
{
	vcpu_set_rip(vcpu, next);
	vcpu_end_shadow();
	if (vcpu_rflags(vcpu) & (X86_EFLAGS_TF | X86_EFLAGS_RF))
		end_debug_flags(vcpu, whole);
	if (vcpu->in_l2)
		nested_insn_done(vcpu);
	return 1;
}

/*
 * Ends an instruction: moves RIP to @next, in the VMCS at once, as the guest mostly goes on there.
 * @whole: as for end_debug_flags().
 */
static __always_inline int insn_done(struct vcpu *vcpu, unsigned long next, bool whole)
{
	unsigned long flags;

	flags = vcpu_lazy_peek(vcpu, LAZY_RFLAGS, VMCS_GUEST_RFLAGS, vcpu->rflags);
	if (unlikely(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (IRQBLK_STI | IRQBLK_MOV_SS)) ||
	    unlikely(flags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) || unlikely(vcpu->in_l2))
		return insn_done_more(vcpu, next, whole);
	vcpu_write_now(vcpu, LAZY_RIP, VMCS_GUEST_RIP, &vcpu->rip, next);
	return 1;
}

/* Outside 64-bit mode EIP wraps. */
static noinline int skip_over_4g(struct vcpu *vcpu, unsigned long next, unsigned int len)
{
	return insn_done(vcpu, vcpu_64bit(vcpu) ? next : (u32)next, len);
}

static __always_inline int skip_bytes(struct vcpu *vcpu, unsigned int len)
{
	unsigned long next;

	next = vcpu_lazy_peek(vcpu, LAZY_RIP, VMCS_GUEST_RIP, vcpu->rip) + len;
	if (unlikely((u32)next < len)) /* bit 32 has changed */
		return skip_over_4g(vcpu, next, len);
	return insn_done(vcpu, next, len);
}

int vcpu_skip_bytes(struct vcpu *vcpu, unsigned int len)
{
	return skip_bytes(vcpu, len);
}

int vcpu_jump(struct vcpu *vcpu, unsigned long rip)
{
	insn_done(vcpu, rip, true);
	/* Also with BTF, which lets only branches trap. */
	if (unlikely(vcpu_rflags(vcpu) & X86_EFLAGS_TF))
		step_due();
	return 1;
}

/* An instruction has 1 to 15 bytes. */
int vcpu_skip_insn(struct vcpu *vcpu)
{
	return skip_bytes(vcpu, vmread(VMCS_EXIT_INSN_LEN));
}

/* --- lifetime ----------------------------------------------------------- */

static void *zero_page(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static int alloc_pages_of(struct vcpu *vcpu)
{
	vcpu->run = zero_page();
	vcpu->pio_data = zero_page();
	vcpu->msr_bitmap = zero_page();
	vcpu->virt_apic = zero_page();
	if (!vcpu->run || !vcpu->pio_data || !vcpu->msr_bitmap || !vcpu->virt_apic)
		return -ENOMEM;
	return dirty_ring_init(vcpu);
}

static void free_pages_of(struct vcpu *vcpu)
{
	dirty_ring_free(vcpu);
	free_page((unsigned long)vcpu->run);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->msr_bitmap);
	free_page((unsigned long)vcpu->virt_apic);
}

/* The part of creation that needs vmcs01 loaded; guest state comes by vcpu_reset(). */
static void vcpu_first_load(struct vcpu *vcpu)
{
	mutex_lock(&vcpu->lock);
	vcpu_load(vcpu);
	vmcs01_setup(vcpu);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
}

/*
 * Tour, stop 4. Return: a vCPU that nobody can find yet, or an ERR_PTR. The
 * number tells vCPUs apart that lie at the same address one after the other:
 * see host_note_vcpu().
 */
struct vcpu *vcpu_create(struct vm *vm, u32 id)
{
	static atomic64_t created;
	struct vcpu *vcpu;
	int r;

	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->number = atomic64_inc_return(&created);
	vcpu->cpu = -1;
	vcpu->hyperv.vp_index = vm->nr_vcpus;
	mutex_init(&vcpu->lock);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->notifier, &preempt_ops);
	r = alloc_pages_of(vcpu);
	if (r)
		goto free_pages;
	r = vmcs_init(&vcpu->vmcs01);
	if (r)
		goto free_pages;
	vcpu->vmcs = &vcpu->vmcs01;
	r = fpu_init_vcpu(vcpu);
	if (r)
		goto free_vmcs;
	vcpu->vpid = vpid_alloc();
	cpuid_init(vcpu);
	msrs_init(vcpu);
	clock_init_vcpu(vcpu);
	msrs_init_bitmap(vcpu);
	vcpu_first_load(vcpu);
	return vcpu;

free_vmcs:
	vmcs_destroy(&vcpu->vmcs01);
free_pages:
	free_pages_of(vcpu);
	kfree(vcpu);
	return ERR_PTR(r);
}

/* Nobody has the vCPU any more: its fd and the VM's are closed. Context: may sleep. */
void vcpu_free(struct vcpu *vcpu)
{
	nested_free(vcpu);
	vmcs_destroy(&vcpu->vmcs01);
	vpid_free(vcpu->vpid);
	ept_cache_free(&vcpu->ept_cache);
	fpu_free_vcpu(vcpu);
	cpuid_free(vcpu);
	kfree(vcpu->mmio);
	free_pages_of(vcpu);
	put_pid(rcu_access_pointer(vcpu->pid));
	mutex_destroy(&vcpu->lock);
	kfree(vcpu);
}
