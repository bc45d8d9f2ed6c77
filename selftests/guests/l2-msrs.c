// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR load and store lists, and the MSRs that the controls load and save.
 * SDM: "Loading MSRs", "Saving MSRs", "Loading Host State", "VMX Aborts".
 */
#include "vmx.h"

static u64 l2_value[4];

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void l2_reads(void)
{
	l2_value[0] = rdmsr(MSR_KERNEL_GS_BASE);
	l2_value[1] = rdmsr(MSR_LSTAR);
	wrmsr(MSR_KERNEL_GS_BASE, 0x3000);
	wrmsr(MSR_LSTAR, 0x4000);
	l2_vmcall(0x600d);
}

static void lists(void)
{
	struct msr_entry *load, *store, *host;

	l1_prepare(l2_reads);
	load = page_alloc();
	store = page_alloc();
	host = page_alloc();
	wrmsr(MSR_KERNEL_GS_BASE, 0x111);
	wrmsr(MSR_LSTAR, 0x222);
	load[0] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0x1000 };
	load[1] = (struct msr_entry){ MSR_LSTAR, 0, 0x2000 };
	store[0] = (struct msr_entry){ MSR_LSTAR, 0, 0 };
	store[1] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0 };
	host[0] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0x111 };
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)load);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_ADDR, (u64)store);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 2);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, (u64)host);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x1000);
	GUEST_EXPECT(l2_value[1], 0x2000);
	GUEST_EXPECT(store[0].value, 0x4000);
	GUEST_EXPECT(store[1].value, 0x3000);
	GUEST_EXPECT(rdmsr(MSR_KERNEL_GS_BASE), 0x111);
	GUEST_EXPECT(rdmsr(MSR_LSTAR), 0x4000); /* no list loads it back */
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_LSTAR, 0);
}

/* A list of 300 entries crosses a page. */
static void long_list(void)
{
	struct msr_entry *load, *store;

	l1_prepare(l2_reads);
	load = pages_alloc(2);
	store = pages_alloc(2);
	for (u64 i = 0; i < 300; i++)
		load[i] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0x1000 * i };
	for (u64 i = 0; i < 300; i++)
		store[i].index = MSR_LSTAR;
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)load);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 300);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_ADDR, (u64)store);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 300);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x1000 * 299);
	GUEST_EXPECT(store[299].value, 0x4000);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_LSTAR, 0);
}

static void l2_pat_efer(void)
{
	l2_value[0] = rdmsr(MSR_PAT);
	l2_value[1] = rdmsr(MSR_EFER);
	wrmsr(MSR_PAT, 0x0404040404040404);
	wrmsr(MSR_EFER, l2_value[1] ^ EFER_SCE);
	l2_vmcall(0x600d);
}

static void pat_and_efer(void)
{
	u64 efer = rdmsr(MSR_EFER);

	l1_prepare(l2_pat_efer);
	l1_need_entry(ENTRYC_LOAD_EFER | ENTRYC_LOAD_PAT);
	l1_vmwrite(VMCS_GUEST_PAT, 0x0606060606060606);
	l1_vmwrite(VMCS_GUEST_EFER, efer ^ EFER_SCE);
	l1_vmwrite(VMCS_HOST_PAT, 0x0007040600070406);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x0606060606060606);
	GUEST_EXPECT(l2_value[1], efer ^ EFER_SCE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PAT), 0x0404040404040404);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_EFER), efer);
	GUEST_EXPECT(rdmsr(MSR_PAT), 0x0007040600070406);
	GUEST_EXPECT(rdmsr(MSR_EFER), efer);
}

/* Without the controls L2 has L1's PAT, and L1 gets L2's. */
static void pat_not_switched(void)
{
	u64 pat = rdmsr(MSR_PAT);

	l1_prepare(l2_pat_efer);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_PAT);
	l1_clear(VMCS_EXIT_CTLS, EXITC_LOAD_PAT | EXITC_SAVE_PAT);
	l1_vmwrite(VMCS_GUEST_PAT, 0x0606060606060606);
	expect_end();
	GUEST_EXPECT(l2_value[0], pat);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PAT), 0x0606060606060606);
	GUEST_EXPECT(rdmsr(MSR_PAT), 0x0404040404040404);
	wrmsr(MSR_PAT, pat);
}

static void l2_segments(void)
{
	wrmsr(MSR_FS_BASE, 0x7000);
	wrmsr(MSR_GS_BASE, 0x8000);
	wrmsr(MSR_SYSENTER_CS, 0x18);
	wrmsr(MSR_SYSENTER_ESP, 0x9000);
	wrmsr(MSR_SYSENTER_EIP, 0xa000);
	l2_vmcall(0x600d);
}

static void segment_and_sysenter(void)
{
	l1_prepare(l2_segments);
	l1_vmwrite(VMCS_HOST_FS_BASE, 0x10);
	l1_vmwrite(VMCS_HOST_GS_BASE, 0x20);
	l1_vmwrite(VMCS_HOST_SYSENTER_CS, 0x30);
	l1_vmwrite(VMCS_HOST_SYSENTER_ESP, 0x40);
	l1_vmwrite(VMCS_HOST_SYSENTER_EIP, 0x50);
	expect_end();
	GUEST_EXPECT(rdmsr(MSR_FS_BASE), 0x10);
	GUEST_EXPECT(rdmsr(MSR_GS_BASE), 0x20);
	GUEST_EXPECT(rdmsr(MSR_SYSENTER_CS), 0x30);
	GUEST_EXPECT(rdmsr(MSR_SYSENTER_ESP), 0x40);
	GUEST_EXPECT(rdmsr(MSR_SYSENTER_EIP), 0x50);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_FS_BASE), 0x7000);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_GS_BASE), 0x8000);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SYSENTER_CS), 0x18);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SYSENTER_ESP), 0x9000);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SYSENTER_EIP), 0xa000);
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
}

static void l2_unknown(void)
{
	u64 v;

	l2_value[0] = try_rdmsr(VMX_MSR_BASIC, &v);
	l2_value[1] = try_wrmsr(MSR_LSTAR, 0x8000000000000000ULL);
	l2_value[2] = try_wrmsr(MSR_PAT, 2);
	l2_vmcall(0x600d);
}

/* What the bitmap lets through L0 handles for L2 as for L1. */
static void passed_through(void)
{
	l1_prepare(l2_unknown);
	expect_end();
	GUEST_EXPECT(l2_value[0], NO_TRAP);
	GUEST_EXPECT(l2_value[1], VEC_GP);
	GUEST_EXPECT(l2_value[2], VEC_GP);
}

/* SS, DS and the other selectors, and segment limits, as the SDM loads them. */
static void host_segments(void)
{
	struct table_pointer g, i;
	u16 ss, tr, ldt;

	l1_prepare(l2_segments);
	expect_end();
	asm volatile("sgdt %0; sidt %1; mov %%ss, %2; str %3; sldt %4"
		     : "=m"(g), "=m"(i), "=r"(ss), "=r"(tr), "=r"(ldt));
	GUEST_EXPECT(g.limit, 0xffff);
	GUEST_EXPECT(i.limit, 0xffff);
	GUEST_EXPECT(g.base, (u64)gdt);
	GUEST_EXPECT(ss, SEL_DATA);
	GUEST_EXPECT(tr, SEL_TSS(0));
	GUEST_EXPECT(ldt, 0);
	GUEST_EXPECT(read_dr7(), 0x400);
	GUEST_EXPECT(read_flags() & ~0x2ULL & ~RFLAGS_ARITH, 0);
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
}

CLAIMS = { { lists, "entry loads, exit stores and exit loads by the three lists" },
	   { long_list, "lists of 300 entries, in order" },
	   { pat_and_efer, "PAT and EFER by their controls" },
	   { pat_not_switched, "PAT is shared without the controls" },
	   { segment_and_sysenter, "FS, GS and SYSENTER MSRs are always switched" },
	   { passed_through, "MSRs that the bitmap passes still fault as they should" },
	   { host_segments, "descriptor tables, selectors, DR7 and RFLAGS after an exit" },
	   END_OF_CLAIMS };
