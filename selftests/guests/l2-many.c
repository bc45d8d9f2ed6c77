// SPDX-License-Identifier: GPL-2.0-only
/*
 * More VMCSs in use than a hypervisor may keep active by itself: each is what it
 * was when it is loaded again, and VMCLEAR of any puts all of it into memory.
 * Writes to port 0x80 are where `saved` moves the machine.
 * SDM: "Software Use of Virtual-Machine Control Structures".
 */
#include "vmx.h"

#define MANY 7

static struct {
	void *vmcs;
	bool launched;
	u64 regs[NR_GPRS];
} one[MANY];

static struct l1_vmx *vmx;

/* L2 says who it is, by what L1 wrote for it alone, and how often it has run. */
static void l2_counts(void)
{
	u64 who = rdmsr(MSR_SYSENTER_EIP);

	for (u64 i = 0;; i++) {
		u64 base;

		asm volatile("mov %%fs:0, %0" : "=r"(base));
		l2_vmcall(who + base + i);
	}
}

/* What differs from one to the next: a field that is shadowed, and others that may not be. */
static u64 who(int i)
{
	return 0x10000 * (i + 1);
}

static u64 in_memory[MANY]; /* at L2's FS base */

static void move_here(void)
{
	outb(0x80, 0);
}

static void take(int i)
{
	EXPECT_OUTCOME(vmptrld((u64)one[i].vmcs), VM_OK);
	vmx->vmcs = one[i].vmcs;
	vmx->launched = one[i].launched;
	memcpy(vmx->regs, one[i].regs, sizeof(vmx->regs));
}

static void put(int i)
{
	one[i].launched = vmx->launched;
	memcpy(one[i].regs, vmx->regs, sizeof(vmx->regs));
}

static void fill(int i)
{
	l1_fill_vmcs(vmx, l2_counts);
	in_memory[i] = 0x100 * (i + 1);
	l1_vmwrite(VMCS_GUEST_SYSENTER_EIP, who(i));
	l1_vmwrite(VMCS_GUEST_FS_BASE, (u64)&in_memory[i]);
	l1_vmwrite(VMCS_HOST_SYSENTER_ESP, who(i) + 1);
	l1_vmwrite(VMCS_TSC_OFFSET, who(i) + 2);
	memset(one[i].regs, 0, sizeof(one[i].regs));
	one[i].vmcs = vmx->vmcs;
	one[i].launched = false;
}

/* All of them run with a stack each: what l1_new_vmcs() gives is for two. */
static void prepare(void)
{
	vmx = l1_prepare(l2_counts);
	for (int i = 0; i < MANY; i++) {
		if (i)
			l1_new_vmcs(vmx);
		fill(i);
		l1_vmwrite(VMCS_GUEST_RSP, (u64)page_alloc() + 4096 - 64);
	}
}

static void expect_fields(int i)
{
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SYSENTER_EIP), who(i));
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_FS_BASE), (u64)&in_memory[i]);
	GUEST_EXPECT(l1_vmread(VMCS_HOST_SYSENTER_ESP), who(i) + 1);
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), who(i) + 2);
}

/* The @n-th run of L2 @i, whose VMCS is current. */
static void run(int i, u64 n)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], who(i) + in_memory[i] + n);
	l1_skip_insn();
}

static void turn(int i, u64 n)
{
	take(i);
	run(i, n);
	expect_fields(i);
	put(i);
}

static void in_turn(void)
{
	prepare();
	for (u64 n = 0; n < 4; n++)
		for (int i = 0; i < MANY; i++)
			turn(i, n);
	for (int i = MANY - 1; i >= 0; i--)
		turn(i, 4);
}

/* Two, three and four at a time, more often than the rest. */
static void some_more_often(void)
{
	u64 n[MANY] = { 0 };

	prepare();
	for (int group = 2; group <= 4; group++)
		for (int times = 0; times < 3; times++)
			for (int i = 0; i < group; i++)
				turn(i, n[i]++);
	for (int i = 0; i < MANY; i++)
		turn(i, n[i]++);
}

static void written_without_a_run(void)
{
	prepare();
	for (int i = 0; i < MANY; i++) {
		take(i);
		l1_vmwrite(VMCS_GUEST_RSP, 0x5000 + i);
		l1_vmwrite(VMCS_PF_ERROR_MATCH, 0x6000 + i);
		l1_vmwrite(VMCS_GUEST_ES_BASE, 0x7000 + i);
		put(i);
	}
	for (int i = 0; i < MANY; i++) {
		take(i);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RSP), 0x5000 + i);
		GUEST_EXPECT(l1_vmread(VMCS_PF_ERROR_MATCH), 0x6000 + i);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_ES_BASE), 0x7000 + i);
	}
}

/* A copy of a cleared VMCS' page is another VMCS, with all of it, and is launched. */
static void copy_and_run(int i, u64 n)
{
	u8 *copy = page_alloc();

	memcpy(copy, one[i].vmcs, 4096);
	one[i].vmcs = copy;
	one[i].launched = false;
	EXPECT_OUTCOME(vmclear((u64)copy), VM_OK);
	take(i);
	expect_fields(i);
	run(i, n);
	put(i);
}

/* VMCLEAR of one that is not current, be it lately used or long ago. */
static void cleared_elsewhere(void)
{
	u64 current;

	prepare();
	for (int i = 0; i < MANY; i++)
		turn(i, 0);
	take(0);
	for (int i = 1; i < MANY; i++)
		EXPECT_OUTCOME(vmclear((u64)one[i].vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrst(&current), VM_OK);
	GUEST_EXPECT(current, (u64)one[0].vmcs);
	run(0, 1);
	put(0);
	for (int i = 1; i < MANY; i++)
		copy_and_run(i, 1);
	turn(0, 2);
}

/* What the processor had of it was good for what memory had then. */
static void changed_in_memory(void)
{
	prepare();
	turn(0, 0);
	turn(1, 0);
	for (int i = 0; i < 2; i++)
		EXPECT_OUTCOME(vmclear((u64)one[i].vmcs), VM_OK);
	memcpy(one[0].vmcs, one[1].vmcs, 4096);
	memcpy(one[0].regs, one[1].regs, sizeof(one[0].regs));
	one[0].launched = false;
	take(0);
	expect_fields(1);
	run(1, 1);
	put(0);
	EXPECT_OUTCOME(vmclear((u64)one[0].vmcs), VM_OK);
	one[0].launched = false;
	take(0);
	expect_fields(1);
	run(1, 2);
}

/* Cleared and launched again and again, unchanged, then with one field changed between. */
static void cleared_again(void)
{
	prepare();
	for (u64 n = 0; n < 5; n++) {
		turn(0, n);
		EXPECT_OUTCOME(vmclear((u64)one[0].vmcs), VM_OK);
		one[0].launched = false;
	}
	take(0);
	l1_vmwrite(VMCS_GUEST_FS_BASE, (u64)&in_memory[1]);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], who(0) + in_memory[1] + 5);
}

static void launch_states(void)
{
	prepare();
	turn(0, 0);
	turn(1, 0);
	take(0);
	EXPECT_OUTCOME(vmlaunch(vmx), VM_FAIL_VALID(VMERR_VMLAUNCH_NOT_CLEAR));
	EXPECT_OUTCOME(vmclear((u64)one[1].vmcs), VM_OK);
	take(1);
	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	take(2);
	EXPECT_OUTCOME(vmresume(vmx), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	turn(0, 1);
}

/* The current VMCS, too: VMPTRLD reads the identifier from memory. */
static void revision_is_read(void)
{
	u64 current;

	prepare();
	turn(0, 0);
	turn(1, 0);
	for (int i = 0; i < 2; i++) {
		u32 *word = one[i].vmcs, was = *word;

		*word = was ^ 1;
		EXPECT_OUTCOME(vmptrld((u64)one[i].vmcs),
			       VM_FAIL_VALID(VMERR_VMPTRLD_BAD_REVISION));
		EXPECT_OUTCOME(vmptrst(&current), VM_OK);
		GUEST_EXPECT(current, (u64)one[1].vmcs);
		*word = was;
	}
	turn(0, 1);
	turn(1, 1);
}

/* --- what is one VMCS' and not another's ----------------------------------- */

static void l2_reads_msr(void)
{
	for (;;) {
		(void)rdmsr(MSR_SYSENTER_CS);
		l2_vmcall(0);
	}
}

static void bitmaps_of_their_own(void)
{
	void *vmcs[2];
	u8 *ones;

	vmx = l1_prepare(l2_reads_msr);
	l1_need_proc(PROC_MSR_BITMAPS);
	vmcs[0] = vmx->vmcs;
	EXPECT_EXIT(EXIT_VMCALL);
	l1_skip_insn();
	vmcs[1] = l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2_reads_msr);
	ones = page_alloc();
	memset(ones, 0xff, 4096);
	l1_vmwrite(VMCS_MSR_BITMAP, (u64)ones);
	EXPECT_EXIT(EXIT_RDMSR);
	for (int i = 0; i < 6; i++) {
		EXPECT_OUTCOME(vmptrld((u64)vmcs[i % 2]), VM_OK);
		EXPECT_EXIT(i % 2 ? EXIT_RDMSR : EXIT_VMCALL);
		if (!(i % 2))
			l1_skip_insn();
	}
}

static void l2_loads_segments(void)
{
	for (;;) {
		asm volatile("mov %0, %%fs" : : "r"(0));
		l2_vmcall(0);
		asm volatile("mov %0, %%fs" : : "r"(SEL_DATA));
		l2_vmcall(0);
	}
}

/* L2's own changes, in fields that no L1 looks at often. */
static void segments_stay(void)
{
	void *vmcs[2];

	vmx = l1_prepare(l2_loads_segments);
	vmcs[0] = vmx->vmcs;
	EXPECT_EXIT(EXIT_VMCALL); /* its FS is null */
	l1_skip_insn();
	vmcs[1] = l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2_loads_segments);
	for (int i = 0; i < 2; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
	}
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_FS_SEL), SEL_DATA);
	EXPECT_OUTCOME(vmptrld((u64)vmcs[0]), VM_OK);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_FS_SEL), 0);
	EXPECT_OUTCOME(vmclear((u64)vmcs[1]), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmcs[1]), VM_OK);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_FS_SEL), SEL_DATA);
}

/* --- the machine is moved --------------------------------------------------- */

static void moved_in_between(void)
{
	static u64 current;

	prepare();
	for (u64 n = 0; n < 2; n++)
		for (int i = 0; i < MANY; i++) {
			take(i);
			l1_vmwrite(VMCS_PF_ERROR_MATCH, n);
			move_here();
			run(i, n);
			move_here();
			expect_fields(i);
			EXPECT_OUTCOME(vmptrst(&current), VM_OK);
			GUEST_EXPECT(current, (u64)one[i].vmcs);
			if (i % 3 == 1) {
				EXPECT_OUTCOME(vmclear((u64)one[i].vmcs), VM_OK);
				vmx->launched = false;
			}
			put(i);
			move_here();
		}
}

CLAIMS = { { in_turn, "seven VMCSs in turn" },
	   { some_more_often, "some of them more often than others" },
	   { written_without_a_run, "what L1 wrote stays, though L2 never ran" },
	   { cleared_elsewhere, "VMCLEAR of one that is not current writes all of it" },
	   { changed_in_memory, "a cleared VMCS is what memory has" },
	   { cleared_again, "cleared and launched, with nothing changed and with something" },
	   { launch_states, "each has its launch state" },
	   { revision_is_read, "VMPTRLD reads the revision identifier, of the current one, too" },
	   { bitmaps_of_their_own, "each has its MSR bitmap" },
	   { segments_stay, "each has the segments that its L2 loaded" },
	   { moved_in_between, "userspace may move the machine at any time" },
	   END_OF_CLAIMS };
