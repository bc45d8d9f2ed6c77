// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VMX instructions. Each handler decides on an outcome; vmx_finish() alone
 * writes RFLAGS and the VM-instruction error.
 * Tour, stop 8. The dispatch table in exit.c names the handlers, for L1 and for
 * what L2 may do without L1.
 *
 * What a reader must know: checks come in the SDM's order: #UD, privilege,
 * operand, then VMfail. The rules for VMfail are the rows of check/insns.def;
 * here is what the instructions do if they pass.
 * SDM: "VMX Instruction Reference", whose "Conventions" define VMfail.
 */
#include <asm/processor-flags.h>

#include "cpu/inject.h"
#include "cpu/regs.h"
#include "emulate/gva.h"
#include "hw/caps.h"
#include "nested/check/insn.h"
#include "nested/internal.h"

/* --- outcomes ----------------------------------------------------------- */

/* How an instruction ends. SDM: "Conventions" of the VMX instructions. */
enum vmx_outcome_kind {
	VMX_SUCCEED,
	VMX_FAIL, /* VMfailValid with .value, or VMfailInvalid without a current VMCS */
	VMX_FAIL_INVALID,
	VMX_LEFT, /* RIP and RFLAGS stay; .value is the exit handler's answer */
};

struct vmx_outcome {
	enum vmx_outcome_kind kind;
	int value;
	const struct check *check; /* the rule that was broken, or NULL */
	u64 shown;		   /* the value that the report shows with .check */
};

#define FLAGS_ARITH                                                                      \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | \
	 X86_EFLAGS_OF)

static struct vmx_outcome vmx_outcome_of(enum vmx_outcome_kind kind, int value)
{
	return (struct vmx_outcome){ .kind = kind, .value = value };
}

#define SUCCEED vmx_outcome_of(VMX_SUCCEED, 0)
/* A fault was raised, or L1 was given an exit: RIP stays. */
#define LEFT vmx_outcome_of(VMX_LEFT, 1)
/* The instruction must be executed with interrupts on: nothing has been done, and RIP stays. */
#define LATER vmx_outcome_of(VMX_LEFT, EXIT_LATER)

/* What the rows of check/insns.def look at, but for the operand, which the caller adds. */
static struct insn_ctx insn_ctx(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	return (struct insn_ctx){
		.caps = &n->caps,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.la57 = hw_has_la57(),
		.vmxon_ptr = n->vmxon_ptr,
		.vmcs12_ptr = n->vmcs12_ptr,
	};
}

static struct vmx_outcome vmx_broken(const struct check *failed, const struct insn_ctx *c)
{
	return (struct vmx_outcome){
		.kind = failed->error ? VMX_FAIL : VMX_FAIL_INVALID,
		.value = failed->error,
		.check = failed,
		.shown = c->shown,
	};
}

/* The outcome of an instruction for which passing its rules is all there is to do. */
static struct vmx_outcome vmx_checked(enum vmx_exit insn, struct insn_ctx *c)
{
	const struct check *failed = check_insn(insn, c);

	return failed ? vmx_broken(failed, c) : SUCCEED;
}

/* The outcome of an operand that cannot be accessed. @r: what gva_*() answered, not 0. */
static struct vmx_outcome outcome_of_gva(struct vcpu *vcpu, int r, const struct x86_fault *fault)
{
	switch (r) {
	case -EFAULT: fault_inject(vcpu, fault); return LEFT;
	case -EAGAIN: /* L1 executes it once more */
	case -EINTR: return LEFT;
	default: return vmx_outcome_of(VMX_LEFT, r); /* EXIT_LATER, too */
	}
}

/* VMfail without a current VMCS is VMfailInvalid. */
static unsigned long flag_of(const struct nested *n, const struct vmx_outcome *o)
{
	bool invalid = o->kind == VMX_FAIL_INVALID || n->vmcs12_ptr == NO_GPA;

	return invalid ? X86_EFLAGS_CF : X86_EFLAGS_ZF;
}

static void report_failure(struct vcpu *vcpu, const struct vmx_outcome *o)
{
	bool valid = o->kind == VMX_FAIL && vcpu->nested->vmcs12_ptr != NO_GPA;

	report_add(vcpu,
		   (struct report){ .outcome = valid ? ABYME_VMFAIL_VALID : ABYME_VMFAIL_INVALID,
				    .instruction = vcpu->exit_reason,
				    .error = o->value,
				    .rip = vcpu_rip(vcpu),
				    .check = o->check,
				    .value = o->shown });
}

/* Moves on, with one arithmetic flag set or none. */
static int insn_ends(struct vcpu *vcpu, unsigned long flag)
{
	unsigned long flags = (vcpu_rflags(vcpu) & ~FLAGS_ARITH) | flag;

	vcpu->stats.vmx_insns++;
	if (flags != vcpu_rflags(vcpu)) /* spares a VMWRITE */
		vcpu_write_now(vcpu, LAZY_RFLAGS, VMCS_GUEST_RFLAGS, &vcpu->rflags, flags);
	if (unlikely(!vcpu->nested->shadow_on))
		shadow_resume(vcpu);
	return vcpu_skip_insn(vcpu);
}

static noinline int insn_failed(struct vcpu *vcpu, const struct vmx_outcome *o)
{
	struct nested *n = vcpu->nested;

	if (o->kind == VMX_LEFT) {
		vcpu->stats.vmx_insns += o->value != EXIT_LATER;
		return o->value;
	}
	report_failure(vcpu, o);
	if (o->kind == VMX_FAIL && n->vmcs12_ptr != NO_GPA)
		n->v->insn_error = o->value;
	return insn_ends(vcpu, flag_of(n, o));
}

/* Ends an instruction: the only place that writes its result. */
static __always_inline int vmx_finish(struct vcpu *vcpu, struct vmx_outcome o)
{
	return likely(o.kind == VMX_SUCCEED) ? insn_ends(vcpu, 0) : insn_failed(vcpu, &o);
}

/* --- checks and operands that all have in common ------------------------ */

/*
 * Raises #UD and #GP, as every VMX instruction but VMXON does. In real-address, virtual-8086 and
 * compatibility mode the processor itself raises #UD instead of the exit, but for VMCALL: so in
 * long mode the code is one of 64 bits. Return: true: it may go on.
 */
static __always_inline bool vmx_permitted(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (unlikely(!n || !vcpu->cpuid.vmx || !n->vmxon)) {
		inject_ud(vcpu);
		return false;
	}
	if (unlikely(vmread(VMCS_GUEST_SS_AR) & AR_DPL)) {
		inject_gp(vcpu);
		return false;
	}
	return true;
}

static int read_operand(struct vcpu *vcpu, void *buf, u32 size, struct x86_fault *fault)
{
	u64 linear;
	int r;

	if (vcpu->at_once)
		return size == 8 ? gva_read_again(vcpu, buf) : EXIT_LATER;
	r = gva_operand(vcpu, vcpu_exit_qual(vcpu), vmread(VMCS_EXIT_INSN_INFO), size, false,
			&linear, fault);
	return r ? r : gva_read_bus(vcpu, linear, buf, size, fault);
}

static int write_operand(struct vcpu *vcpu, const void *buf, u32 size, struct x86_fault *fault)
{
	u64 linear;
	int r;

	if (vcpu->at_once)
		return size == 8 ? gva_write_again(vcpu, *(const u64 *)buf) : EXIT_LATER;
	r = gva_operand(vcpu, vcpu_exit_qual(vcpu), vmread(VMCS_EXIT_INSN_INFO), size, true,
			&linear, fault);
	return r ? r : gva_write_bus(vcpu, linear, buf, size, fault);
}

/* Register operands are 32 bits wide outside 64-bit mode. */
static u64 reg_read(struct vcpu *vcpu, enum gpr r)
{
	u64 value = vcpu_gpr(vcpu, r);

	return vcpu_long_mode(vcpu) ? value : (u32)value;
}

static void reg_write(struct vcpu *vcpu, enum gpr r, u64 value)
{
	vcpu_set_gpr(vcpu, r, vcpu_long_mode(vcpu) ? value : (u32)value);
}

/* --- VMXON, VMXOFF ------------------------------------------------------ */

static bool vmxon_allowed_by_cr(struct vcpu *vcpu)
{
	const struct vmx_caps *caps = &vcpu->nested->caps;
	u64 cr0 = vcpu_cr0(vcpu), cr4 = vcpu_cr4(vcpu);

	return (cr0 & caps->cr0_fixed0) == caps->cr0_fixed0 && !(cr0 & ~caps->cr0_fixed1) &&
	       (cr4 & caps->cr4_fixed0) == caps->cr4_fixed0 && !(cr4 & ~caps->cr4_fixed1);
}

/* Raises #UD or #GP as VMXON does. If L1 is in VMX operation already, do_vmxon() fails it. */
static bool vmxon_permitted(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 want = FEATCTL_LOCKED | FEATCTL_VMX;

	if (!n || !vcpu->cpuid.vmx || !(vcpu_cr4(vcpu) & CR4_VMXE)) {
		inject_ud(vcpu);
		return false;
	}
	if (vcpu_cpl(vcpu) ||
	    (!n->vmxon && (!vmxon_allowed_by_cr(vcpu) || (n->feature_control & want) != want))) {
		inject_gp(vcpu);
		return false;
	}
	return true;
}

/* Everything that fails comes before anything is allocated or changed. */
static struct vmx_outcome do_vmxon(struct vcpu *vcpu, u64 pa)
{
	struct insn_ctx c = insn_ctx(vcpu);
	struct vmx_outcome o;
	int r;

	c.pa = pa;
	if (mem_read(vcpu->vm, pa, &c.revision, sizeof(c.revision)))
		c.revision = ~0u;
	o = vmx_checked(EXIT_VMXON, &c);
	if (o.kind != VMX_SUCCEED)
		return o;
	r = nested_prepare(vcpu);
	if (r)
		return vmx_outcome_of(VMX_LEFT, r);
	nested_begin(vcpu, pa);
	return SUCCEED;
}

int vmx_vmxon(struct vcpu *vcpu)
{
	struct x86_fault fault;
	u64 pa;
	int r;

	if (!vmxon_permitted(vcpu))
		return 1;
	if (vcpu->nested->vmxon) {
		struct insn_ctx c = insn_ctx(vcpu);

		return vmx_finish(vcpu, vmx_checked(EXIT_VMXON, &c));
	}
	r = read_operand(vcpu, &pa, sizeof(pa), &fault);
	return vmx_finish(vcpu, r ? outcome_of_gva(vcpu, r, &fault) : do_vmxon(vcpu, pa));
}

int vmx_vmxoff(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!vmx_permitted(vcpu))
		return 1;
	/* L0 has held the data of active VMCSs until now, and writes it back to L1's memory. */
	vmcs12_release_all(vcpu);
	n->vmxon = false;
	n->vmxon_ptr = NO_GPA;
	return vmx_finish(vcpu, SUCCEED);
}

/* --- VMCLEAR, VMPTRLD, VMPTRST ------------------------------------------ */

static struct vmx_outcome do_vmclear(struct vcpu *vcpu, u64 pa)
{
	struct insn_ctx c = insn_ctx(vcpu);
	struct vmx_outcome o;

	c.pa = pa;
	o = vmx_checked(EXIT_VMCLEAR, &c);
	if (o.kind != VMX_SUCCEED)
		return o;
	return vmcs12_clear(vcpu, pa) ? SUCCEED : LATER;
}

/*
 * Reads the first word of the region that VMPTRLD names, which is all ones where there is no
 * memory. Return: false: that must be done with interrupts on.
 */
static bool read_revision(struct vcpu *vcpu, u64 pa, u32 *revision)
{
	u64 word = ~0ULL;

	pa &= ~7ULL; /* an address that is not aligned to 4 KiB fails by a rule, later */
	if (vcpu->at_once && !mem_read_at_hand(vcpu, pa, &word))
		return false;
	if (!vcpu->at_once && mem_read_entry(vcpu, pa, &word))
		word = ~0ULL;
	*revision = word;
	return true;
}

static struct vmx_outcome do_vmptrld(struct vcpu *vcpu, u64 pa)
{
	struct vmx_outcome o;
	struct insn_ctx c;
	u32 revision;

	if (!read_revision(vcpu, pa, &revision))
		return LATER;
	/* A VMCS that is loaded, and whose revision is the same, has passed the rules before. */
	if (vmcs12_is_loaded(vcpu->nested, pa, revision))
		return vmcs12_make_current(vcpu, pa, revision) ? SUCCEED : LATER;
	c = insn_ctx(vcpu);
	c.pa = pa;
	c.revision = revision;
	o = vmx_checked(EXIT_VMPTRLD, &c);
	if (o.kind != VMX_SUCCEED)
		return o;
	return vmcs12_make_current(vcpu, pa, revision) ? SUCCEED : LATER;
}

/* Runs an instruction whose operand is a physical address in memory. */
static __always_inline int with_pointer(struct vcpu *vcpu,
					struct vmx_outcome (*act)(struct vcpu *vcpu, u64 pa))
{
	struct x86_fault fault;
	u64 pa;
	int r;

	if (!vmx_permitted(vcpu))
		return 1;
	r = read_operand(vcpu, &pa, sizeof(pa), &fault);
	return vmx_finish(vcpu, r ? outcome_of_gva(vcpu, r, &fault) : act(vcpu, pa));
}

int vmx_vmclear(struct vcpu *vcpu)
{
	return with_pointer(vcpu, do_vmclear);
}

int vmx_vmptrld(struct vcpu *vcpu)
{
	return with_pointer(vcpu, do_vmptrld);
}

int vmx_vmptrst(struct vcpu *vcpu)
{
	struct x86_fault fault;
	int r;

	if (!vmx_permitted(vcpu))
		return 1;
	r = write_operand(vcpu, &vcpu->nested->vmcs12_ptr, 8, &fault);
	return vmx_finish(vcpu, r ? outcome_of_gva(vcpu, r, &fault) : SUCCEED);
}

/* --- VMREAD, VMWRITE ---------------------------------------------------- */

/* The field of an encoding that L1's processor has, or NULL. */
static const struct vmcs12_field *field_for_l1(const struct nested *n, u64 enc)
{
	const struct vmcs12_field *f = vmcs12_find(enc);

	return f && vmcs12_has(&n->fields, vmcs12_field_index(f)) ? f : NULL;
}

/* Writes the field's value to VMREAD's other operand, a register or memory. */
static int data_write(struct vcpu *vcpu, u32 info, u64 value, struct x86_fault *fault)
{
	if (info & INSN_IS_REG) {
		reg_write(vcpu, INSN_REG1(info), value);
		return 0;
	}
	return write_operand(vcpu, &value, vcpu_long_mode(vcpu) ? 8 : 4, fault);
}

static int data_read(struct vcpu *vcpu, u32 info, u64 *value, struct x86_fault *fault)
{
	*value = 0;
	if (info & INSN_IS_REG) {
		*value = reg_read(vcpu, INSN_REG1(info));
		return 0;
	}
	return read_operand(vcpu, value, vcpu_long_mode(vcpu) ? 8 : 4, fault);
}

/* The VMCS that VMREAD and VMWRITE act on; for L2 the one that vmcs12 links. NO_GPA: none. */
static u64 accessed_ptr(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	if (!vcpu->in_l2)
		return n->vmcs12_ptr;
	return n->linked ? n->linked->ptr : NO_GPA;
}

static struct vmcs12 *vmx_accessed(struct vcpu *vcpu)
{
	return vcpu->in_l2 ? vcpu->nested->linked->v : vcpu->nested->v;
}

/* Plain fields, and PDPTEs, come from vmcs02 into the snapshot only when L1 reads one. */
static void make_readable(struct vcpu *vcpu, const struct vmcs12_field *f)
{
	if (!vcpu->in_l2 &&
	    (vmcs02_field_is_plain(vmcs12_field_index(f)) || f->enc - VMCS_GUEST_PDPTE0 < 8U))
		vmcs12_pull_plain(vcpu, vcpu->nested->cur);
}

static void vmx_note_access(struct vcpu *vcpu, const struct vmcs12_field *f, bool write)
{
	if (unlikely(vcpu->watched) && !vcpu->in_l2)
		watch_access(vcpu, f, write);
}

/* VMREAD and VMWRITE may need vmcs02: with interrupts off it must be here. */
static bool access_later(struct vcpu *vcpu)
{
	return vcpu->at_once && unlikely(!nested_is_here(vcpu));
}

static int vmread_permitted(struct vcpu *vcpu)
{
	u32 info = vmread(VMCS_EXIT_INSN_INFO);
	struct insn_ctx c = insn_ctx(vcpu);
	const struct vmcs12_field *f;
	const struct check *failed;
	struct x86_fault fault;
	int r;

	if (access_later(vcpu))
		return EXIT_LATER;
	c.vmcs12_ptr = accessed_ptr(vcpu);
	c.enc = reg_read(vcpu, INSN_REG2(info));
	f = field_for_l1(vcpu->nested, c.enc);
	c.known = f;
	failed = check_insn(EXIT_VMREAD, &c);
	if (failed)
		return vmx_finish(vcpu, vmx_broken(failed, &c));
	make_readable(vcpu, f);
	r = data_write(vcpu, info, vmcs12_get(vmx_accessed(vcpu), f, vmcs_enc_high(c.enc)), &fault);
	if (r)
		return vmx_finish(vcpu, outcome_of_gva(vcpu, r, &fault));
	if (!vcpu->in_l2 && f->shadow == SHADOW_WIDE)
		vcpu->nested->wide_reads++;
	vmx_note_access(vcpu, f, false);
	return vmx_finish(vcpu, SUCCEED);
}

int vmx_vmread(struct vcpu *vcpu)
{
	return vmx_permitted(vcpu) ? vmread_permitted(vcpu) : 1;
}

/* Counts a write that exited for shadow_follow_habit(), if a wide shadow VMCS had spared it. */
static __always_inline void note_shadowed_write(struct vcpu *vcpu, const struct vmcs12_field *f)
{
	struct nested *n = vcpu->nested;

	if (f->shadow == SHADOW_NONE)
		return;
	if (f->shadow == SHADOW_WIDE)
		n->wide_writes++;
	if (shadow_serves(n, f, false))
		shadow_write(vcpu);
}

static void vmx_note_write(struct vcpu *vcpu, const struct vmcs12_field *f)
{
	struct nested *n = vcpu->nested;

	if (vcpu->in_l2) {
		vmcs12_note_write(n->linked, vmcs12_field_index(f));
		n->linked->unsaved = true;
		n->linked->shadow_due = true;
		return;
	}
	vmcs12_note_write(n->cur, vmcs12_field_index(f));
	note_shadowed_write(vcpu, f);
}

static struct vmx_outcome do_vmwrite(struct vcpu *vcpu, u64 enc, u64 value)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12_field *f = field_for_l1(n, enc);
	struct insn_ctx c = insn_ctx(vcpu);
	const struct check *failed;

	c.vmcs12_ptr = accessed_ptr(vcpu);
	c.enc = enc;
	c.known = f;
	c.read_only = f && f->role == ROLE_EXIT;
	failed = check_insn(EXIT_VMWRITE, &c);
	if (failed)
		return vmx_broken(failed, &c);
	vmcs12_set(vmx_accessed(vcpu), f, vmcs_enc_high(enc), value);
	vmx_note_write(vcpu, f);
	vmx_note_access(vcpu, f, true);
	return SUCCEED;
}

/* Any VMWRITE, also one that fails. */
static noinline int vmwrite_any(struct vcpu *vcpu, u32 info)
{
	struct x86_fault fault;
	u64 value;
	int r;

	if (accessed_ptr(vcpu) == NO_GPA) /* no current VMCS: fails before the operand is read */
		return vmx_finish(vcpu, do_vmwrite(vcpu, reg_read(vcpu, INSN_REG2(info)), 0));
	r = data_read(vcpu, info, &value, &fault);
	if (r)
		return vmx_finish(vcpu, outcome_of_gva(vcpu, r, &fault));
	return vmx_finish(vcpu, do_vmwrite(vcpu, reg_read(vcpu, INSN_REG2(info)), value));
}

/* Is the instruction one that 64-bit code makes of two registers, none of which is RSP? */
static __always_inline bool two_registers(struct vcpu *vcpu, u32 info)
{
	return info & INSN_IS_REG && INSN_REG1(info) != GPR_RSP && INSN_REG2(info) != GPR_RSP &&
	       vcpu_long_mode(vcpu);
}

/* Does a VMWRITE of L1 to field @number - 1 pass its rules? 0: there is no such field. */
static __always_inline bool vmwrite_passes(const struct nested *n, u64 enc, unsigned int number)
{
	bool known = number && vmcs12_has(&n->fields, number - 1);
	const struct insn_ctx c = {
		.caps = &n->caps,
		.vmcs12_ptr = n->vmcs12_ptr,
		.enc = enc,
		.known = known,
		.read_only = known && vmcs12_fields[number - 1].role == ROLE_EXIT,
	};

	return insn_passes(EXIT_VMWRITE, &c);
}

int vmx_vmwrite(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12_field *f;
	unsigned int number;
	u32 info;
	u64 enc;

	if (!vmx_permitted(vcpu))
		return 1;
	if (unlikely(!n->shadow_on) && access_later(vcpu))
		return EXIT_LATER;
	info = vmread(VMCS_EXIT_INSN_INFO);
	if (unlikely(!two_registers(vcpu, info)) || vcpu->in_l2 || vcpu->watched)
		return vmwrite_any(vcpu, info);
	enc = vcpu->gpr[INSN_REG2(info)];
	number = vmcs12_number(enc);
	if (unlikely(!vmwrite_passes(n, enc, number)))
		return vmwrite_any(vcpu, info);
	f = &vmcs12_fields[number - 1];
	vmcs12_set(n->v, f, vmcs_enc_high(enc), vcpu->gpr[INSN_REG1(info)]);
	vmcs12_note_write(n->cur, number - 1);
	note_shadowed_write(vcpu, f);
	return insn_ends(vcpu, 0);
}

/* --- VMLAUNCH, VMRESUME ------------------------------------------------- */

/* What the rules of VMLAUNCH and VMRESUME look at. */
static __always_inline struct insn_ctx entry_ctx(const struct nested *n)
{
	return (struct insn_ctx){
		.vmcs12_ptr = n->vmcs12_ptr,
		.blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY),
		.launch_state = n->v->launch_state,
		.is_shadow = n->v->revision & VMCS12_SHADOW,
	};
}

static __always_inline bool entry_passes(const struct nested *n, enum vmx_exit insn)
{
	const struct insn_ctx c = entry_ctx(n);

	return insn_passes(insn, &c);
}

/* An entry that does not pass is judged once more, for the rule that it breaks. */
static noinline int entry_broken(struct vcpu *vcpu, enum vmx_exit insn)
{
	struct insn_ctx c = entry_ctx(vcpu->nested);

	return vmx_finish(vcpu, vmx_checked(insn, &c));
}

/*
 * VMLAUNCH and VMRESUME. Tour, stop 10. The fields that L1 wrote to the shadow VMCS are read
 * first, so that the checks see all that L1 wrote. After the entry vmcs02 is current, and in
 * vmcs01 RIP stays at the instruction.
 */
static int vmx_enter_l2(struct vcpu *vcpu, enum vmx_exit insn)
{
	struct nested *n = vcpu->nested;
	int r;

	shadow_read(vcpu, n->cur);
	if (vcpu->at_once && (!nested_enters_at_once(n) || !vmcs_is_here(&n->cur->vmcs02)))
		return EXIT_LATER;
	vcpu->stats.vmx_insns++;
	n->entry_insn = insn;
	r = nested_enter(vcpu);
	if (r >= ENTER_VMFAIL(1)) {
		struct vmx_outcome o = vmx_outcome_of(VMX_FAIL, r >> 8);

		o.check = n->failed;
		o.shown = n->failed_value;
		vcpu->stats.nested_entry_failed++;
		return vmx_finish(vcpu, o);
	}
	if (vcpu->in_l2)
		n->v->launch_state = VMCS12_LAUNCHED;
	return r;
}

static __always_inline int vmx_entry(struct vcpu *vcpu, enum vmx_exit insn)
{
	return entry_passes(vcpu->nested, insn) ? vmx_enter_l2(vcpu, insn)
						: entry_broken(vcpu, insn);
}

int vmx_vmlaunch(struct vcpu *vcpu)
{
	return vmx_permitted(vcpu) ? vmx_entry(vcpu, EXIT_VMLAUNCH) : 1;
}

int vmx_vmresume(struct vcpu *vcpu)
{
	return vmx_permitted(vcpu) ? vmx_entry(vcpu, EXIT_VMRESUME) : 1;
}

/* --- INVEPT, INVVPID, VMFUNC -------------------------------------------- */

static void do_invept(struct vcpu *vcpu, const struct insn_ctx *c)
{
	bool all = c->type == INVEPT_ALL;

	ept02_invalidate(vcpu, all, c->desc[0],
			 all ? ABYME_FLUSH_INVEPT_ALL : ABYME_FLUSH_INVEPT_SINGLE);
}

static void do_invvpid(struct vcpu *vcpu, const struct insn_ctx *c)
{
	tlb_invvpid(vcpu, c->type, c->desc[0], c->desc[1]);
}

/* Runs INVEPT or INVVPID. The type is judged before the descriptor is read. */
static int with_descriptor(struct vcpu *vcpu, enum vmx_exit insn, u32 control,
			   void (*act)(struct vcpu *vcpu, const struct insn_ctx *c))
{
	struct vmx_outcome o;
	struct x86_fault fault;
	struct insn_ctx c;
	int r;

	if (vcpu->nested && !ctl_may(vcpu->nested->caps.proc2, control))
		return inject_ud(vcpu);
	if (!vmx_permitted(vcpu))
		return 1;
	c = insn_ctx(vcpu);
	c.type = reg_read(vcpu, INSN_REG2(vmread(VMCS_EXIT_INSN_INFO)));
	o = vmx_checked(insn, &c);
	if (o.kind != VMX_SUCCEED)
		return vmx_finish(vcpu, o);
	r = read_operand(vcpu, c.desc, sizeof(c.desc), &fault);
	if (r)
		return vmx_finish(vcpu, outcome_of_gva(vcpu, r, &fault));
	c.desc_read = true;
	o = vmx_checked(insn, &c);
	if (o.kind == VMX_SUCCEED)
		act(vcpu, &c);
	return vmx_finish(vcpu, o);
}

int vmx_invept(struct vcpu *vcpu)
{
	return with_descriptor(vcpu, EXIT_INVEPT, PROC2_EPT, do_invept);
}

int vmx_invvpid(struct vcpu *vcpu)
{
	return with_descriptor(vcpu, EXIT_INVVPID, PROC2_VPID, do_invvpid);
}

#define EPTP_LIST_ENTRIES 512

/* Puts an EPT pointer of L1's list into vmcs12. False: L1 gets an exit. SDM: "EPTP Switching". */
static bool switch_eptp(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u32 index = vcpu->gpr[GPR_RCX];
	u64 eptp;

	if (index >= EPTP_LIST_ENTRIES ||
	    mem_read(vcpu->vm, n->v->eptp_list_addr + index * sizeof(eptp), &eptp, sizeof(eptp)) ||
	    !check_eptp(&n->caps, vcpu->cpuid.maxphyaddr, eptp))
		return false;
	n->v->ept_pointer = eptp;
	n->cur->merge_due = true;
	if (vmcs12_proc2(n->v) & PROC2_EPT_VE)
		n->v->eptp_index = index;
	return true;
}

/*
 * vmcs02 enables VMFUNC and no function, so that each comes here as an exit. Tour, stop 12. SDM:
 * "VM Functions".
 */
static int vmfunc_l2(struct vcpu *vcpu)
{
	u32 function = vcpu->gpr[GPR_RAX];

	/*
	 * EPTP switching is function 0, and the only one that L1 can enable. Functions
	 * above 63 raise #UD without an exit.
	 */
	if (!function && (vcpu->nested->v->vmfunc_ctls & VMFUNC_EPTP_SWITCHING) &&
	    switch_eptp(vcpu))
		return vcpu_skip_insn(vcpu);
	return nested_reflect(vcpu, EXIT_VMFUNC);
}

/* VMFUNC of L1 raises #UD, as it does outside VMX non-root operation on every processor. */
int vmx_vmfunc(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		return vmfunc_l2(vcpu);
	return inject_ud(vcpu);
}

/* VMCALL exits in any mode, and there is none in virtual-8086 and compatibility mode. */
static bool mode_has_vmcall(struct vcpu *vcpu)
{
	return vcpu_long_mode(vcpu) ? vmread(VMCS_GUEST_CS_AR) & AR_L
				    : !(vcpu_rflags(vcpu) & X86_EFLAGS_VM);
}

int vmx_vmcall(struct vcpu *vcpu)
{
	struct insn_ctx c;

	if (!mode_has_vmcall(vcpu))
		return inject_ud(vcpu);
	if (!vmx_permitted(vcpu))
		return 1;
	c = insn_ctx(vcpu);
	return vmx_finish(vcpu, vmx_checked(EXIT_VMCALL, &c));
}
