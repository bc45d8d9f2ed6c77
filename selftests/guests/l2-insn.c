// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every VMX instruction in L1: what it raises, in which order, and every error
 * number that can be reached.
 * SDM: "VMX Instruction Reference", "VM Instruction Error Numbers".
 */
#include "vmx.h"

#define BEYOND (1ULL << 52)

static u64 width(void)
{
	return cpuid(0x80000008).eax & 0xff;
}

static void without_vmxe(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = 0, *page = page_alloc();
	struct inv_desc d = { 0, 0 };

	l1_vmxoff();
	EXPECT_OUTCOME(vmxon((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmxoff(), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmclear((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmptrld((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmptrst(&v), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP, &v), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmwrite(VMCS_GUEST_RIP, 0), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmlaunch(vmx), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmresume(vmx), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(invept(INVEPT_ALL, &d), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(invvpid(INVVPID_ALL, &d), VM_TRAP(VEC_UD));
	write_cr4(read_cr4() | CR4_VMXE);
	EXPECT_OUTCOME(vmptrst(&v), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmlaunch(vmx), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmxoff(), VM_TRAP(VEC_UD));
	write_cr4(read_cr4() & ~CR4_VMXE);
}

static void vmxon_addresses(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 page = (u64)page_alloc();

	l1_vmxoff();
	write_cr4(read_cr4() | CR4_VMXE);
	*(u32 *)page = vmx->caps.basic & BASIC_REVISION;
	EXPECT_OUTCOME(vmxon(page + 1), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmxon(page + 0x800), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmxon(1ULL << width()), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmxon(~0ULL), VM_FAIL_INVALID);
	*(u32 *)page ^= 1;
	EXPECT_OUTCOME(vmxon(page), VM_FAIL_INVALID);
	*(u32 *)page ^= 1 | BIT(31);
	EXPECT_OUTCOME(vmxon(page), VM_FAIL_INVALID);
	*(u32 *)page ^= BIT(31);
	EXPECT_OUTCOME(vmxon(page), VM_OK);
	EXPECT_OUTCOME(vmxoff(), VM_OK);
	write_cr4(read_cr4() & ~CR4_VMXE);
}

static void vmxon_conditions(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 cr0 = read_cr0();

	l1_vmxoff();
	write_cr4(read_cr4() | CR4_VMXE);
	write_cr0(cr0 & ~CR0_NE);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_TRAP(VEC_GP));
	write_cr0(cr0);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
	/* Within VMX operation CR0 and CR4 keep their fixed bits. */
	GUEST_EXPECT(TRY("mov %0, %%cr4", : : "r"(read_cr4() & ~CR4_VMXE)), VEC_GP);
	GUEST_EXPECT(TRY("mov %0, %%cr0", : : "r"(cr0 & ~CR0_NE)), VEC_GP);
	EXPECT_OUTCOME(vmxoff(), VM_OK);
	write_cr4(read_cr4() & ~CR4_VMXE);
}

static void vmxon_in_root(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_FAIL_INVALID);
	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_FAIL_VALID(VMERR_VMXON_IN_ROOT));
	EXPECT_OUTCOME(vmxon(0x123), VM_FAIL_VALID(VMERR_VMXON_IN_ROOT));
}

static u64 user_vmxon(u64 pa)
{
	return vmxon(pa);
}
static u64 user_vmxoff(u64 arg)
{
	return vmxoff();
}
static u64 user_vmclear(u64 pa)
{
	return vmclear(pa);
}
static u64 user_vmptrst(u64 to)
{
	return vmptrst((u64 *)to);
}
static u64 user_vmwrite(u64 v)
{
	return vmwrite(VMCS_GUEST_RIP, v);
}
static u64 user_vmcall(u64 v)
{
	return vmcall_root();
}
static u64 user_invept(u64 d)
{
	return invept(INVEPT_ALL, (void *)d);
}

static void at_cpl3(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	struct inv_desc d = { 0, 0 };
	u64 v;

	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(user_call(user_vmxon, (u64)vmx->vmxon), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(user_call(user_vmxoff, 0), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(user_call(user_vmclear, (u64)vmx->vmcs), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(user_call(user_vmptrst, (u64)&v), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(user_call(user_vmwrite, 1), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(user_call(user_vmcall, 0), VM_TRAP(VEC_GP));
	if (vmx->caps.ept_vpid & EPTCAP_INVEPT)
		EXPECT_OUTCOME(user_call(user_invept, (u64)&d), VM_TRAP(VEC_GP));
	l1_vmxoff();
	EXPECT_OUTCOME(user_call(user_vmxon, (u64)vmx->vmxon), VM_TRAP(VEC_UD));
}

static void memory_operands(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 hole = 0x3ff00000, *entry = page_entry(hole);

	l1_new_vmcs(vmx);
	*entry = 0;
	invlpg(hole);
	EXPECT_OUTCOME(vmptrst((u64 *)hole), VM_TRAP(VEC_PF));
	GUEST_EXPECT(this_cpu()->trap_error, 2);
	GUEST_EXPECT(read_cr2(), hole);
	EXPECT_OUTCOME(vmclear(*(u64 *)&vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(VMX_INSN("vmptrld (%2)", "r"(hole)), VM_TRAP(VEC_PF));
	GUEST_EXPECT(this_cpu()->trap_error, 0);
	EXPECT_OUTCOME(VMX_INSN("vmclear (%2)", "r"(hole + 8)), VM_TRAP(VEC_PF));
	EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(hole), "r"((u64)VMCS_GUEST_RIP)),
		       VM_TRAP(VEC_PF));
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(hole), "r"((u64)VMCS_GUEST_RIP)),
		       VM_TRAP(VEC_PF));
	EXPECT_OUTCOME(VMX_INSN("vmptrld (%2)", "r"(1ULL << 63)), VM_TRAP(VEC_GP));
	*entry = hole | 7;
	invlpg(hole);
}

/* A VMCS pointer that crosses a page, through base, index and displacement. */
static void operand_forms(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u8 *pages = pages_alloc(2);
	u64 *p = (u64 *)(pages + 4092), v = 0;

	l1_new_vmcs(vmx);
	*p = (u64)vmx->vmcs;
	EXPECT_OUTCOME(VMX_INSN("vmclear (%2)", "r"(p)), VM_OK);
	EXPECT_OUTCOME(VMX_INSN("vmptrld 12(%2, %3, 4)", "r"((u64)p - 12 - 40), "r"(10ULL)), VM_OK);
	l1_vmwrite(VMCS_GUEST_RIP, 0x1122334455667788);
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(p), "r"((u64)VMCS_GUEST_RIP)), VM_OK);
	GUEST_EXPECT(*p, 0x1122334455667788);
	*p = 0xaabbccdd;
	EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(p), "r"((u64)VMCS_GUEST_RIP)), VM_OK);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), 0xaabbccdd);
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(p)), VM_OK);
	GUEST_EXPECT(*p, (u64)vmx->vmcs);
	wrmsr(MSR_FS_BASE, (u64)&v - 0x40);
	EXPECT_OUTCOME(VMX_INSN("vmptrst %%fs:0x40", "m"(v)), VM_OK);
	wrmsr(MSR_FS_BASE, 0);
	barrier();
	GUEST_EXPECT(*(volatile u64 *)&v, (u64)vmx->vmcs);
}

static void vmclear_errors(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	EXPECT_OUTCOME(vmclear((u64)vmx->vmxon + 8), VM_FAIL_INVALID);
	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmclear((u64)vmx->vmcs + 8), VM_FAIL_VALID(VMERR_VMCLEAR_BAD_ADDRESS));
	EXPECT_OUTCOME(vmclear(1ULL << width()), VM_FAIL_VALID(VMERR_VMCLEAR_BAD_ADDRESS));
	EXPECT_OUTCOME(vmclear((u64)vmx->vmxon), VM_FAIL_VALID(VMERR_VMCLEAR_VMXON_PTR));
	GUEST_EXPECT(l1_vmread(VMCS_INSN_ERROR), VMERR_VMCLEAR_VMXON_PTR);
	EXPECT_OUTCOME(vmclear((u64)page_alloc()), VM_OK);
	GUEST_EXPECT(l1_vmread(VMCS_INSN_ERROR), VMERR_VMCLEAR_VMXON_PTR);
}

static void vmptrld_errors(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 bad = (u64)page_alloc(), v = 0, *current;

	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs + 4), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_ADDRESS));
	EXPECT_OUTCOME(vmptrld(BEYOND), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_ADDRESS));
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmxon), VM_FAIL_VALID(VMERR_VMPTRLD_VMXON_PTR));
	*(u32 *)bad = (vmx->caps.basic & BASIC_REVISION) ^ 1;
	EXPECT_OUTCOME(vmptrld(bad), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_REVISION));
	/* The shadow bit is part of it, unless shadow VMCSs are offered. */
	if (!ctl_may(vmx->caps.proc2, PROC2_SHADOW_VMCS)) {
		*(u32 *)bad = (vmx->caps.basic & BASIC_REVISION) | BIT(31);
		EXPECT_OUTCOME(vmptrld(bad), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_REVISION));
	}
	current = &v;
	EXPECT_OUTCOME(vmptrst(current), VM_OK);
	barrier();
	GUEST_EXPECT(v, (u64)vmx->vmcs);
}

static void no_current(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = 0;

	EXPECT_OUTCOME(vmptrst(&v), VM_OK);
	barrier();
	GUEST_EXPECT(v, ~0ULL);
	EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP, &v), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmwrite(VMCS_GUEST_RIP, 0), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmlaunch(vmx), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmptrld(BEYOND), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmxon), VM_FAIL_INVALID);
	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrst(&v), VM_OK);
	barrier();
	GUEST_EXPECT(v, ~0ULL);
	EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP, &v), VM_FAIL_INVALID);
}

static void fields(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = 0x5555;

	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmread(0x0fff0, &v), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	GUEST_EXPECT(v, 0x5555);
	EXPECT_OUTCOME(vmwrite(0x6fff, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(vmwrite(1ULL << 32 | VMCS_GUEST_RIP, 0),
		       VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP | 1, &v), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	if (!(vmx->caps.misc & MISC_VMWRITE_ANY))
		EXPECT_OUTCOME(vmwrite(VMCS_EXIT_REASON, 0), VM_FAIL_VALID(VMERR_READ_ONLY_FIELD));
	l1_vmwrite(VMCS_GUEST_CS_SEL, 0x123456789);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CS_SEL), 0x6789);
	l1_vmwrite(VMCS_GUEST_CS_LIMIT, 0x123456789);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CS_LIMIT), 0x23456789);
	l1_vmwrite(VMCS_TSC_OFFSET, 0x1122334455667788);
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x1122334455667788);
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET + 1), 0x11223344);
	l1_vmwrite(VMCS_TSC_OFFSET + 1, 0x99aabbcc);
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x99aabbcc55667788);
	GUEST_EXPECT(l1_vmread(VMCS_INSN_ERROR) != 0, true);
}

static const u32 all_fields[] = {
	VMCS_GUEST_ES_SEL,
	VMCS_GUEST_TR_SEL,
	VMCS_HOST_CS_SEL,
	VMCS_HOST_TR_SEL,
	VMCS_IO_BITMAP_A,
	VMCS_IO_BITMAP_B,
	VMCS_MSR_BITMAP,
	VMCS_EXIT_MSR_STORE_ADDR,
	VMCS_EXIT_MSR_LOAD_ADDR,
	VMCS_ENTRY_MSR_LOAD_ADDR,
	VMCS_TSC_OFFSET,
	VMCS_LINK_POINTER,
	VMCS_GUEST_DEBUGCTL,
	VMCS_PIN_CTLS,
	VMCS_PROC_CTLS,
	VMCS_EXCEPTION_BITMAP,
	VMCS_PF_ERROR_MASK,
	VMCS_PF_ERROR_MATCH,
	VMCS_CR3_TARGET_COUNT,
	VMCS_EXIT_CTLS,
	VMCS_EXIT_MSR_STORE_COUNT,
	VMCS_EXIT_MSR_LOAD_COUNT,
	VMCS_ENTRY_CTLS,
	VMCS_ENTRY_MSR_LOAD_COUNT,
	VMCS_ENTRY_INTR_INFO,
	VMCS_ENTRY_ERROR_CODE,
	VMCS_ENTRY_INSN_LEN,
	VMCS_GUEST_ES_LIMIT,
	VMCS_GUEST_GDTR_LIMIT,
	VMCS_GUEST_IDTR_LIMIT,
	VMCS_GUEST_INTERRUPTIBILITY,
	VMCS_GUEST_ACTIVITY,
	VMCS_GUEST_SYSENTER_CS,
	VMCS_HOST_SYSENTER_CS,
	VMCS_CR0_MASK,
	VMCS_CR4_MASK,
	VMCS_CR0_SHADOW,
	VMCS_CR4_SHADOW,
	VMCS_GUEST_CR0,
	VMCS_GUEST_CR3,
	VMCS_GUEST_CR4,
	VMCS_GUEST_ES_BASE,
	VMCS_GUEST_TR_BASE,
	VMCS_GUEST_GDTR_BASE,
	VMCS_GUEST_IDTR_BASE,
	VMCS_GUEST_DR7,
	VMCS_GUEST_RSP,
	VMCS_GUEST_RIP,
	VMCS_GUEST_RFLAGS,
	VMCS_GUEST_PENDING_DBG,
	VMCS_GUEST_SYSENTER_ESP,
	VMCS_GUEST_SYSENTER_EIP,
	VMCS_HOST_CR0,
	VMCS_HOST_CR3,
	VMCS_HOST_CR4,
	VMCS_HOST_FS_BASE,
	VMCS_HOST_GS_BASE,
	VMCS_HOST_TR_BASE,
	VMCS_HOST_GDTR_BASE,
	VMCS_HOST_IDTR_BASE,
	VMCS_HOST_SYSENTER_ESP,
	VMCS_HOST_SYSENTER_EIP,
	VMCS_HOST_RSP,
	VMCS_HOST_RIP,
};

/* Every field that the processor under the oracle has keeps what it is given. */
static void all_fields_keep(void)
{
	static const u64 masks[] = { 0xffff, ~0ULL, 0xffffffff, ~0ULL };
	struct l1_vmx *vmx = l1_vmxon();
	void *first, *second;

	first = l1_new_vmcs(vmx);
	for (u32 i = 0; i < ARRAY_SIZE(all_fields); i++)
		l1_vmwrite(all_fields[i], 0x0123456789abcdefULL * (i + 1));
	second = l1_new_vmcs(vmx);
	for (u32 i = 0; i < ARRAY_SIZE(all_fields); i++)
		l1_vmwrite(all_fields[i], ~0ULL);
	GUEST_ASSERT(first != second);
	EXPECT_OUTCOME(vmptrld((u64)first), VM_OK);
	for (u32 i = 0; i < ARRAY_SIZE(all_fields); i++) {
		u64 got = l1_vmread(all_fields[i]);
		u64 want = (0x0123456789abcdefULL * (i + 1)) & masks[vmcs_enc_width(all_fields[i])];

		if (got != want)
			printf("# field 0x%x\n", all_fields[i]);
		GUEST_EXPECT(got, want);
	}
}

static void l2_vmcall_once(void)
{
	l2_vmcall(0);
}

static void launch_state(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcall_once);

	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	EXPECT_OUTCOME(l1_vmlaunch(), EXIT_VMCALL);
	EXPECT_OUTCOME(vmlaunch(vmx), VM_FAIL_VALID(VMERR_VMLAUNCH_NOT_CLEAR));
	EXPECT_OUTCOME(l1_vmresume(), EXIT_VMCALL);
	EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	EXPECT_OUTCOME(vmlaunch(vmx), EXIT_VMCALL);
}

/* An entry that fails late is an exit all the same, but has launched nothing. */
static void late(struct l1_vmx *vmx, u32 reason)
{
	EXPECT_OUTCOME(vmlaunch(vmx), EXIT_ENTRY_FAILED | reason);
	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	EXPECT_OUTCOME(vmlaunch(vmx), EXIT_ENTRY_FAILED | reason);
}

static void launch_state_after_failure(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcall_once);
	u64 cr4 = l1_vmread(VMCS_GUEST_CR4);
	struct msr_entry *list = page_alloc();

	l1_vmwrite(VMCS_GUEST_CR4, cr4 & ~CR4_VMXE);
	late(vmx, EXIT_BAD_GUEST_STATE);
	l1_vmwrite(VMCS_GUEST_CR4, cr4);
	list->index = MSR_FS_BASE; /* no list may load it */
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	late(vmx, EXIT_BAD_MSR_LOAD);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	EXPECT_OUTCOME(vmlaunch(vmx), EXIT_VMCALL);
	l1_vmwrite(VMCS_GUEST_CR4, cr4 & ~CR4_VMXE);
	EXPECT_OUTCOME(vmresume(vmx), EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE);
	l1_vmwrite(VMCS_GUEST_CR4, cr4);
	EXPECT_OUTCOME(vmresume(vmx), EXIT_VMCALL); /* it is still launched */
}

static void vmcall_in_root(void)
{
	l1_vmxon();
	EXPECT_OUTCOME(vmcall_root(), VM_FAIL_INVALID);
}

static void mov_ss_blocks(void)
{
	bool cf, zf;

	l1_prepare(l2_vmcall_once);
	asm volatile("mov %%ss, %%eax; mov %%eax, %%ss; vmlaunch"
		     : "=@ccc"(cf), "=@ccz"(zf)
		     :
		     : "eax", "memory");
	EXPECT_OUTCOME(vmx_outcome(NO_TRAP, cf, zf), VM_FAIL_VALID(VMERR_BLOCKED_BY_MOV_SS));
}

static void invept_errors(void)
{
	/* Memory type 7, a walk of three levels, reserved bits. */
	static const u64 wrong[] = { 1, 1 << 3, 1 << 7, 1 << 11, 1ULL << 52, 1ULL << 63 };
	struct l1_vmx *vmx = l1_prepare(l2_vmcall_once);
	struct inv_desc d = { 0, 0 };

	l1_need_ept(EPTCAP_INVEPT);
	EXPECT_OUTCOME(invept(0, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invept(3, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invept(1ULL << 32 | 3, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invept(INVEPT_SINGLE, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	d.first = (u64)vmx->ept_pml4 | EPTP_WALK_4 | EPTP_MEMTYPE_WB;
	EXPECT_OUTCOME(invept(INVEPT_SINGLE, &d), VM_OK);
	EXPECT_OUTCOME(invept(INVEPT_ALL, &d), VM_OK);
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct inv_desc bad = { d.first ^ wrong[i], 0 };

		EXPECT_OUTCOME(invept(INVEPT_SINGLE, &bad), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
		EXPECT_OUTCOME(invept(INVEPT_ALL, &bad), VM_OK);
	}
	d.second = ~0ULL; /* reserved, and not looked at */
	EXPECT_OUTCOME(invept(INVEPT_SINGLE, &d), VM_OK);
	EXPECT_OUTCOME(invept(INVEPT_ALL, &d), VM_OK);
	EXPECT_OUTCOME(invept(INVEPT_ALL, (void *)(1ULL << 63)), VM_TRAP(VEC_GP));
}

static void invvpid_errors(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcall_once);
	struct inv_desc d = { 1, 0x1000 };

	if (!(vmx->caps.ept_vpid & EPTCAP_INVVPID))
		claim_skip("no INVVPID");
	EXPECT_OUTCOME(invvpid(4, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invvpid(INVVPID_ADDR, &d), VM_OK);
	EXPECT_OUTCOME(invvpid(INVVPID_SINGLE, &d), VM_OK);
	EXPECT_OUTCOME(invvpid(INVVPID_ALL, &d), VM_OK);
	EXPECT_OUTCOME(invvpid(INVVPID_SINGLE_NON_GLOBAL, &d), VM_OK);
	d.first = 0;
	EXPECT_OUTCOME(invvpid(INVVPID_ADDR, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invvpid(INVVPID_SINGLE, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invvpid(INVVPID_SINGLE_NON_GLOBAL, &d),
		       VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invvpid(INVVPID_ALL, &d), VM_OK);
	d.first = 1 | 1 << 16;
	EXPECT_OUTCOME(invvpid(INVVPID_SINGLE, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	d.first = 1;
	d.second = 1ULL << 63;
	EXPECT_OUTCOME(invvpid(INVVPID_ADDR, &d), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
}

static void vmxoff_and_again(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcall_once);
	void *vmcs = vmx->vmcs;
	u64 v = 0;

	EXPECT_EXIT(EXIT_VMCALL);
	EXPECT_OUTCOME(vmclear((u64)vmcs), VM_OK);
	EXPECT_OUTCOME(vmxoff(), VM_OK);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
	EXPECT_OUTCOME(vmptrst(&v), VM_OK);
	barrier();
	GUEST_EXPECT(v, ~0ULL);
	EXPECT_OUTCOME(vmptrld((u64)vmcs), VM_OK);
	EXPECT_OUTCOME(vmlaunch(vmx), EXIT_VMCALL);
}

static void flags(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 all, v = 0;

	l1_new_vmcs(vmx);
	asm volatile("pushq %1; popfq; vmread %2, %3; pushfq; popq %0"
		     : "=&r"(all)
		     : "i"(0x8d5 | 2), "r"((u64)VMCS_GUEST_RIP), "r"(v)
		     : "cc");
	GUEST_EXPECT(all & RFLAGS_ARITH, 0);
	asm volatile("pushq %1; popfq; vmread %2, %3; pushfq; popq %0"
		     : "=&r"(all)
		     : "i"(0x8d5 | 2), "r"(0x6fffULL), "r"(v)
		     : "cc");
	GUEST_EXPECT(all & RFLAGS_ARITH, RFLAGS_ZF);
	vmclear((u64)vmx->vmcs);
	asm volatile("pushq %1; popfq; vmread %2, %3; pushfq; popq %0"
		     : "=&r"(all)
		     : "i"(0x8d5 | 2), "r"(0x6fffULL), "r"(v)
		     : "cc");
	GUEST_EXPECT(all & RFLAGS_ARITH, RFLAGS_CF);
}

CLAIMS = { { without_vmxe, "outside VMX operation the instructions raise #UD" },
	   { vmxon_addresses,
	     "VMXON wants an aligned page of memory with the revision: else VMfailInvalid" },
	   { vmxon_conditions, "VMXON wants CR0's fixed bits, and they stay: else #GP" },
	   { vmxon_in_root, "VMXON in VMX operation: VMfail, 15 with a current VMCS" },
	   { at_cpl3, "at CPL 3 #GP in VMX operation, #UD outside" },
	   { memory_operands, "operands that fault raise #PF and #GP" },
	   { operand_forms, "operands in every form, across a page, with a segment base" },
	   { vmclear_errors, "VMCLEAR: 2 for a bad address, 3 for the VMXON pointer" },
	   { vmptrld_errors, "VMPTRLD: 9, 10, 11, and the current VMCS stays" },
	   { no_current, "without a current VMCS: VMfailInvalid, VMPTRST stores all ones" },
	   { fields, "VMREAD, VMWRITE: 12, 13, widths and upper halves" },
	   { all_fields_keep, "each of two VMCSs keeps the fields written to it" },
	   { launch_state, "VMLAUNCH: 4 when launched, VMRESUME: 5 when not" },
	   { launch_state_after_failure, "an entry that fails by exit 33 or 34 launches nothing" },
	   { vmcall_in_root, "VMCALL in root operation without a current VMCS: VMfailInvalid" },
	   { mov_ss_blocks, "VMLAUNCH under MOV SS: 26" },
	   { invept_errors, "INVEPT: 28 for wrong types and EPT pointers" },
	   { invvpid_errors, "INVVPID: 28 for wrong types, VPIDs and addresses" },
	   { vmxoff_and_again, "VMXOFF forgets the current VMCS; the memory keeps it" },
	   { flags, "success clears the six flags, failure sets ZF or CF alone" },
	   END_OF_CLAIMS };
