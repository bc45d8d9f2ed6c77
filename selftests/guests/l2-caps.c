// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX capability MSRs: each exists just where the control that needs it does, and what
 * they say fits together. A comment has them all, as scripts/docs/models.def wants them.
 * SDM: "VMX Capability Reporting Facility".
 */
#include "vmx.h"

static u64 msr(u32 index)
{
	u64 v = 0;

	return try_rdmsr(index, &v) == NO_TRAP ? v : 0;
}

static bool exists(u32 index)
{
	u64 v;

	return try_rdmsr(index, &v) == NO_TRAP;
}

static void print_row(void)
{
	static const u32 row[] = {
		VMX_MSR_BASIC, VMX_MSR_TRUE_PIN,  VMX_MSR_TRUE_PROC, VMX_MSR_PROC2,
		VMX_MSR_PROC3, VMX_MSR_TRUE_EXIT, VMX_MSR_EXIT2,     VMX_MSR_TRUE_ENTRY,
		VMX_MSR_MISC,  VMX_MSR_EPT_VPID,  VMX_MSR_VMFUNC,
	};

	puts_raw("# M(\"\"");
	for (u32 i = 0; i < ARRAY_SIZE(row); i++)
		printf(", 0x%016lx", (unsigned long)msr(row[i]));
	puts_raw(")\n");
}

static void exist(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	print_row();
	GUEST_EXPECT(exists(VMX_MSR_PROC2), ctl_may(vmx->caps.proc, PROC_SECONDARY));
	GUEST_EXPECT(exists(VMX_MSR_PROC3), ctl_may(vmx->caps.proc, PROC_TERTIARY));
	GUEST_EXPECT(exists(VMX_MSR_EXIT2), ctl_may(vmx->caps.exit, EXITC_SECONDARY));
	GUEST_EXPECT(exists(VMX_MSR_EPT_VPID), !!(vmx->caps.proc2.may & (PROC2_EPT | PROC2_VPID)));
	GUEST_EXPECT(exists(VMX_MSR_VMFUNC), ctl_may(vmx->caps.proc2, PROC2_VMFUNC));
	GUEST_EXPECT(exists(VMX_MSR_TRUE_PIN), !!(vmx->caps.basic & BASIC_TRUE_CTLS));
}

/* The older MSR of a pair allows no more; its reserved bits that are 1 are so by default. */
static void pair(u32 old, u32 new, u32 default1)
{
	struct vmx_ctl_caps older = ctl_from_msr(rdmsr(old)), newer = ctl_from_msr(rdmsr(new));

	GUEST_EXPECT(older.may, newer.may);
	GUEST_EXPECT(older.must & ~newer.must & ~default1, 0);
	GUEST_EXPECT(newer.must & ~older.must, 0);
	GUEST_EXPECT(newer.must & ~newer.may, 0);
}

static void pairs(void)
{
	if (!(l1_vmxon()->caps.basic & BASIC_TRUE_CTLS))
		claim_skip("no TRUE MSRs");
	pair(VMX_MSR_PIN, VMX_MSR_TRUE_PIN, PIN_DEFAULT1);
	pair(VMX_MSR_PROC, VMX_MSR_TRUE_PROC, PROC_DEFAULT1);
	pair(VMX_MSR_EXIT, VMX_MSR_TRUE_EXIT, EXITC_DEFAULT1);
	pair(VMX_MSR_ENTRY, VMX_MSR_TRUE_ENTRY, ENTRYC_DEFAULT1);
}

/* What needs another control, by the SDM's "Checks on VMX Controls". */
static void needs(void)
{
	const struct vmx_caps *c = &l1_vmxon()->caps;

	if (ctl_may(c->pin, PIN_POSTED_INTR))
		GUEST_ASSERT(ctl_may(c->proc2, PROC2_VIRT_INTR) && ctl_may(c->exit, EXITC_ACK_INT));
	if (c->proc2.may & (PROC2_UNRESTRICTED | PROC2_PML | PROC2_EPT_VE | PROC2_MODE_EXEC))
		GUEST_ASSERT(ctl_may(c->proc2, PROC2_EPT));
	if (c->proc2.may & (PROC2_X2APIC | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR))
		GUEST_ASSERT(ctl_may(c->proc, PROC_TPR_SHADOW));
	if (ctl_may(c->exit, EXITC_SAVE_PREEMPT_TIMER))
		GUEST_ASSERT(ctl_may(c->pin, PIN_PREEMPT_TIMER));
	if (ctl_may(c->proc2, PROC2_EPT))
		GUEST_ASSERT(c->ept_vpid & EPTCAP_WALK_4);
}

/* A control that is not offered makes the entry fail, each alone. */
static void others(u64 field, struct vmx_ctl_caps caps)
{
	u64 usual = l1_vmread(field);

	for (u32 bit = 0; bit < 32; bit++) {
		if (caps.may & BIT(bit))
			continue;
		l1_vmwrite(field, usual | BIT(bit));
		EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	}
	l1_vmwrite(field, usual);
}

static void not_offered(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	others(VMCS_PIN_CTLS, vmx->caps.pin);
	others(VMCS_PROC_CTLS, vmx->caps.proc);
	if (ctl_may(vmx->caps.proc, PROC_SECONDARY)) {
		l1_set(VMCS_PROC_CTLS, PROC_SECONDARY);
		others(VMCS_PROC2_CTLS, vmx->caps.proc2);
	}
	others(VMCS_EXIT_CTLS, vmx->caps.exit);
	others(VMCS_ENTRY_CTLS, vmx->caps.entry);
}

/* An exception that L2, which cannot be entered, is to get: how the entry ends. */
static u64 injected(u32 info)
{
	l1_prepare(l2_unreachable);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HARD_EXC | info);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, 0);
	l1_vmwrite(VMCS_GUEST_RFLAGS, 0);
	return l1_vmlaunch();
}

/* SDM: "VM-Entry Control Fields", deliver-error-code bit. */
static void error_codes(void)
{
	bool any = l1_vmxon()->caps.basic & BASIC_NO_ERROR_CODE;
	u64 entered = EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE;
	u64 wrong = any ? entered : VM_FAIL_VALID(VMERR_BAD_CONTROLS);

	EXPECT_OUTCOME(injected(VEC_GP | INTR_HAS_ERROR), entered);
	EXPECT_OUTCOME(injected(VEC_UD), entered);
	EXPECT_OUTCOME(injected(VEC_GP), wrong);
	EXPECT_OUTCOME(injected(VEC_UD | INTR_HAS_ERROR), wrong);
}

CLAIMS = { { exist, "a capability MSR is there just where its control is" },
	   { pairs, "TRUE MSRs allow what the older ones do, and demand no more" },
	   { needs, "what needs another control comes with it" },
	   { not_offered, "each control that is not offered makes the entry fail" },
	   { error_codes, "an exception with or without its error code, as VMX_BASIC says" },
	   END_OF_CLAIMS };
