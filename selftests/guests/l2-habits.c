// SPDX-License-Identifier: GPL-2.0-only
/*
 * What big hypervisors do and textbooks don't: many VMCSs on one processor, all
 * leaving and entering VMX operation, an invalidation before each entry, steps
 * through code by the monitor trap flag, time that is moved about, VMCALL from
 * every ring, execute-only large pages, all of L2's state written for each entry, and
 * a start from a BIOS' reset vector.
 * SDM: "Software Use of Virtual-Machine Control Structures", "VMX Transitions".
 */
#include "vmx.h"

#define PLAYGROUND 0x3e000000ULL /* 2 MiB that nothing else uses */
#define MANY 24			 /* VMCSs, more than anybody caches roots for */
#define ROUNDS 50

/* L2s without a stack. RBX counts; what they read goes to RAX. */
void l2_count(void), l2_load(void), l2_selects(void), l2_cpuids(void), l2_steps(void),
	l2_clock(void);
extern const u8 l2_bios[], l2_bios_end[], l2_steps_end[];

asm(".pushsection .text\n"
    "l2_count:\n"
    "	inc %rbx\n"
    "	vmcall\n"
    "	jmp l2_count\n"
    "l2_load:\n"
    "	mov (%rdi), %rax\n"
    "	vmcall\n"
    "	jmp l2_load\n"
    "l2_selects:\n"
    "	mov %fs, %eax\n"
    "	mov %edi, %gs\n"
    "	mov %edi, %ds\n"
    "	vmcall\n"
    "	jmp l2_selects\n"
    "l2_cpuids:\n"
    "	xor %eax, %eax\n"
    "	cpuid\n"
    "	inc %rbx\n"
    "	jmp l2_cpuids\n"
    "l2_steps:\n"
    "	nop\n"
    "	inc %rbx\n"
    "	lea 1(%rbx), %rcx\n"
    "	jmp l2_steps\n"
    "l2_steps_end:\n"
    "l2_clock:\n"
    "	rdtsc\n"
    "	vmcall\n"
    "	jmp l2_clock\n"
    ".code16\n"
    "l2_bios:\n"
    "	mov %cr0, %eax\n"
    "	or $1, %al\n"
    "	mov %eax, %cr0\n"
    "	vmcall\n"
    "l2_bios_end:\n"
    ".code64\n"
    ".popsection\n");

/* Each has a VPID and EPT tables of its own, and so a world of its own. */
static void many_vmcss(void)
{
	static u64 rbx[MANY];
	static void *vmcs[MANY];
	struct l1_vmx *vmx = l1_prepare(l2_load);

	for (int i = 0; i < MANY; i++) {
		u64 *page = page_alloc();

		vmcs[i] = l1_new_vmcs(vmx);
		if (vmx->ept_pml4)
			l1_ept_build(vmx);
		l1_fill_vmcs(vmx, l2_load);
		if (ctl_may(vmx->caps.proc2, PROC2_VPID))
			l1_vmwrite(VMCS_VPID, 100 + i);
		if (vmx->ept_pml4)
			*l1_ept_entry(vmx, PLAYGROUND) = (u64)page | EPTE_RWX |
							 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
		rbx[i] = *page = 0x1000 + i;
	}
	if (!vmx->ept_pml4)
		claim_skip("no EPT");
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < MANY; i++) {
			EXPECT_OUTCOME(vmptrld((u64)vmcs[i]), VM_OK);
			vmx->launched = round > 0;
			vmx->regs[GPR_RDI] = PLAYGROUND;
			vmx->regs[GPR_RAX] = 0;
			EXPECT_EXIT(EXIT_VMCALL);
			GUEST_EXPECT(vmx->regs[GPR_RAX], rbx[i]);
			l1_skip_insn();
		}
	}
}

/* VMXOFF leaves the VMCS in memory: VMXON, VMPTRLD, VMLAUNCH, and L2 goes on. */
static void off_and_on(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_count);

	vmx->regs[GPR_RBX] = 0;
	for (u64 i = 1; i <= ROUNDS; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RBX], i);
		l1_skip_insn();
		EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
		EXPECT_OUTCOME(vmxoff(), VM_OK);
		EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
		EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
		vmx->launched = false;
	}
}

/* Before each entry another page, and another way to say so. */
static void invalidations(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_load);
	u64 *entry, *page = page_alloc();
	struct inv_desc root = { 0, 0 }, tag = { 1, PLAYGROUND };

	l1_need_ept(EPTCAP_INVEPT | EPTCAP_INVEPT_SINGLE | EPTCAP_INVEPT_ALL | EPTCAP_INVVPID |
		    EPTCAP_INVVPID_ADDR | EPTCAP_INVVPID_SINGLE | EPTCAP_INVVPID_ALL |
		    EPTCAP_INVVPID_NON_GLOBAL);
	l1_need_proc2(PROC2_VPID);
	root.first = l1_vmread(VMCS_EPT_POINTER);
	entry = l1_ept_entry(vmx, PLAYGROUND);
	for (u64 i = 0; i < ROUNDS; i++) {
		page = i % 8 ? page : page_alloc();
		*page = i;
		*entry = (u64)page | EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
		EXPECT_OUTCOME(invept(i % 2 ? 1 : 2, &root), VM_OK);
		EXPECT_OUTCOME(invvpid(i % 4, &tag), VM_OK);
		vmx->regs[GPR_RDI] = PLAYGROUND;
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		l1_skip_insn();
	}
}

static void cpuid_storm(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_cpuids);
	u64 rip = 0;

	vmx->regs[GPR_RBX] = 0;
	for (u64 i = 0; i < 2000; i++) {
		EXPECT_EXIT(EXIT_CPUID);
		GUEST_EXPECT(vmx->regs[GPR_RBX], i);
		rip = rip ?: l1_vmread(VMCS_GUEST_RIP);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), rip);
		l1_skip_insn();
	}
}

/* Each step is one instruction: four make a round of the loop. */
static void stepping(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_steps);
	u64 start = (u64)l2_steps, end = (u64)l2_steps_end, last = start, rip;

	l1_use_proc(PROC_MTF);
	vmx->regs[GPR_RBX] = 0;
	for (u64 i = 1; i <= 4 * ROUNDS; i++) {
		EXPECT_EXIT(EXIT_MTF);
		rip = l1_vmread(VMCS_GUEST_RIP);
		GUEST_ASSERT(i % 4 ? rip > last && rip < end : rip == start);
		GUEST_EXPECT(vmx->regs[GPR_RBX], (i + 2) / 4);
		last = rip;
	}
}

/* L2's time is L1's plus the offset of this very entry. */
static void time_moves(void)
{
	static const u64 offsets[] = { 0,
				       1,
				       1ULL << 31,
				       1ULL << 32,
				       1ULL << 63,
				       -1ULL,
				       -(1ULL << 31),
				       -(1ULL << 40),
				       0x123456789abcdefULL };
	struct l1_vmx *vmx = l1_prepare(l2_clock);
	u64 before, read;

	l1_use_proc(PROC_TSC_OFFSET);
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 offset = offsets[i % ARRAY_SIZE(offsets)];

		l1_vmwrite(VMCS_TSC_OFFSET, offset);
		before = rdtsc();
		EXPECT_EXIT(EXIT_VMCALL);
		read = (vmx->regs[GPR_RAX] & 0xffffffff) | vmx->regs[GPR_RDX] << 32;
		GUEST_ASSERT(read - offset - before < rdtsc() - before);
		l1_skip_insn();
	}
}

/* L1 moves its own TSC, and L2's moves with it. */
static void adjusted_time(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_clock);
	u64 adjust, before, read;

	if (try_rdmsr(MSR_TSC_ADJUST, &adjust) != NO_TRAP)
		claim_skip("no TSC_ADJUST");
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	for (u64 i = 1; i <= 10; i++) {
		wrmsr(MSR_TSC_ADJUST, adjust + (i << 41));
		before = rdtsc();
		EXPECT_EXIT(EXIT_VMCALL);
		read = (vmx->regs[GPR_RAX] & 0xffffffff) | vmx->regs[GPR_RDX] << 32;
		GUEST_ASSERT(read - (1ULL << 50) - before < rdtsc() - before);
		l1_skip_insn();
	}
	wrmsr(MSR_TSC_ADJUST, adjust);
}

/* VMCALL exits whatever the privilege, and the VMCS tells which it was. */
static void every_ring(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_count);

	vmx->regs[GPR_RBX] = 0;
	for (u64 ring = 0; ring < 4; ring++) {
		l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE64 | ring);
		l1_vmwrite(VMCS_SEG_AR(SEG_CS), 0xa09b | ring << 5);
		l1_vmwrite(VMCS_GUEST_SS_SEL, SEL_DATA | ring);
		l1_vmwrite(VMCS_SEG_AR(SEG_SS), 0xc093 | ring << 5);
		for (int s = SEG_DS; s <= SEG_GS; s++)
			l1_vmwrite(VMCS_SEG_AR(s), 0xc0f3);
		l1_vmwrite(VMCS_SEG_AR(SEG_ES), 0xc0f3);
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RBX], ring + 1);
		GUEST_EXPECT(l1_vmread(VMCS_SEG_AR(SEG_SS)) >> 5 & 3, ring);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
		l1_skip_insn();
	}
}

static void enter_ring_3(void)
{
	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE64 | 3);
	l1_vmwrite(VMCS_SEG_AR(SEG_CS), 0xa0fb);
	l1_vmwrite(VMCS_GUEST_SS_SEL, SEL_DATA | 3);
	l1_vmwrite(VMCS_SEG_AR(SEG_SS), 0xc0f3);
	for (int s = SEG_DS; s <= SEG_GS; s++)
		l1_vmwrite(VMCS_SEG_AR(s), 0xc0f3);
	l1_vmwrite(VMCS_SEG_AR(SEG_ES), 0xc0f3);
}

#define MSR_PLATFORM_INFO 0xce
#define MSR_MISC_FEATURES_ENABLES 0x140

static void l2_cpuid(void)
{
	cpuid(0);
	l2_vmcall(0x600d);
}

/* A fault that the privilege level makes goes before an exit. */
static void cpuid_forbidden(void)
{
	u64 info, reason;

	if (try_rdmsr(MSR_PLATFORM_INFO, &info) != NO_TRAP || !(info & BIT(31)))
		claim_skip("no CPUID faulting");
	l1_prepare(l2_cpuid);
	enter_ring_3();
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	wrmsr(MSR_MISC_FEATURES_ENABLES, 1);
	reason = l1_run();
	wrmsr(MSR_MISC_FEATURES_ENABLES, 0);
	EXPECT_OUTCOME(reason, EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
	EXPECT_EXIT(EXIT_CPUID);
}

/* All of 2 MiB is for executing only: code runs there, and a read of it exits. */
static void large_execute_only(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_load);
	/* The end of the pool of pages, which no claim reaches. */
	u8 *code = (u8 *)POOL_END - (1 << 21);
	u64 *entry;

	l1_need_ept(EPTCAP_EXEC_ONLY | EPTCAP_2M);
	memcpy(code, (void *)l2_load, 16);
	entry = l1_ept_large_entry(vmx, PLAYGROUND);
	*entry = (u64)code | EPTE_X | EPTE_LARGE | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	l1_invept(vmx);
	vmx->regs[GPR_RDI] = (u64)&vmx->regs[GPR_RDI];
	l1_vmwrite(VMCS_GUEST_RIP, PLAYGROUND);
	EXPECT_EXIT(EXIT_VMCALL);
	l1_skip_insn();
	vmx->regs[GPR_RDI] = PLAYGROUND + 0x1ff000;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), PLAYGROUND + 0x1ff000);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0x3f, EPTQ_READ | EPTQ_CAN_EXEC);
}

/* A processor after reset: F000:FFF0 with the base of the last 64 KiB below 4 GiB. */
static void reset_vector(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_count);
	u8 *rom = page_alloc();

	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	memcpy(rom + 0xf00, l2_bios, l2_bios_end - l2_bios);
	memcpy(rom + 0xff0, "\xe9\x0d\xff", 3); /* jmp back there */
	*l1_ept_entry(vmx, 0xfffff000) = (u64)rom | EPTE_R | EPTE_X |
					 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_vmwrite(VMCS_GUEST_CR0, l1_vmread(VMCS_GUEST_CR0) & ~(u64)(CR0_PE | CR0_PG));
	l1_vmwrite(VMCS_GUEST_CR4, l1_vmread(VMCS_GUEST_CR4) & ~CR4_PAE);
	for (int s = SEG_ES; s <= SEG_GS; s++) {
		l1_vmwrite(VMCS_SEG_SEL(s), s == SEG_CS ? 0xf000 : 0);
		l1_vmwrite(VMCS_SEG_BASE(s), s == SEG_CS ? 0xffff0000 : 0);
		l1_vmwrite(VMCS_SEG_LIMIT(s), 0xffff);
		l1_vmwrite(VMCS_SEG_AR(s), s == SEG_CS ? 0x9b : 0x93);
	}
	l1_vmwrite(VMCS_GUEST_RIP, 0xfff0);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0) & CR0_PE, CR0_PE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CS_BASE), 0xffff0000);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CS_SEL), 0xf000);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), 0xff00 + (l2_bios_end - l2_bios) - 3);
}

/* What fill_state() writes, L1 is to read until L2 changes it. */
static const struct {
	u32 field;
	u64 base; /* written: this and the round's number */
} written[] = {
	{ VMCS_GUEST_FS_BASE, 0x5000 },	     { VMCS_GUEST_LDTR_BASE, 0x600000 },
	{ VMCS_GUEST_ES_LIMIT, 0xffff0000 }, { VMCS_GUEST_SYSENTER_CS, 0x100 },
	{ VMCS_GUEST_SYSENTER_ESP, 0x7000 }, { VMCS_GUEST_SYSENTER_EIP, 0x8000 },
};

static void fill_state(struct l1_vmx *vmx, u64 round)
{
	l1_fill_vmcs(vmx, l2_selects);
	l1_vmwrite(VMCS_GUEST_ES_AR, AR_UNUSABLE);
	l1_vmwrite(VMCS_GUEST_FS_SEL, round & 1 ? SEL_DATA : SEL_UDATA);
	l1_vmwrite(VMCS_GUEST_FS_AR, round & 1 ? 0xc093 : 0xc0f3);
	for (unsigned int i = 0; i < ARRAY_SIZE(written); i++)
		l1_vmwrite(written[i].field, written[i].base + round);
}

static void expect_state(u64 round)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(written); i++)
		GUEST_EXPECT(l1_vmread(written[i].field), written[i].base + round);
}

/*
 * Two VMCSs in turn, of each all of the state written for each entry, as hypervisors
 * do that run hypervisors: what L1 wrote is what L2 has, and what L2 made of it L1
 * reads, and what an exit does not change is as it was.
 */
static void written_anew(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_selects);
	bool any = vmx->caps.misc & MISC_VMWRITE_ANY;
	void *vmcs[2] = { vmx->vmcs, l1_new_vmcs(vmx) };

	for (u64 round = 0; round < 60; round++) {
		EXPECT_OUTCOME(vmptrld((u64)vmcs[round & 1]), VM_OK);
		vmx->launched = round > 1;
		fill_state(vmx, round);
		expect_state(round);
		if (any)
			l1_vmwrite(VMCS_EXIT_QUAL, 0x900d + round);
		EXPECT_OUTCOME(vmwrite(VMCS_EXIT_REASON, 77), any ? VM_OK : VM_FAIL_VALID(13));
		if (any)
			GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), 77);
		vmx->regs[GPR_RDI] = round & 2 ? SEL_DATA : 0;
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], round & 1 ? SEL_DATA : SEL_UDATA);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_GS_SEL), vmx->regs[GPR_RDI]);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_DS_AR) & AR_UNUSABLE,
			     round & 2 ? 0 : AR_UNUSABLE);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
		expect_state(round);
	}
	/* The other VMCS is as it was left. */
	EXPECT_OUTCOME(vmptrld((u64)vmcs[0]), VM_OK);
	expect_state(58);
}

CLAIMS = { { many_vmcss, "24 VMCSs in turn, each with a VPID and EPT tables of its own" },
	   { off_and_on, "L2 goes on after fifty times VMXOFF and VMXON" },
	   { invalidations, "INVEPT and INVVPID of every type before each entry" },
	   { cpuid_storm, "2000 CPUID exits come one by one" },
	   { stepping, "the monitor trap flag steps through a loop" },
	   { time_moves, "a TSC offset is that of this entry, whatever the last one" },
	   { adjusted_time, "L1's TSC_ADJUST moves L2's time too" },
	   { every_ring, "VMCALL exits from each ring" },
	   { written_anew, "all of L2's state written for each entry, and read after it" },
	   { large_execute_only, "an execute-only page of 2 MiB executes and cannot be read" },
	   { reset_vector, "L2 starts at a BIOS' reset vector and enters protected mode" },
	   { cpuid_forbidden, "CPUID faulting goes before CPUID's exit" },
	   END_OF_CLAIMS };
