// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of a vCPU, as userspace gets and sets them: by ioctls, and in
 * kvm_run (KVM_CAP_SYNC_REGS).
 *
 * What a reader must know: while L2 runs these are L2's registers, as on KVM.
 * .l2_by_user notes that userspace has set some, which have passed no check.
 *
 * Context: vCPU locked and loaded.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <vmx/info.h>

#include "api/ioctl.h"
#include "api/vcpu_state.h"
#include "cpu/cet.h"
#include "cpu/inject.h"
#include "cpu/msrs.h"
#include "cpu/regs.h"
#include "cpu/segments.h"
#include "cpu/vcpu.h"
#include "emulate/gva.h"
#include "nested/nested.h"
#include "pc/irqchip.h"

/* --- KVM_GET_REGS, KVM_SET_REGS ----------------------------------------- */

/*
 * .gpr[] has what entry.S saves at an exit. RSP, RIP and RFLAGS the processor
 * saves in the VMCS, L1's or L2's, whichever runs.
 */
static void regs_get(struct vcpu *vcpu, struct kvm_regs *out)
{
	const unsigned long *gpr = vcpu->gpr;

	*out = (struct kvm_regs){
		.rax = gpr[GPR_RAX],
		.rbx = gpr[GPR_RBX],
		.rcx = gpr[GPR_RCX],
		.rdx = gpr[GPR_RDX],
		.rsi = gpr[GPR_RSI],
		.rdi = gpr[GPR_RDI],
		.rsp = vcpu_gpr(vcpu, GPR_RSP),
		.rbp = gpr[GPR_RBP],
		.r8 = gpr[GPR_R8],
		.r9 = gpr[GPR_R9],
		.r10 = gpr[GPR_R10],
		.r11 = gpr[GPR_R11],
		.r12 = gpr[GPR_R12],
		.r13 = gpr[GPR_R13],
		.r14 = gpr[GPR_R14],
		.r15 = gpr[GPR_R15],
		.rip = vcpu_rip(vcpu),
		.rflags = debug_visible_rflags(vcpu),
	};
}

/* Cannot fail. Bit 1 of RFLAGS is set whatever userspace says, as an entry without it fails. */
static void regs_put(struct vcpu *vcpu, const struct kvm_regs *in)
{
	unsigned long *gpr = vcpu->gpr;

	vcpu->l2_by_user |= vcpu->in_l2;
	gpr[GPR_RAX] = in->rax;
	gpr[GPR_RBX] = in->rbx;
	gpr[GPR_RCX] = in->rcx;
	gpr[GPR_RDX] = in->rdx;
	gpr[GPR_RSI] = in->rsi;
	gpr[GPR_RDI] = in->rdi;
	gpr[GPR_RBP] = in->rbp;
	gpr[GPR_R8] = in->r8;
	gpr[GPR_R9] = in->r9;
	gpr[GPR_R10] = in->r10;
	gpr[GPR_R11] = in->r11;
	gpr[GPR_R12] = in->r12;
	gpr[GPR_R13] = in->r13;
	gpr[GPR_R14] = in->r14;
	gpr[GPR_R15] = in->r15;
	vcpu_set_gpr(vcpu, GPR_RSP, in->rsp);
	vcpu_set_rip(vcpu, in->rip);
	debug_set_rflags(vcpu, in->rflags | X86_EFLAGS_FIXED);
	/* An exception that waited belonged to the state that is replaced. */
	vcpu->inject.exception.pending = false;
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_end_hlt(vcpu);
}

static long vcpu_get_regs(struct vcpu *vcpu, void *data)
{
	regs_get(vcpu, data);
	return 0;
}

static long vcpu_set_regs(struct vcpu *vcpu, void *data)
{
	regs_put(vcpu, data);
	return 0;
}

/* --- KVM_GET_SREGS, KVM_SET_SREGS, and the second version --------------- */

/* struct kvm_sregs2 begins as struct kvm_sregs does, up to .apic_base. */
static_assert(offsetof(struct kvm_sregs, apic_base) == offsetof(struct kvm_sregs2, apic_base));

/* Both versions, without the first one's queued interrupt and the second one's PDPTEs. */
static void sregs_get_common(struct vcpu *vcpu, struct kvm_sregs2 *out)
{
	memset(out, 0, sizeof(*out));
	vcpu_get_segment(vcpu, SEG_CS, &out->cs);
	vcpu_get_segment(vcpu, SEG_DS, &out->ds);
	vcpu_get_segment(vcpu, SEG_ES, &out->es);
	vcpu_get_segment(vcpu, SEG_FS, &out->fs);
	vcpu_get_segment(vcpu, SEG_GS, &out->gs);
	vcpu_get_segment(vcpu, SEG_SS, &out->ss);
	vcpu_get_segment(vcpu, SEG_TR, &out->tr);
	vcpu_get_segment(vcpu, SEG_LDTR, &out->ldt);
	segments_get_gdtr(&out->gdt);
	segments_get_idtr(&out->idt);
	out->cr0 = vcpu_cr0(vcpu);
	out->cr2 = vcpu->cr2;
	out->cr3 = vcpu_cr3(vcpu);
	out->cr4 = vcpu_cr4(vcpu);
	/* Without a LAPIC in the kernel userspace has the TPR, and tells it by kvm_run. */
	out->cr8 = vcpu->lapic ? lapic_get_tpr(vcpu) : vcpu->run->cr8;
	out->efer = vcpu->efer;
	out->apic_base = vcpu->msrs.apic_base;
}

/*
 * Could the processor be in this state? Of the segments only CS.L is looked at, which
 * decides with EFER.LMA which mode it is.
 */
static bool sregs_ok(struct vcpu *vcpu, const struct kvm_sregs2 *in)
{
	struct cr_state s = {
		.cr0 = in->cr0,
		.cr3 = in->cr3,
		.cr4 = in->cr4,
		.efer = in->efer,
		.cs_l = in->cs.l,
		.cr4_reserved = vcpu->cpuid.cr4_reserved,
		.efer_reserved = vcpu->cpuid.efer_reserved,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
	};

	if (!cr_state_ok(&s) || in->cr8 > 15)
		return false;
	if (in->apic_base != vcpu->msrs.apic_base && !lapic_base_ok(vcpu, in->apic_base, true))
		return false;
	/* VMX operation has bits of its own that must be 1. */
	return nested_cr0_valid(vcpu, in->cr0) && nested_cr4_valid(vcpu, in->cr4);
}

/* Comes before the control registers: setting these changes TR if long mode demands it. */
static void sregs_set_segments(struct vcpu *vcpu, const struct kvm_sregs2 *in)
{
	vcpu_set_segment(vcpu, SEG_CS, &in->cs);
	vcpu_set_segment(vcpu, SEG_DS, &in->ds);
	vcpu_set_segment(vcpu, SEG_ES, &in->es);
	vcpu_set_segment(vcpu, SEG_FS, &in->fs);
	vcpu_set_segment(vcpu, SEG_GS, &in->gs);
	vcpu_set_segment(vcpu, SEG_SS, &in->ss);
	vcpu_set_segment(vcpu, SEG_TR, &in->tr);
	vcpu_set_segment(vcpu, SEG_LDTR, &in->ldt);
	segments_set_gdtr(&in->gdt);
	segments_set_idtr(&in->idt);
}

/* Some clients that reset a sleeping machine rely on KVM_SET_SREGS to wake the first CPU. */
static void wake_at_reset_vector(struct vcpu *vcpu, const struct kvm_sregs2 *in)
{
	if (vcpu->id == vcpu->vm->bsp_id && vcpu_rip(vcpu) == 0xfff0 && in->cs.selector == 0xf000 &&
	    in->cs.base == 0xffff0000 && !(in->cr0 & CR0_PE))
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

/* Everything is judged before anything is set. */
static int sregs_set_common(struct vcpu *vcpu, const struct kvm_sregs2 *in)
{
	if (!sregs_ok(vcpu, in))
		return -EINVAL;
	if (in->apic_base != vcpu->msrs.apic_base)
		lapic_set_base(vcpu, in->apic_base, true);
	vcpu->l2_by_user |= vcpu->in_l2;
	sregs_set_segments(vcpu, in);
	vcpu->cr2 = in->cr2;
	vcpu_set_cr3(vcpu, in->cr3);
	if (vcpu->lapic)
		lapic_set_tpr(vcpu, in->cr8);
	else
		vcpu->run->cr8 = in->cr8;
	/* CR0 last: LMA, and what the entry controls say of it, follows from the other two. */
	regs_set_cr4(vcpu, in->cr4);
	regs_set_efer(vcpu, in->efer);
	regs_set_cr0(vcpu, in->cr0);
	wake_at_reset_vector(vcpu, in);
	/* The guest does not flush translations of the old CR3 and CR4, as it has not written them. */
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static bool sregs_pae(const struct kvm_sregs2 *in)
{
	return pae_paging(in->cr0, in->cr4, in->efer);
}

/* The first version also has the interrupt in delivery, as a bitmap of vectors. */
static void sregs_get(struct vcpu *vcpu, struct kvm_sregs *out)
{
	int irq = inject_irq_vector(vcpu, nested_state_has_irq(vcpu));
	struct kvm_sregs2 common;

	sregs_get_common(vcpu, &common);
	memcpy(out, &common, offsetofend(struct kvm_sregs, apic_base));
	memset(out->interrupt_bitmap, 0, sizeof(out->interrupt_bitmap));
	if (irq >= 0)
		out->interrupt_bitmap[irq / 64] |= BIT_ULL(irq % 64);
}

/* At most one interrupt can be in delivery: if several are set the lowest counts, as on KVM. */
static void set_injected_irq(struct vcpu *vcpu, const struct kvm_sregs *in)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(in->interrupt_bitmap); i++) {
		if (!in->interrupt_bitmap[i])
			continue;
		inject_set_irq_vector(vcpu, i * 64 + __ffs(in->interrupt_bitmap[i]), false,
				      nested_state_has_irq(vcpu));
		return;
	}
}

/* PDPTEs that cannot be read are no error: the guest faults when it uses them. */
static void load_pdptes(struct vcpu *vcpu, u64 cr3)
{
	regs_load_pdptes(vcpu, cr3, GPA_PEEK);
}

/* The part that both versions have; the second's own is 0. */
static struct kvm_sregs2 sregs_common(const struct kvm_sregs *in)
{
	struct kvm_sregs2 common = {};

	memcpy(&common, in, offsetofend(struct kvm_sregs, apic_base));
	return common;
}

/* 0; -EINVAL: nothing was set. */
static int sregs_set(struct vcpu *vcpu, const struct kvm_sregs *in)
{
	struct kvm_sregs2 common = sregs_common(in);
	int r;

	r = sregs_set_common(vcpu, &common);
	if (r)
		return r;
	if (sregs_pae(&common))
		load_pdptes(vcpu, in->cr3);
	set_injected_irq(vcpu, in);
	return 0;
}

static long vcpu_get_sregs(struct vcpu *vcpu, void *data)
{
	sregs_get(vcpu, data);
	return 0;
}

static long vcpu_set_sregs(struct vcpu *vcpu, void *data)
{
	return sregs_set(vcpu, data);
}

/* KVM_GET_SREGS2: with the PDPTEs as the processor has loaded them, not as memory has them now. */
static long vcpu_get_sregs2(struct vcpu *vcpu, void *data)
{
	struct kvm_sregs2 *sregs = data;
	int i;

	sregs_get_common(vcpu, sregs);
	if (sregs_pae(sregs)) {
		for (i = 0; i < 4; i++)
			sregs->pdptrs[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
		sregs->flags |= KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return 0;
}

/* KVM_SET_SREGS2. -EINVAL: as KVM_SET_SREGS; unknown flags; PDPTEs without PAE paging. */
static long vcpu_set_sregs2(struct vcpu *vcpu, void *data)
{
	const struct kvm_sregs2 *sregs = data;
	bool given;
	int i, r;

	given = sregs->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	if ((sregs->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID) || (given && !sregs_pae(sregs)))
		return -EINVAL;
	r = sregs_set_common(vcpu, sregs);
	if (r)
		return r;
	if (given)
		for (i = 0; i < 4; i++)
			vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, sregs->pdptrs[i]);
	else if (sregs_pae(sregs))
		load_pdptes(vcpu, sregs->cr3);
	return 0;
}

/* --- debug registers and debuggers -------------------------------------- */

/* KVM_GET_DEBUGREGS: the guest's own, also while a debugger's are in force. No errors. */
static long vcpu_get_debugregs(struct vcpu *vcpu, void *data)
{
	struct kvm_debugregs *regs = data;

	regs->dr6 = vcpu->debug.dr6;
	regs->dr7 = vcpu->debug.dr7;
	memcpy(regs->db, vcpu->debug.db, sizeof(regs->db));
	return 0;
}

/* KVM_SET_DEBUGREGS. -EINVAL: flags, or bits 63:32 of DR6 or DR7. */
static long vcpu_set_debugregs(struct vcpu *vcpu, void *data)
{
	const struct kvm_debugregs *regs = data;

	if (regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->debug.db, regs->db, sizeof(regs->db));
	debug_set_dr(vcpu, 6, regs->dr6);
	debug_set_dr(vcpu, 7, regs->dr7);
	return 0;
}

/* KVM_SET_GUEST_DEBUG. -EBUSY: an exception is to be injected while another one is on its way. */
static long vcpu_set_guest_debug(struct vcpu *vcpu, void *data)
{
	const struct kvm_guest_debug *dbg = data;

	if ((dbg->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) &&
	    (vcpu->inject.exception.pending || vcpu->inject.exception.injected))
		return -EBUSY;
	debug_set_guest_debug(vcpu, dbg);
	if (dbg->control & KVM_GUESTDBG_INJECT_DB)
		inject_exception(vcpu, VEC_DB);
	else if (dbg->control & KVM_GUESTDBG_INJECT_BP)
		inject_exception(vcpu, VEC_BP);
	return 0;
}

/*
 * KVM_TRANSLATE: walks the guest's page tables, leaving their A and D bits alone. An address
 * that leads nowhere is no error: .valid is 0 then. Whether it can be written is not looked at.
 */
static long vcpu_translate(struct vcpu *vcpu, void *data)
{
	const struct access access = { .peek = true }; /* supervisor's data read */
	struct kvm_translation *tr = data;
	struct x86_fault fault;
	u64 gpa;

	tr->valid = !gva_translate(vcpu, tr->linear_address, &access, &gpa, &fault);
	tr->physical_address = tr->valid ? gpa : ~0ull;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}

/* --- one register ------------------------------------------------------- */

/* KVM's ids of registers, which only headers since Linux 6.18 name. */
#define REG_MSR (KVM_REG_X86 | KVM_REG_SIZE_U64 | 2ull << 32) /* and the MSR's index */
#define REG_SSP (KVM_REG_X86 | KVM_REG_SIZE_U64 | 3ull << 32)

/* MSRs, and SSP, which only these requests have, for a guest with shadow stacks. 0, -EINVAL. */
static int one_reg_read(struct vcpu *vcpu, u64 id, u64 *value)
{
	if (upper_32_bits(id) == upper_32_bits(REG_MSR))
		return msr_read(vcpu, id, true, value) ? -EINVAL : 0;
	if (id != REG_SSP || !vcpu->cpuid.shadow_stacks)
		return -EINVAL;
	*value = cet_get_ssp();
	return 0;
}

static int one_reg_write(struct vcpu *vcpu, u64 id, u64 value)
{
	if (upper_32_bits(id) == upper_32_bits(REG_MSR))
		return vcpu_msr_set(vcpu, id, value) ? -EINVAL : 0;
	if (id != REG_SSP || !vcpu->cpuid.shadow_stacks)
		return -EINVAL;
	return cet_set_ssp(vcpu, value);
}

/* KVM_GET_ONE_REG. -EFAULT; -EINVAL: there is no such register. */
static long vcpu_get_one_reg(struct vcpu *vcpu, void *data)
{
	const struct kvm_one_reg *reg = data;
	u64 value;
	int r;

	r = one_reg_read(vcpu, reg->id, &value);
	if (r)
		return r;
	return put_user(value, (u64 __user *)u64_to_user_ptr(reg->addr));
}

/* KVM_SET_ONE_REG. -EFAULT; -EINVAL: no such register, or it cannot hold the value. */
static long vcpu_set_one_reg(struct vcpu *vcpu, void *data)
{
	const struct kvm_one_reg *reg = data;
	u64 value;

	if (get_user(value, (u64 __user *)u64_to_user_ptr(reg->addr)))
		return -EFAULT;
	return one_reg_write(vcpu, reg->id, value);
}

/* KVM_GET_REG_LIST: those that are no MSRs. -EFAULT; -E2BIG with .n set: too little room. */
static long vcpu_get_reg_list(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_reg_list __user *user = (void __user *)arg;
	u64 room, count = vcpu->cpuid.shadow_stacks;

	if (get_user(room, &user->n) || put_user(count, &user->n))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return count ? put_user(REG_SSP, &user->reg[0]) : 0;
}

/* --- the table ---------------------------------------------------------- */

const struct ioctl_row regs_vcpu_ioctls[] = {
	IOCTL(vcpu, KVM_GET_REGS, vcpu_get_regs),
	IOCTL(vcpu, KVM_SET_REGS, vcpu_set_regs),
	IOCTL(vcpu, KVM_GET_SREGS, vcpu_get_sregs),
	IOCTL(vcpu, KVM_SET_SREGS, vcpu_set_sregs),
	IOCTL(vcpu, KVM_GET_SREGS2, vcpu_get_sregs2),
	IOCTL(vcpu, KVM_SET_SREGS2, vcpu_set_sregs2),
	IOCTL(vcpu, KVM_GET_DEBUGREGS, vcpu_get_debugregs),
	IOCTL(vcpu, KVM_SET_DEBUGREGS, vcpu_set_debugregs),
	IOCTL(vcpu, KVM_SET_GUEST_DEBUG, vcpu_set_guest_debug),
	IOCTL(vcpu, KVM_TRANSLATE, vcpu_translate),
	IOCTL(vcpu, KVM_GET_ONE_REG, vcpu_get_one_reg),
	IOCTL(vcpu, KVM_SET_ONE_REG, vcpu_set_one_reg),
	IOCTL_ARG(vcpu, KVM_GET_REG_LIST, vcpu_get_reg_list),
	{},
};

/* --- registers in kvm_run ----------------------------------------------- */

/*
 * Takes the registers from kvm_run, all of them or none: what is wrong is found
 * before anything changes. Another thread may write kvm_run meanwhile, so that
 * it is copied before it is looked at.
 */
static int take_dirty(struct vcpu *vcpu, u64 dirty)
{
	struct kvm_sync_regs sync = vcpu->run->s.regs;
	struct kvm_sregs2 common = sregs_common(&sync.sregs);

	if ((dirty & KVM_SYNC_X86_SREGS) && !sregs_ok(vcpu, &common))
		return -EINVAL;
	if ((dirty & KVM_SYNC_X86_EVENTS) && !events_ok(vcpu, &sync.events))
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS)
		regs_put(vcpu, &sync.regs);
	if (dirty & KVM_SYNC_X86_SREGS)
		sregs_set(vcpu, &sync.sregs);
	if (dirty & KVM_SYNC_X86_EVENTS)
		events_set(vcpu, &sync.events);
	vcpu->run->kvm_dirty_regs = 0;
	return 0;
}

int state_from_run(struct vcpu *vcpu)
{
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);

	if (likely(!dirty && !valid))
		return 0;
	if ((dirty | valid) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	return take_dirty(vcpu, dirty);
}

void state_to_run(struct vcpu *vcpu)
{
	struct kvm_sync_regs *sync = &vcpu->run->s.regs;
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);

	/* INIT and SIPI change the other registers, too. */
	if (valid & KVM_SYNC_X86_EVENTS)
		events_settle(vcpu);
	if (valid & KVM_SYNC_X86_REGS)
		regs_get(vcpu, &sync->regs);
	if (valid & KVM_SYNC_X86_SREGS)
		sregs_get(vcpu, &sync->sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		events_get(vcpu, &sync->events);
}
