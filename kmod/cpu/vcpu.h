/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual CPU.
 *
 * Everything here belongs to the thread that holds .lock (any ioctl on the
 * vCPU), except what says otherwise. Between vcpu_load() and vcpu_put() the
 * vCPU's active VMCS is loaded on the CPU, and a preempt notifier keeps it so.
 */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <vmx/cr.h>
#include <vmx/gpr.h>
#include <vmx/info.h>
#include <vmx/types.h>

#include "cpu/cet.h"
#include "cpu/clock.h"
#include "cpu/cpuid.h"
#include "cpu/debug.h"
#include "cpu/fpu.h"
#include "cpu/msrs.h"
#include "cpu/nested_hooks.h"
#include "cpu/stats.h"
#include "cpu/vm.h"
#include "hw/host.h"
#include "hw/vmcs.h"

struct lapic;
struct nested;
struct mmio_op;

/* Where a vCPU is; read by those who want it to leave the guest. */
enum vcpu_mode {
	VCPU_OUTSIDE,  /* in L0's code: it looks at .requests before it enters */
	VCPU_IN_GUEST, /* in the guest, or about to be with interrupts off: needs an IPI */
	VCPU_EXITING,  /* was sent an IPI, and is on its way out */
};

/* Bits of .requests: set by anyone (vcpu_request()), taken by the vCPU before it enters. */
enum vcpu_req {
	REQ_EVENT,	  /* something may have become deliverable */
	REQ_TLB_FLUSH,	  /* translations of the current VPID and EPTP are to be flushed */
	REQ_MEM_EPOCH,	  /* vm->mem.epoch rose: cached struct mem_pages are stale */
	REQ_CLOCK_UPDATE, /* kvmclock's page is to be written, and Hyper-V's */
	REQ_TRIPLE_FAULT,
	REQ_NMI,
	REQ_STEAL_UPDATE,
	REQ_MSR_BITMAP, /* vm->msr_filter changed, or whether IA32_DEBUGCTL is 0: new MSR bitmaps */
	REQ_NESTED,	/* nested/ has something to do before the entry */
	REQ_LEAVE,	/* KVM_RUN is to return: there is something to tell */
	REQ_TPR_ACCESS, /* userspace is to be told of an access to the TPR */
	REQ_IOAPIC_EOI, /* userspace's IOAPIC is to be told of an end of interrupt */
	REQ_HV_RESET,	/* userspace is to be told what the guest wrote to Hyper-V's MSRs */
	REQ_HV_CRASH,
	REQ_RING_FULL, /* userspace is to empty the dirty ring, if it has not done so by now */
};

/*
 * Registers in the VMCS that have a software copy: most exits need two of them,
 * and each VMREAD costs. A copy is read from the VMCS when it is first asked
 * for, and written back before an entry or a change of VMCS
 * (vcpu_lazy_flush()).
 */
enum vcpu_lazy {
	LAZY_RSP, /* copy: gpr[GPR_RSP] */
	LAZY_RIP,
	LAZY_RFLAGS,
	LAZY_CR3,
	NR_LAZY,
};

/*
 * What is to be delivered to the guest at the next entry. cpu/inject.c has
 * the functions, and says what pending and injected mean.
 */
struct vcpu_inject {
	struct {
		bool pending;  /* raised, not yet given to hardware: L1 may still intercept it */
		bool injected; /* in the VMCS, or its delivery was cut short by an exit */
		bool has_error;
		bool has_payload; /* CR2 or DR6, not yet written */
		u8 vector;
		u32 type;  /* INTR_TYPE_HARD_EXC, _SOFT_EXC or _PRIV_SW_EXC */
		u32 error; /* its low 16 bits are delivered; userspace may set others */
		u64 payload;
	} exception;
	struct {
		bool injected;
		bool soft;
		u8 vector;
	} irq;
	struct {
		u8 pending; /* 0 to 2 */
		bool injected;
	} nmi;
	u8 insn_len; /* of a soft interrupt or exception to inject again */
	/* With 8259As in userspace: what KVM_INTERRUPT queued, until irq_ack(); 0: nothing. */
	u16 user_irq; /* USER_IRQ_VALID | vector */
};

#define USER_IRQ_VALID BIT(8)

/* Whatever was injected has been delivered. */
static inline void inject_delivered(struct vcpu_inject *in)
{
	in->exception.injected = false;
	in->irq.injected = false;
	in->nmi.injected = false;
}

/* The event that is in delivery, as interruption information; 0: none is. */
static inline u32 inject_info(const struct vcpu_inject *in)
{
	if (in->exception.injected)
		return INTR_VALID | in->exception.vector | in->exception.type |
		       (in->exception.has_error ? INTR_HAS_ERROR : 0);
	if (in->nmi.injected)
		return INTR_VALID | VEC_NMI | INTR_TYPE_NMI;
	if (in->irq.injected)
		return INTR_VALID | in->irq.vector |
		       (in->irq.soft ? INTR_TYPE_SOFT_INT : INTR_TYPE_EXT);
	return 0;
}

/* What L1 intercepts of L2's CR0 or CR4: guest/host mask and read shadow. */
struct cr_intercept {
	unsigned long mask, shadow;
};

/*
 * A handler that was called with interrupts off (vcpu->at_once), and cannot complete its work so,
 * answers this: it is called again with interrupts on. What it has done until then must be right
 * even if it is done twice.
 */
#define EXIT_LATER 2

/*
 * The last translation of an operand of L1's that went well, at CPL 0 in long mode, and the registers
 * and entries that it depended on. While all of these are the same a new walk would give the same:
 * gva.c uses it then. CR0.WP is not among them, as for a write the entries themselves allow it.
 */
struct gva_hint {
	u64 page; /* linear */
	u64 gpa;  /* of the page */
	unsigned long cr3, cr4, ac;
	u64 efer;
	u8 maxphyaddr;
	struct mem_trail trail; /* .count 0: there is none */
};

struct vcpu {
	struct vm *vm;
	u32 id;	    /* as userspace names it; also the initial APIC id */
	u64 number; /* unique among all vCPUs that were ever made */
	int cpu;    /* where it is loaded, or -1; read by vcpu_kick() */
	struct mutex lock;
	struct kvm_run *run; /* page 0 of the mapping */
	void *pio_data;	     /* page 1 */
	struct preempt_notifier notifier;
	struct pid __rcu *pid; /* of the thread that ran it last */

	int mode; /* enum vcpu_mode; see vcpu_kick() */
	unsigned long requests;
	struct rcuwait wait; /* a halted vCPU sleeps here */
	unsigned int halt_poll_ns;

	struct vmcs vmcs01;
	struct vmcs *vmcs; /* the active one: &vmcs01, or vmcs02 while L2 is to run */
	bool in_l2;
	bool watched;	  /* by ABYME_SET_WATCH: nested_note_exit() and its kin are called */
	u16 vpid;	  /* 0: there was none left, and each entry flushes */
	u8 *msr_bitmap;	  /* of vmcs01; a page */
	void *virt_apic;  /* its virtual-APIC page, on which L1's LAPIC has its TPR */
	u8 tpr_threshold; /* what vmcs01 has as TPR threshold */
	struct host_saved host;

	unsigned long gpr[NR_GPRS];
	unsigned long rip, rflags, cr3;	    /* lazy copies */
	u32 lazy_avail, lazy_dirty;	    /* BIT(enum vcpu_lazy) */
	unsigned long cr0, cr4;		    /* what the guest that runs (L1 or L2) has, real bits */
	unsigned long cr0_owned, cr4_owned; /* bits the guest changes without an exit */
	struct cr_intercept cr0_l1, cr4_l1; /* while L2 runs; 0 while L1 does */
	unsigned long cr2;
	u64 efer;

	/* The exit being handled. */
	u32 exit_reason; /* the basic reason, and bit 31 for a failed entry */
	u32 intr_info;	 /* VM-exit interruption information; read for EXCEPTION_NMI only */
	u32 idt_vectoring;
	u64 exit_qual; /* read lazily: vcpu_exit_qual() */
	bool exit_qual_read;
	bool at_once; /* it is handled with interrupts off: see EXIT_LATER */

	struct vcpu_inject inject;
	u32 mp_state; /* KVM_MP_STATE_* */
	u32 sipi_vector;
	bool first_run_done;
	bool l2_by_user; /* userspace has set L2's registers since L1's VM entry */

	struct lapic *lapic; /* NULL: no in-kernel irqchip */
	u32 lapic_shares;    /* LAPIC_SHARES_*; if not 0, see lapic_share() */
	bool report_tpr;     /* KVM_TPR_ACCESS_REPORTING */
	struct vcpu_cpuid cpuid;
	struct vcpu_msrs msrs;
	struct vcpu_cet cet;
	struct vcpu_fpu fpu;
	struct vcpu_debug debug;
	struct vcpu_clock clock;
	struct vcpu_hyperv hyperv;
	struct ept_cache ept_cache;
	struct mem_cache mem_cache;
	struct dirty_ring dirty_ring;
	struct gva_hint gva_hint[2]; /* for a read, for a write */
	struct nested *nested;	     /* NULL: the vCPU's CPUID does not have VMX */
	struct mmio_op *mmio;	     /* the emulation that waits for userspace, or NULL */
	struct {
		unsigned long rip;
		u8 len;
	} user_msr; /* RDMSR or WRMSR that waits for userspace: where it is */
	/* Called at the next KVM_RUN to finish what an exit to userspace began. */
	int (*complete)(struct vcpu *vcpu);
	/*
	 * L2 physical to L1 physical, while L2 runs; else NULL.
	 * @linear: the address that is translated, if @access has EPTQ_LINEAR_VALID.
	 * @access: bits 2:0 and 11:7 of an EPT violation's exit qualification (EPTQ_*).
	 * With GPA_PEEK userspace asks: L1 is owed no exit, and nothing is changed.
	 * Return: 0; -EAGAIN: whoever emulates for L2 stops and answers 1, as L2 is
	 * to run into it again, or L1 is owed an exit (an EPT violation, say), which
	 * comes before L2's next entry; -EFAULT: it means nothing, for GPA_PEEK.
	 */
#define GPA_PEEK BIT(31)
	int (*gpa_translate)(struct vcpu *vcpu, u64 l2_gpa, u64 linear, u32 access, u64 *gpa);

	sigset_t sigset; /* during KVM_RUN, if .sigset_active: KVM_SET_SIGNAL_MASK */
	bool sigset_active;

	struct vcpu_stats stats;
};

/* Lifetime */
struct vcpu *vcpu_create(struct vm *vm, u32 id); /* or ERR_PTR */
void vcpu_free(struct vcpu *vcpu);
void vcpu_load(struct vcpu *vcpu); /* context: .lock held */
void vcpu_put(struct vcpu *vcpu);
/* The vCPU that the calling thread has loaded, or NULL. Interrupts' handlers have none. */
struct vcpu *vcpu_loaded(void);
void vcpu_reset(struct vcpu *vcpu, bool init); /* power-up, or INIT */
/* Makes @vmcs the active one of a loaded vCPU; lazy copies are written back and forgotten. */
void vcpu_switch_vmcs(struct vcpu *vcpu, struct vmcs *vmcs);

/*
 * Requests and kicks: any context but NMI. A request alone does not make a vCPU
 * look at once: vcpu_kick() does, to be called after it.
 */
static inline void vcpu_request(struct vcpu *vcpu, int req)
{
	smp_wmb(); /* what the request is about, before the request */
	set_bit(req, &vcpu->requests);
}

static inline bool vcpu_test_request(struct vcpu *vcpu, int req)
{
	return test_bit(req, &vcpu->requests);
}

/*
 * The request is cleared before what it is about is looked at: whoever changes
 * that later makes the request again.
 */
static inline bool vcpu_take_request(struct vcpu *vcpu, int req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic(); /* the request, before what it is about */
	return true;
}

void vcpu_kick(struct vcpu *vcpu); /* wake it, or have it leave the guest */

/* Registers that the VMCS holds; context: vCPU loaded */
static inline unsigned long vcpu_lazy_get(struct vcpu *vcpu, enum vcpu_lazy r, unsigned long field,
					  unsigned long *copy)
{
	if (!(vcpu->lazy_avail & (u32)BIT(r))) {
		*copy = vmread(field);
		vcpu->lazy_avail |= (u32)BIT(r);
	}
	return *copy;
}

/* Does not keep what it reads, for a value that is needed once. */
static __always_inline unsigned long vcpu_lazy_peek(const struct vcpu *vcpu, enum vcpu_lazy r,
						    unsigned long field, unsigned long copy)
{
	return vcpu->lazy_avail & (u32)BIT(r) ? copy : vmread(field);
}

static inline void vcpu_lazy_set(struct vcpu *vcpu, enum vcpu_lazy r, unsigned long *copy,
				 unsigned long value)
{
	*copy = value;
	vcpu->lazy_avail |= (u32)BIT(r);
	vcpu->lazy_dirty |= (u32)BIT(r);
}

/* Does what vcpu_lazy_set() does, and writes the VMCS at once, as handlers do that go on soon. */
static __always_inline void vcpu_write_now(struct vcpu *vcpu, enum vcpu_lazy r, unsigned long field,
					   unsigned long *copy, unsigned long value)
{
	*copy = value;
	vcpu->lazy_avail |= (u32)BIT(r);
	vmwrite(field, value);
}

static inline unsigned long vcpu_rip(struct vcpu *vcpu)
{
	return vcpu_lazy_get(vcpu, LAZY_RIP, VMCS_GUEST_RIP, &vcpu->rip);
}

static inline void vcpu_set_rip(struct vcpu *vcpu, unsigned long rip)
{
	vcpu_lazy_set(vcpu, LAZY_RIP, &vcpu->rip, rip);
}

static inline unsigned long vcpu_rflags(struct vcpu *vcpu)
{
	return vcpu_lazy_get(vcpu, LAZY_RFLAGS, VMCS_GUEST_RFLAGS, &vcpu->rflags);
}

static inline void vcpu_set_rflags(struct vcpu *vcpu, unsigned long rflags)
{
	vcpu_lazy_set(vcpu, LAZY_RFLAGS, &vcpu->rflags, rflags);
}

static inline unsigned long vcpu_cr3(struct vcpu *vcpu)
{
	return vcpu_lazy_get(vcpu, LAZY_CR3, VMCS_GUEST_CR3, &vcpu->cr3);
}

static inline void vcpu_set_cr3(struct vcpu *vcpu, unsigned long cr3)
{
	vcpu_lazy_set(vcpu, LAZY_CR3, &vcpu->cr3, cr3);
}

static inline unsigned long vcpu_gpr(struct vcpu *vcpu, enum gpr r)
{
	if (r == GPR_RSP)
		return vcpu_lazy_get(vcpu, LAZY_RSP, VMCS_GUEST_RSP, &vcpu->gpr[GPR_RSP]);
	return vcpu->gpr[r];
}

static inline void vcpu_set_gpr(struct vcpu *vcpu, enum gpr r, unsigned long value)
{
	if (r == GPR_RSP)
		vcpu_lazy_set(vcpu, LAZY_RSP, &vcpu->gpr[GPR_RSP], value);
	else
		vcpu->gpr[r] = value;
}

/* Writes the changed lazy copies to the current VMCS. */
void vcpu_lazy_write(struct vcpu *vcpu);

static inline void vcpu_lazy_flush(struct vcpu *vcpu)
{
	if (unlikely(vcpu->lazy_dirty))
		vcpu_lazy_write(vcpu);
}

/* Forgets all lazy copies, changed or not: the VMCS has newer values. */
static inline void vcpu_lazy_forget(struct vcpu *vcpu)
{
	vcpu->lazy_avail = 0;
	vcpu->lazy_dirty = 0;
}

/* EDX:EAX */
static inline u64 vcpu_edx_eax(struct vcpu *vcpu)
{
	return (u32)vcpu->gpr[GPR_RAX] | (u64)(u32)vcpu->gpr[GPR_RDX] << 32;
}

static inline void vcpu_set_edx_eax(struct vcpu *vcpu, u64 value)
{
	vcpu->gpr[GPR_RAX] = (u32)value;
	vcpu->gpr[GPR_RDX] = value >> 32;
}

static inline u64 vcpu_exit_qual(struct vcpu *vcpu)
{
	if (!vcpu->exit_qual_read) {
		vcpu->exit_qual = vmread(VMCS_EXIT_QUAL);
		vcpu->exit_qual_read = true;
	}
	return vcpu->exit_qual;
}

static inline bool vcpu_long_mode(const struct vcpu *vcpu)
{
	return vcpu->efer & EFER_BIT_LMA;
}

/* CR0 and CR4 as the guest sees them: owned bits are read from the VMCS. */
unsigned long vcpu_cr0(struct vcpu *vcpu);
unsigned long vcpu_cr4(struct vcpu *vcpu);
int vcpu_cpl(struct vcpu *vcpu);

/* CPUID faulting: does a program run to which the guest's kernel has forbidden CPUID? */
static inline bool cpuid_faults(struct vcpu *vcpu)
{
	return unlikely(vcpu->msrs.misc_features) && vcpu_cpl(vcpu);
}

bool vcpu_64bit(struct vcpu *vcpu); /* vcpu_long_mode() and CS.L */
void vcpu_get_segment(struct vcpu *vcpu, enum segreg seg, struct kvm_segment *out);
void vcpu_set_segment(struct vcpu *vcpu, enum segreg seg, const struct kvm_segment *in);

/* Ends the shadow of STI or MOV SS in the current VMCS. Return: was there one? */
static inline bool vcpu_end_shadow(void)
{
	u32 block = vmread(VMCS_GUEST_INTERRUPTIBILITY), shadow = IRQBLK_STI | IRQBLK_MOV_SS;

	if (block & shadow)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, block & ~shadow);
	return block & shadow;
}

/*
 * Moves past the instruction that exited: RIP, the shadow of STI or MOV SS, RF,
 * and the trap of TF, which the processor raises at the entry. Whatever
 * emulates an instruction ends with it. Return: 1, as handlers do to have the
 * guest go on.
 */
int vcpu_skip_insn(struct vcpu *vcpu);
/*
 * Does what vcpu_skip_insn() does, for an instruction of @len bytes: the emulator's exits do not
 * give the length. With 0 an iteration of a REP is complete, and others follow.
 */
int vcpu_skip_bytes(struct vcpu *vcpu, unsigned int len);
/* Does what vcpu_skip_insn() does, for a jump or call to @rip. */
int vcpu_jump(struct vcpu *vcpu, unsigned long rip);

#endif
