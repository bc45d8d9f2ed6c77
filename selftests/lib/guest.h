/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest image is written with: claims, output, traps, memory, CPUs.
 *
 * An image defines `const struct claim claims[]`; each claim is a function
 * and a sentence. The library boots, runs them in order on the first CPU and
 * prints TAP. A GUEST_EXPECT() that does not hold fails the claim and goes on;
 * a trap that nobody expected ends the claim.
 */
#ifndef LIB_GUEST_H
#define LIB_GUEST_H

#include <vmx/types.h>
#include "insn.h"
#include "layout.h"

/* --- claims ----------------------------------------------------------- */

struct claim {
	void (*run)(void);
	const char *text;
};

extern const struct claim claims[];
#define CLAIMS const struct claim claims[]
#define END_OF_CLAIMS      \
	{                  \
		NULL, NULL \
	}

void expect_failed(const char *file, int line, const char *what, u64 got, u64 want);
/* End the claim as skipped. Only from the first CPU, outside L2. */
void __attribute__((noreturn)) claim_skip(const char *why);
/* End the claim as failed. */
void __attribute__((noreturn)) claim_fail(const char *why);
unsigned int claim_failures(void);

/* Fails the claim unless @got equals @want. */
#define GUEST_EXPECT(got, want)                                                    \
	do {                                                                       \
		u64 got_ = (u64)(got), want_ = (u64)(want);                        \
		if (got_ != want_)                                                 \
			expect_failed(__FILE_NAME__, __LINE__, #got, got_, want_); \
	} while (0)

/* Fails the claim unless @condition holds. */
#define GUEST_ASSERT(condition) GUEST_EXPECT(!!(condition), true)

/* --- output ----------------------------------------------------------- */

/* %d %u %x %s %c %p, with l or ll, width and zero padding. */
int __attribute__((format(printf, 1, 2))) printf(const char *fmt, ...);
void puts_raw(const char *s);

/*
 * End the machine: @status to the second serial port for who watches that,
 * "Shutdown" to port 0x8900 (Bochs), @status to port 0xf4 (debug exit), halt.
 */
void __attribute__((noreturn)) machine_exit(u8 status);
void *memcpy(void *to, const void *from, size_t n);

/* --- traps ------------------------------------------------------------ */

struct trap_frame {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

typedef void (*trap_handler_t)(struct trap_frame *frame);

/* Lowest on each stack, L2's stacks too, so that this_cpu() needs no register. */
struct cpu {
	u32 index; /* 0 is the first CPU */
	u32 apic_id;
	bool is_l2;
	/* The last trap that TRY() or try_call() caught. */
	u32 trap_vector;
	u32 trap_error;
	u64 trap_rip;
	u64 trap_rflags;
	u64 *jump; /* where try_call() wants an unexpected trap to go */
	u64 *tss;
};

static inline struct cpu *this_cpu(void)
{
	u64 rsp;

	asm volatile("mov %%rsp, %0" : "=r"(rsp));
	return (struct cpu *)(rsp & ~(u64)(STACK_SIZE - 1));
}

/* Handler of a vector, NULL to remove it. Exceptions and interrupts alike. */
trap_handler_t on_trap(u8 vector, trap_handler_t handler);
/*
 * Read what the processor reads to deliver an interrupt. In L2, before its first virtual
 * interrupt: the emulated processor loses one whose delivery an EPT violation cuts short.
 */
void touch_gates(void);

#define CATCH_ENTRY(from, to) \
	".pushsection .catch_table, \"a\"\n .quad " #from ", " #to "\n .popsection\n"

/*
 * Run one instruction that may fault, with GCC's operands after it.
 * Value: the vector, or NO_TRAP.
 */
#define TRY(insn, ...)                                                                     \
	({                                                                                 \
		this_cpu()->trap_vector = NO_TRAP;                                         \
		asm volatile("771: " insn "\n772:\n" CATCH_ENTRY(771b, 772b) __VA_ARGS__); \
		barrier();                                                                 \
		this_cpu()->trap_vector;                                                   \
	})

/* Run @fn(@arg); value: the vector of the trap that ended it, or NO_TRAP. */
u32 try_call(void (*fn)(void *), void *arg);

u32 try_rdmsr(u32 msr, u64 *v);
u32 try_wrmsr(u32 msr, u64 v);

/* Call @fn at CPL 3. Not nestable; interrupts must be off. */
u64 user_call(u64 (*fn)(u64), u64 arg);

/* --- memory ----------------------------------------------------------- */

/* Zeroed pages that are never given back until mem_reset(). */
void *page_alloc(void);
void *pages_alloc(unsigned int count);
/* Forget all pages allocated since @mark = mem_mark(). */
u64 mem_mark(void);
void mem_reset(u64 mark);

extern u64 page_pml4[512];
extern u64 gdt[GDT_SIZE / 8];
extern u8 image_end[];

/* Change the page-table entry of @va (4 KiB; splits a 2 MiB page), flush. */
u64 *page_entry(u64 va);
/* PAE tables: pointers to the first GiB, and to a page at 1 GiB that begins with @mark. */
u64 *pae_tables_marked(u64 mark);

/* --- CPUs ------------------------------------------------------------- */

/* Run @fn(@arg) on another CPU, 1 to @n - 1 after cpus_start(n). */
unsigned int cpus_start(unsigned int want);
void cpu_run(unsigned int index, void (*fn)(void *), void *arg);
void cpu_wait(unsigned int index);
/* INIT-SIPI-SIPI to a CPU that is up, wherever it is; false if it stays away. */
bool cpu_restart(unsigned int index);
/* Wait at most @ticks TSC ticks for *@flag to reach @value. */
bool wait_for(volatile u32 *flag, u32 value, u64 ticks);
void spin(u64 ticks);
/* Its TSS, empty, into the task register; RSP0 of the TSS. */
void tss_init(struct cpu *cpu);
void set_tss_rsp0(u64 rsp);

struct table_pointer {
	u16 limit;
	u64 base;
} __packed;

#endif
