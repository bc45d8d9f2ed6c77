// SPDX-License-Identifier: GPL-2.0-only
/* VMX operation, the instructions' outcomes, and running L2. */
#include "boot.h"
#include "vmx.h"

u64 l2_enter(u64 regs[NR_GPRS], bool resume, u64 *rsp);
extern u8 l2_return[];

static struct l1_vmx l1_state[MAX_CPUS];
static u8 l2_stacks[MAX_CPUS][2][STACK_SIZE] __aligned(STACK_SIZE);

struct l1_vmx *l1_vmx(void)
{
	return &l1_state[this_cpu()->index];
}

/* --- outcomes ----------------------------------------------------------- */

static u64 insn_error(void)
{
	u64 v = 0;

	asm volatile("vmread %1, %0" : "=r"(v) : "r"((u64)VMCS_INSN_ERROR) : "cc");
	return v;
}

u64 vmx_outcome(u32 trap, bool cf, bool zf)
{
	if (trap != NO_TRAP)
		return VM_TRAP(trap);
	if (cf)
		return VM_FAIL_INVALID;
	return zf ? VM_FAIL_VALID(insn_error()) : VM_OK;
}

u64 vmread(u64 field, u64 *v)
{
	u64 value = *v;
	bool cf, zf;
	u32 trap = TRY("vmread %3, %0", : "+r"(value), "=@ccc"(cf), "=@ccz"(zf) : "r"(field));

	*v = value;
	return vmx_outcome(trap, cf, zf);
}

static u64 enter(struct l1_vmx *vmx, bool resume, u64 *rsp)
{
	u64 how = l2_enter(vmx->regs, resume, rsp);
	u64 reason = 0;

	if (!how) {
		vmread(VMCS_EXIT_REASON, &reason);
		if (reason == EXIT_VMCALL && vmx->regs[GPR_RAX] == L2_GAVE_UP)
			claim_fail("L2 gave up");
		return reason;
	}
	return vmx_outcome(how == 3 ? this_cpu()->trap_vector : NO_TRAP, how == 1, how == 2);
}

u64 vmlaunch(struct l1_vmx *vmx)
{
	return enter(vmx, false, NULL);
}

u64 vmresume(struct l1_vmx *vmx)
{
	return enter(vmx, true, NULL);
}

u64 vmresume_again(struct l1_vmx *vmx, u64 *rsp)
{
	return enter(vmx, true, rsp);
}

static void outcome_text(u64 v)
{
	if (v == VM_OK)
		puts_raw("VMsucceed");
	else if (v == VM_FAIL_INVALID)
		puts_raw("VMfailInvalid");
	else if (v >> 32 == VM_FAIL_VALID(0) >> 32)
		printf("VMfailValid(%d)", (int)v);
	else if (v >> 32 == VM_TRAP(0) >> 32)
		printf("trap %d", (int)v);
	else
		printf("exit 0x%lx (%s)", (unsigned long)v, exit_name(v));
}

static void exit_text(void)
{
	u64 qual = 0, rip = 0, info = 0, idt = 0, gpa = 0;

	vmread(VMCS_EXIT_QUAL, &qual);
	vmread(VMCS_GUEST_RIP, &rip);
	vmread(VMCS_EXIT_INTR_INFO, &info);
	vmread(VMCS_IDT_VECTORING_INFO, &idt);
	vmread(VMCS_GUEST_PHYS_ADDR, &gpa);
	printf("#   qualification 0x%lx, RIP 0x%lx, interruption 0x%lx, vectoring 0x%lx, gpa 0x%lx\n",
	       (unsigned long)qual, (unsigned long)rip, (unsigned long)info, (unsigned long)idt,
	       (unsigned long)gpa);
}

void expect_outcome(const char *file, int line, const char *what, u64 got, u64 want)
{
	if (got == want)
		return;
	expect_failed(file, line, what, got, want);
	puts_raw("#   that is ");
	outcome_text(got);
	puts_raw(", not ");
	outcome_text(want);
	puts_raw("\n");
	if (got < VM_OK)
		exit_text();
}

/* --- VMX operation ------------------------------------------------------ */

bool vmx_offered(void)
{
	return cpuid(1).ecx & BIT(5);
}

static struct vmx_ctl_caps read_ctl(u64 basic, u32 msr, u32 true_msr)
{
	return ctl_from_msr(rdmsr(basic & BASIC_TRUE_CTLS ? true_msr : msr));
}

void vmx_read_caps(struct vmx_caps *c)
{
	memset(c, 0, sizeof(*c));
	c->basic = rdmsr(VMX_MSR_BASIC);
	c->pin = read_ctl(c->basic, VMX_MSR_PIN, VMX_MSR_TRUE_PIN);
	c->proc = read_ctl(c->basic, VMX_MSR_PROC, VMX_MSR_TRUE_PROC);
	c->exit = read_ctl(c->basic, VMX_MSR_EXIT, VMX_MSR_TRUE_EXIT);
	c->entry = read_ctl(c->basic, VMX_MSR_ENTRY, VMX_MSR_TRUE_ENTRY);
	c->misc = rdmsr(VMX_MSR_MISC);
	c->cr0_fixed0 = rdmsr(VMX_MSR_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(VMX_MSR_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(VMX_MSR_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(VMX_MSR_CR4_FIXED1);
	c->vmcs_enum = rdmsr(VMX_MSR_VMCS_ENUM);
	if (!ctl_may(c->proc, PROC_SECONDARY))
		return;
	c->proc2 = ctl_from_msr(rdmsr(VMX_MSR_PROC2));
	if (c->proc2.may & (PROC2_EPT | PROC2_VPID))
		c->ept_vpid = rdmsr(VMX_MSR_EPT_VPID);
	if (c->proc2.may & PROC2_VMFUNC)
		c->vmfunc = rdmsr(VMX_MSR_VMFUNC);
}

static void unlock_feature(void)
{
	u64 v = rdmsr(MSR_FEATURE_CONTROL);

	if (!(v & FEATCTL_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, v | FEATCTL_VMX | FEATCTL_LOCKED);
}

static void put_revision(struct l1_vmx *vmx, void *page)
{
	*(u32 *)page = vmx->caps.basic & BASIC_REVISION;
}

void l1_vmxoff(void)
{
	struct l1_vmx *vmx = l1_vmx();

	if (vmx->vmcs)
		vmclear((u64)vmx->vmcs);
	vmxoff();
	write_cr4(read_cr4() & ~CR4_VMXE);
	vmx->on = false;
	vmx->vmcs = NULL;
}

/* Pages of the CPU before are reused: only one CPU's claim may use VMX pools. */
struct l1_vmx *l1_vmxon(void)
{
	struct l1_vmx *vmx = l1_vmx();

	if (!vmx_offered())
		claim_skip("no VMX");
	if (vmx->on)
		l1_vmxoff();
	if (!this_cpu()->index && vmx->mark)
		mem_reset(vmx->mark);
	memset(vmx, 0, sizeof(*vmx));
	vmx->mark = mem_mark();
	unlock_feature();
	write_cr0(read_cr0() | CR0_NE);
	write_cr4(read_cr4() | CR4_VMXE);
	vmx_read_caps(&vmx->caps);
	vmx->vmxon = page_alloc();
	put_revision(vmx, vmx->vmxon);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
	vmx->on = true;
	return vmx;
}

void *l1_new_vmcs(struct l1_vmx *vmx)
{
	u8(*stacks)[STACK_SIZE] = l2_stacks[this_cpu()->index];

	vmx->l2_stack = vmx->l2_stack == stacks[0] ? stacks[1] : stacks[0];
	vmx->vmcs = page_alloc();
	put_revision(vmx, vmx->vmcs);
	EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	vmx->launched = false;
	return vmx->vmcs;
}

struct l1_vmx *l1_prepare_with(void (*l2)(void), u32 flags)
{
	struct l1_vmx *vmx = l1_vmxon();

	vmx->flags = flags;
	vmx->msr_bitmap = page_alloc();
	vmx->io_bitmaps = pages_alloc(2);
	if (!(flags & L1_NO_EPT) && ctl_may(vmx->caps.proc2, PROC2_EPT))
		l1_ept_build(vmx);
	l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2);
	return vmx;
}

struct l1_vmx *l1_prepare(void (*l2)(void))
{
	return l1_prepare_with(l2, 0);
}

/* --- the current VMCS --------------------------------------------------- */

u64 l1_vmread(u64 field)
{
	u64 v = 0, how = vmread(field, &v);

	if (how != VM_OK)
		printf("# VMREAD of field 0x%lx\n", (unsigned long)field);
	EXPECT_OUTCOME(how, VM_OK);
	return v;
}

void l1_vmwrite(u64 field, u64 v)
{
	u64 how = vmwrite(field, v);

	if (how != VM_OK)
		printf("# VMWRITE of field 0x%lx\n", (unsigned long)field);
	EXPECT_OUTCOME(how, VM_OK);
}

void l1_set(u64 field, u64 bits)
{
	l1_vmwrite(field, l1_vmread(field) | bits);
}

void l1_clear(u64 field, u64 bits)
{
	l1_vmwrite(field, l1_vmread(field) & ~bits);
}

static void need(bool there)
{
	if (!there)
		claim_skip("this VT-x does not offer it");
}

void l1_need_pin(u32 bits)
{
	need(ctl_may(l1_vmx()->caps.pin, bits));
}
void l1_need_proc(u32 bits)
{
	need(ctl_may(l1_vmx()->caps.proc, bits));
}
void l1_need_proc2(u32 bits)
{
	need(ctl_may(l1_vmx()->caps.proc2, bits));
}
void l1_need_exit(u32 bits)
{
	need(ctl_may(l1_vmx()->caps.exit, bits));
}
void l1_need_entry(u32 bits)
{
	need(ctl_may(l1_vmx()->caps.entry, bits));
}

void l1_need_ept(u64 cap)
{
	need(l1_vmx()->ept_pml4 && (l1_vmx()->caps.ept_vpid & cap) == cap);
}

void l1_use_pin(u32 bits)
{
	l1_need_pin(bits);
	l1_set(VMCS_PIN_CTLS, bits);
}

void l1_use_proc(u32 bits)
{
	l1_need_proc(bits);
	l1_set(VMCS_PROC_CTLS, bits);
}

void l1_use_proc2(u32 bits)
{
	l1_need_proc2(bits);
	l1_set(VMCS_PROC2_CTLS, bits);
}

void l1_restart_l2(void (*l2)(void))
{
	u64 *stack = l1_vmx()->l2_stack;
	struct cpu *cpu = (struct cpu *)stack;

	*cpu = *this_cpu();
	cpu->is_l2 = true;
	cpu->jump = NULL;
	stack += STACK_SIZE / 8 - 2;
	*--stack = (u64)l2_return;
	l1_vmwrite(VMCS_GUEST_RSP, (u64)stack);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)l2);
}

u64 l1_vmlaunch(void)
{
	u64 how = vmlaunch(l1_vmx());

	if (how < VM_OK && !(how & EXIT_ENTRY_FAILED))
		l1_vmx()->launched = true;
	return how;
}

u64 l1_vmresume(void)
{
	return vmresume(l1_vmx());
}

u64 l1_run(void)
{
	return l1_vmx()->launched ? l1_vmresume() : l1_vmlaunch();
}

void l1_skip_insn(void)
{
	l1_vmwrite(VMCS_GUEST_RIP, l1_vmread(VMCS_GUEST_RIP) + l1_vmread(VMCS_EXIT_INSN_LEN));
}

void l2_unreachable(void)
{
	expect_failed("L2", 0, "entered", 1, 0);
	for (;;)
		l2_vmcall(0);
}
