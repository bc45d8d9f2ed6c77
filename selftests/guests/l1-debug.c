// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers and single step, over instructions that exit and that
 * do not. SDM: "Debug Registers", "Debug Exceptions".
 */
#include "guest.h"

#define DR6_BS BIT_ULL(14)
#define DR6_BD BIT_ULL(13)
#define DR7_GD BIT_ULL(13)
#define DR7_LEN4 3
#define DR7_EXEC 0
#define DR7_WRITE 1
#define DR7_IO 2
#define DR7_ACCESS 3

static volatile u32 hits;
static volatile u64 hit_rip[64], hit_dr6, hit_rcx;

static void on_db(struct trap_frame *frame)
{
	if (hits < ARRAY_SIZE(hit_rip))
		hit_rip[hits] = frame->rip;
	hits++;
	hit_dr6 = read_dr6();
	hit_rcx = frame->rcx;
	write_dr6(0xffff0ff0);
}

/* An instruction breakpoint would hit again without RF. */
static void on_db_fault(struct trap_frame *frame)
{
	on_db(frame);
	frame->rflags |= RFLAGS_RF;
}

static void start(trap_handler_t handler)
{
	hits = 0;
	hit_dr6 = 0;
	write_dr6(0xffff0ff0);
	on_trap(VEC_DB, handler);
}

static u64 dr7(int n, u64 type, u64 len)
{
	return 0x400 | 2ULL << (2 * n) | type << (16 + 4 * n) | len << (18 + 4 * n);
}

static void keeps(void)
{
	start(on_db);
	write_dr0(0x1111);
	write_dr1(0x2222);
	write_dr2(0xffff800000003333);
	write_dr3(0x4444);
	cpuid(0);
	GUEST_EXPECT(read_dr0(), 0x1111);
	GUEST_EXPECT(read_dr1(), 0x2222);
	GUEST_EXPECT(read_dr2(), 0xffff800000003333);
	GUEST_EXPECT(read_dr3(), 0x4444);
	GUEST_EXPECT(read_dr7(), 0x400);
	write_dr6(0);
	GUEST_EXPECT(read_dr6() & ~BIT_ULL(11), 0xffff07f0);
	write_dr6(0xffff0ff0);
	GUEST_EXPECT(TRY("mov %0, %%dr7", : : "r"(BIT_ULL(32))), VEC_GP);
	GUEST_EXPECT(TRY("mov %0, %%dr6", : : "r"(BIT_ULL(32))), VEC_GP);
}

static void dr4_dr5(void)
{
	u64 v, cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_DE);
	asm volatile(".byte 0x0f, 0x21, 0xe8" : "=a"(v)); /* mov %dr5, %rax */
	GUEST_EXPECT(v, read_dr7());
	write_cr4(cr4 | CR4_DE);
	GUEST_EXPECT(TRY(".byte 0x0f, 0x21, 0xe8", : "=a"(v) :), VEC_UD);
	write_cr4(cr4);
}

static void execute(void)
{
	u64 at;

	start(on_db_fault);
	asm volatile("lea 1f(%%rip), %0; mov %0, %%dr0; mov %1, %%dr7; nop; 1: nop;"
		     "mov %2, %%dr7"
		     : "=&r"(at)
		     : "r"(dr7(0, DR7_EXEC, 0)), "r"(0x400ULL)
		     : "memory");
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_rip[0], at);
	GUEST_EXPECT(hit_dr6 & 0xf00f, 1);
}

/* The breakpoint comes before the exit that CPUID makes. */
static void execute_cpuid(void)
{
	u64 at;

	start(on_db_fault);
	asm volatile("lea 1f(%%rip), %0; mov %0, %%dr1; mov %1, %%dr7; xor %%eax, %%eax;"
		     "1: cpuid; mov %2, %%dr7"
		     : "=&S"(at)
		     : "r"(dr7(1, DR7_EXEC, 0)), "r"(0x400ULL)
		     : "memory", "eax", "ebx", "ecx", "edx");
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_rip[0], at);
	GUEST_EXPECT(hit_dr6 & 0xf00f, 2);
}

static volatile u32 watched;

static void watch(void)
{
	start(on_db);
	write_dr2((u64)&watched);
	write_dr7(dr7(2, DR7_WRITE, DR7_LEN4));
	watched = 5;
	GUEST_EXPECT(hits, 1);
	(void)watched;
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_dr6 & 0xf00f, 4);
	write_dr7(dr7(2, DR7_ACCESS, DR7_LEN4));
	hits = 0;
	(void)watched;
	write_dr7(0x400);
	GUEST_EXPECT(hits, 1);
}

static void general_detect(void)
{
	start(on_db);
	write_dr7(0x400 | DR7_GD);
	asm volatile("mov %%dr0, %%rax" : : : "rax");
	GUEST_ASSERT(hits >= 1);
	GUEST_EXPECT(hit_dr6 & DR6_BD, DR6_BD);
	GUEST_EXPECT(read_dr7() & DR7_GD, 0);
}

#define STEP(insns, ...)                                         \
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq;" insns \
		     "; pushfq; andq $~0x100, (%%rsp); popfq" __VA_ARGS__)

static void step(void)
{
	u64 first;

	start(on_db);
	STEP("lea 1f(%%rip), %0; 1: nop; nop", : "=r"(first) : : "memory", "cc");
	/* lea, nop, nop, pushfq, andq, popfq */
	GUEST_EXPECT(hits, 6);
	GUEST_EXPECT(hit_rip[0], first);
	GUEST_EXPECT(hit_rip[1], first + 1);
	GUEST_EXPECT(hit_rip[2], first + 2);
	GUEST_EXPECT(hit_dr6 & DR6_BS, DR6_BS);
}

static void step_cpuid(void)
{
	u64 at;

	start(on_db);
	STEP("lea 1f(%%rip), %0; xor %%eax, %%eax; 1: cpuid",
	     : "=&S"(at)
	     :
	     : "memory", "cc", "eax", "ebx", "ecx", "edx");
	GUEST_EXPECT(hits, 6);
	GUEST_EXPECT(hit_rip[1], at);
	GUEST_EXPECT(hit_rip[2], at + 2);
}

static void step_io(void)
{
	u64 at;

	start(on_db);
	STEP("lea 1f(%%rip), %0; 1: outb %%al, %%dx; inb %%dx, %%al",
	     : "=&S"(at)
	     : "a"(0), "d"(0x80)
	     : "memory", "cc");
	GUEST_EXPECT(hits, 6);
	GUEST_EXPECT(hit_rip[0], at);
	GUEST_EXPECT(hit_rip[1], at + 1);
	GUEST_EXPECT(hit_rip[2], at + 2);
}

static void step_mmio(void)
{
	u64 at;

	start(on_db);
	STEP("lea 1f(%%rip), %0; 1: movl $0, (%1); movl (%1), %%eax",
	     : "=&S"(at)
	     : "r"(0xfec00000ULL)
	     : "memory", "cc", "eax");
	GUEST_EXPECT(hits, 6);
	GUEST_EXPECT(hit_rip[0], at);
	GUEST_EXPECT(hit_rip[1], at + 6);
	GUEST_EXPECT(hit_rip[2], at + 8);
}

static void step_msr(void)
{
	u64 at;

	start(on_db);
	STEP("lea 1f(%%rip), %0; 1: rdmsr; wrmsr",
	     : "=&S"(at)
	     : "c"(MSR_PAT)
	     : "memory", "cc", "eax", "edx");
	GUEST_EXPECT(hits, 6);
	GUEST_EXPECT(hit_rip[1], at + 2);
	GUEST_EXPECT(hit_rip[2], at + 4);
}

static void mov_ss(void)
{
	u64 at;

	start(on_db);
	STEP("lea 1f(%%rip), %0; mov %%ss, %%eax; 1: mov %%eax, %%ss; nop; nop",
	     : "=&S"(at)
	     :
	     : "memory", "cc", "eax");
	/* No trap between MOV SS and the instruction after it. */
	GUEST_EXPECT(hits, 7);
	GUEST_EXPECT(hit_rip[1], at);
	GUEST_EXPECT(hit_rip[2], at + 3);
}

static void icebp(void)
{
	u64 after;

	start(on_db);
	asm volatile("lea 1f(%%rip), %0; .byte 0xf1; 1:" : "=r"(after) : : "memory");
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_rip[0], after);
}

static volatile u64 np_rip, np_error;

static void on_np(struct trap_frame *frame)
{
	np_rip = frame->rip;
	np_error = frame->error;
	frame->rip++;
}

/* INT1 itself is the instruction at fault then, and what faulted is an event (EXT) of the IDT. */
static void icebp_faults(void)
{
	struct table_pointer idt;
	u8 *attributes;
	u64 at;

	start(on_db);
	on_trap(VEC_NP, on_np);
	asm volatile("sidt %0" : "=m"(idt));
	attributes = (u8 *)idt.base + 16 * VEC_DB + 5;
	*attributes &= ~0x80;
	asm volatile("lea 1f(%%rip), %0; 1: .byte 0xf1" : "=r"(at) : : "memory");
	*attributes |= 0x80;
	on_trap(VEC_NP, NULL);
	GUEST_EXPECT(hits, 0);
	GUEST_EXPECT(np_rip, at);
	GUEST_EXPECT(np_error, VEC_DB << 3 | 3);
}

static void io_breakpoint(void)
{
	u64 cr4 = read_cr4();

	start(on_db);
	write_cr4(cr4 | CR4_DE);
	write_dr3(0x80);
	write_dr7(dr7(3, DR7_IO, 0));
	outb(0x80, 0);
	asm volatile("nop");
	write_dr7(0x400);
	write_cr4(cr4);
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_dr6 & 0xf, 8);
}

/* An I/O breakpoint on a REP with nothing to do, and behind a fault, does not hit. */
static void io_breakpoint_not_done(void)
{
	u64 cr4 = read_cr4(), rcx = 0, rdi;
	u8 *hole = (u8 *)0x3ff00000ULL;

	start(on_db);
	write_cr4(cr4 | CR4_DE);
	*page_entry((u64)hole) &= ~1ULL;
	invlpg((u64)hole);
	write_dr0(0x84);
	write_dr7(dr7(0, DR7_IO, 0));
	rdi = (u64)hole;
	asm volatile("rep insb" : "+c"(rcx), "+D"(rdi) : "d"(0x84) : "memory");
	GUEST_EXPECT(TRY("insb", : "+D"(rdi) : "d"(0x84) : "memory"), VEC_PF);
	write_dr7(0x400);
	GUEST_EXPECT(hits, 0);
	*page_entry((u64)hole) |= 1;
	write_cr4(cr4);
}

#define IOAPIC 0xfec00000ULL

/* Data breakpoints where L0 makes the access. */
static void watch_device(void)
{
	u64 after;
	u32 v;

	start(on_db);
	write_dr1(IOAPIC);
	write_dr7(dr7(1, DR7_WRITE, DR7_LEN4));
	asm volatile("movl $0, (%1); 1: lea 1b(%%rip), %0" : "=r"(after) : "r"(IOAPIC) : "memory");
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_rip[0], after);
	GUEST_EXPECT(hit_dr6 & 0xf00f, 2);
	asm volatile("movl (%1), %0" : "=r"(v) : "r"(IOAPIC) : "memory");
	GUEST_EXPECT(hits, 1); /* a read */
	write_dr7(dr7(1, DR7_ACCESS, DR7_LEN4));
	asm volatile("movl (%1), %0" : "=r"(v) : "r"(IOAPIC) : "memory");
	GUEST_EXPECT(hits, 2);
	write_dr1(IOAPIC + 4);
	asm volatile("movl (%1), %0" : "=r"(v) : "r"(IOAPIC) : "memory");
	write_dr7(0x400);
	GUEST_EXPECT(hits, 2); /* beside it */
}

/* REP stops behind the iteration that hits, and goes on. */
static void watch_repeated(void)
{
	static u8 bytes[4];
	u64 rcx = 4, rdi = (u64)bytes;

	start(on_db);
	write_dr0((u64)bytes + 2);
	write_dr7(dr7(0, DR7_WRITE, 0));
	asm volatile("rep insb" : "+c"(rcx), "+D"(rdi) : "d"(0x84) : "memory");
	write_dr7(0x400);
	GUEST_EXPECT(hits, 1);
	GUEST_EXPECT(hit_rcx, 1); /* of four one was to come */
	GUEST_EXPECT(rcx, 0);
	GUEST_EXPECT(hit_dr6 & 0xf00f, 1);
}

static void debugctl(void)
{
	u64 v;

	for (v = 1; v <= (DEBUGCTL_LBR | DEBUGCTL_BTF); v++) {
		wrmsr(MSR_DEBUGCTL, v);
		GUEST_EXPECT(rdmsr(MSR_DEBUGCTL), v);
	}
	for (u32 bit = 2; bit < 64; bit++)
		GUEST_EXPECT(try_wrmsr(MSR_DEBUGCTL, BIT_ULL(bit)), VEC_GP);
	GUEST_EXPECT(rdmsr(MSR_DEBUGCTL), DEBUGCTL_LBR | DEBUGCTL_BTF);
	wrmsr(MSR_DEBUGCTL, 0);
	GUEST_EXPECT(rdmsr(MSR_DEBUGCTL), 0);
}

CLAIMS = { { keeps, "DR0 to DR3 keep values; DR6 and DR7 have fixed and reserved bits" },
	   { dr4_dr5, "DR5 is DR7, or #UD under CR4.DE" },
	   { execute, "an instruction breakpoint hits before its instruction" },
	   { execute_cpuid, "an instruction breakpoint on CPUID hits" },
	   { watch, "data breakpoints on write and on access" },
	   { general_detect, "DR7.GD guards the debug registers" },
	   { step, "single step stops after each instruction" },
	   { step_cpuid, "single step over CPUID" },
	   { step_io, "single step over OUT and IN" },
	   { step_mmio, "single step over accesses to a device" },
	   { step_msr, "single step over RDMSR and WRMSR" },
	   { mov_ss, "MOV SS holds the single-step trap for one instruction" },
	   { icebp, "INT1 raises #DB after itself" },
	   { icebp_faults, "a fault in its delivery is INT1's own" },
	   { io_breakpoint, "an I/O breakpoint hits after OUT" },
	   { io_breakpoint_not_done, "but not when no port was accessed" },
	   { watch_device, "data breakpoints on a device's register" },
	   { watch_repeated, "a data breakpoint on INS' destination" },
	   { debugctl, "IA32_DEBUGCTL keeps LBR and BTF, and no other bit is offered" },
	   END_OF_CLAIMS };
