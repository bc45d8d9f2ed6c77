// SPDX-License-Identifier: GPL-2.0-only
/* The IDT, and who gets a trap: TRY(), a handler, try_call(), or nobody. */
#include "boot.h"

struct gate {
	u16 offset0;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset16;
	u32 offset32;
	u32 reserved;
};

struct catch_entry {
	u64 from, to;
};

extern u8 trap_stubs[];
extern const struct catch_entry catch_table[], catch_table_end[];

static struct gate idt[256] __aligned(16);
static trap_handler_t handlers[256];
static u64 tss_pages[MAX_CPUS][16] __aligned(128);

void set_gate(unsigned int vector, u64 address, unsigned int dpl)
{
	idt[vector] = (struct gate){
		.offset0 = address,
		.selector = SEL_CODE64,
		.type = 0x8e | dpl << 5,
		.offset16 = address >> 16,
		.offset32 = address >> 32,
	};
}

void traps_init(void)
{
	struct table_pointer p = { sizeof(idt) - 1, (u64)idt };

	if (!idt[0].type) {
		for (unsigned int i = 0; i < 256; i++)
			set_gate(i, (u64)trap_stubs + 16 * i, 0);
		set_gate(VEC_BP, (u64)trap_stubs + 16 * VEC_BP, 3);
		set_gate(VECTOR_USER_RETURN, (u64)user_leave, 3);
	}
	asm volatile("lidt %0" : : "m"(p));
}

void touch_gates(void)
{
	(void)*(volatile u16 *)&idt[0];
	(void)*(volatile u16 *)&idt[ARRAY_SIZE(idt) - 1];
	(void)*(volatile u64 *)&gdt[SEL_CODE64 / 8];
}

/* A TSS of its own for each CPU: only RSP0 matters, and no port is allowed. */
void tss_init(struct cpu *cpu)
{
	u64 base = (u64)tss_pages[cpu->index];
	u64 *d = &gdt[SEL_TSS(cpu->index) / 8];
	u16 selector = SEL_TSS(cpu->index);

	cpu->tss = tss_pages[cpu->index];
	memset(cpu->tss, 0, sizeof(tss_pages[0]));
	((u16 *)cpu->tss)[51] = 104; /* no I/O bitmap within the limit */
	d[0] = 0x67 | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	d[1] = base >> 32;
	asm volatile("ltr %0" : : "r"(selector));
}

void set_tss_rsp0(u64 rsp)
{
	memcpy((u8 *)this_cpu()->tss + 4, &rsp, 8);
}

trap_handler_t on_trap(u8 vector, trap_handler_t handler)
{
	trap_handler_t old = handlers[vector];

	handlers[vector] = handler;
	return old;
}

/* Whose TRY() it was: code at CPL 3 has a struct cpu on its own stack. */
static struct cpu *cpu_of(const struct trap_frame *frame)
{
	return (struct cpu *)(frame->rsp & ~(u64)(STACK_SIZE - 1));
}

static void remember(struct cpu *cpu, const struct trap_frame *frame)
{
	cpu->trap_vector = frame->vector;
	cpu->trap_error = frame->error;
	cpu->trap_rip = frame->rip;
	cpu->trap_rflags = frame->rflags;
}

static const struct catch_entry *find_catch(u64 rip)
{
	const struct catch_entry *e;

	for (e = catch_table; e < catch_table_end; e++)
		if (e->from == rip)
			return e;
	return NULL;
}

static void report(const struct trap_frame *frame)
{
	printf("# trap %lu, error 0x%lx at 0x%lx:0x%lx, flags 0x%lx, rsp 0x%lx, cr2 0x%lx\n",
	       (unsigned long)frame->vector, (unsigned long)frame->error, (unsigned long)frame->cs,
	       (unsigned long)frame->rip, (unsigned long)frame->rflags, (unsigned long)frame->rsp,
	       (unsigned long)read_cr2());
}

void trap_entry(struct trap_frame *frame)
{
	struct cpu *cpu = this_cpu();
	const struct catch_entry *e;

	if (handlers[frame->vector]) {
		handlers[frame->vector](frame);
		return;
	}
	e = frame->vector < 32 ? find_catch(frame->rip) : NULL;
	if (e) {
		remember(cpu_of(frame), frame);
		frame->rip = e->to;
		return;
	}
	if (cpu->jump) {
		remember(cpu, frame);
		jump_back(cpu->jump, 1);
	}
	report(frame);
	expect_failed("trap", (int)frame->vector, "unexpected trap at", frame->rip, 0);
	claim_abort();
}

u32 try_call(void (*fn)(void *), void *arg)
{
	u64 here[8];
	struct cpu *cpu = this_cpu();
	u64 *outer = cpu->jump;
	u64 flags = read_flags();

	cpu->trap_vector = NO_TRAP;
	cpu->jump = here;
	if (!jump_set(here))
		fn(arg);
	cpu->jump = outer;
	write_flags(flags);
	return cpu->trap_vector;
}

u32 try_rdmsr(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;
	u32 vector = TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr));

	*v = lo | (u64)hi << 32;
	return vector;
}

u32 try_wrmsr(u32 msr, u64 v)
{
	return TRY("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

u64 user_call(u64 (*fn)(u64), u64 arg)
{
	static u8 stack[STACK_SIZE] __aligned(STACK_SIZE);
	struct cpu *cpu = this_cpu();
	u64 result;

	/* The code at CPL 3 may use TRY(): give its stack a struct cpu. */
	*(struct cpu *)stack = *cpu;
	result = user_enter(fn, arg, stack + sizeof(stack) - 64, (u64 *)((u8 *)cpu->tss + 4));
	return result;
}
