/* SPDX-License-Identifier: GPL-2.0-only */
/* Privileged instructions as functions, and instructions that may fault. */
#ifndef LIB_INSN_H
#define LIB_INSN_H

#include <vmx/cr.h>
#include <vmx/info.h>

#define EFER_SCE EFER_BIT_SCE
#define EFER_LME EFER_BIT_LME
#define EFER_LMA EFER_BIT_LMA
#define EFER_NXE EFER_BIT_NX

#define RFLAGS_CF BIT_ULL(0)
#define RFLAGS_FIXED BIT_ULL(1)
#define RFLAGS_PF BIT_ULL(2)
#define RFLAGS_AF BIT_ULL(4)
#define RFLAGS_ZF BIT_ULL(6)
#define RFLAGS_SF BIT_ULL(7)
#define RFLAGS_TF BIT_ULL(8)
#define RFLAGS_IF BIT_ULL(9)
#define RFLAGS_OF BIT_ULL(11)
#define RFLAGS_RF BIT_ULL(16)
#define RFLAGS_VM BIT_ULL(17)
#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* What TRY() and try_call() answer when there was no trap. */
#define NO_TRAP 0xffff

#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_TSC_ADJUST 0x3b
#define MSR_MTRRCAP 0xfe
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_MISC_ENABLE 0x1a0
#define MSR_DEBUGCTL 0x1d9
#define MSR_PAT 0x277
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_XSS 0xda0
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid_count(u32 leaf, u32 index)
{
	struct cpuid_regs r;

	asm volatile("cpuid"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(index)
		     : "memory");
	return r;
}

static inline struct cpuid_regs cpuid(u32 leaf)
{
	return cpuid_count(leaf, 0);
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

#define PORT_IO(suffix, type)                                                 \
	static inline type in##suffix(u16 port)                               \
	{                                                                     \
		type v;                                                       \
		asm volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port));  \
		return v;                                                     \
	}                                                                     \
	static inline void out##suffix(u16 port, type v)                      \
	{                                                                     \
		asm volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port)); \
	}
PORT_IO(b, u8)
PORT_IO(w, u16)
PORT_IO(l, u32)

#define CONTROL_REG(name)                                                   \
	static inline u64 read_##name(void)                                 \
	{                                                                   \
		u64 v;                                                      \
		asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory"); \
		return v;                                                   \
	}                                                                   \
	static inline void write_##name(u64 v)                              \
	{                                                                   \
		asm volatile("mov %0, %%" #name : : "r"(v) : "memory");     \
	}
CONTROL_REG(cr0)
CONTROL_REG(cr2)
CONTROL_REG(cr3)
CONTROL_REG(cr4)
CONTROL_REG(cr8)
CONTROL_REG(dr0)
CONTROL_REG(dr1)
CONTROL_REG(dr2)
CONTROL_REG(dr3)
CONTROL_REG(dr6)
CONTROL_REG(dr7)

static inline u64 read_flags(void)
{
	u64 v;

	asm volatile("pushfq; popq %0" : "=r"(v) : : "memory");
	return v;
}

static inline void write_flags(u64 v)
{
	asm volatile("pushq %0; popfq" : : "r"(v) : "memory", "cc");
}

static inline u64 xgetbv(u32 index)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
	return lo | (u64)hi << 32;
}

/* Of XCR0: all that AVX needs, and AVX-512. */
#define XCR0_AVX 0x7
#define XCR0_ZMM 0xe7

static inline void xsetbv(u32 index, u64 v)
{
	asm volatile("xsetbv" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline void irqs_on(void)
{
	asm volatile("sti" : : : "memory");
}
static inline void irqs_off(void)
{
	asm volatile("cli" : : : "memory");
}
static inline void cpu_pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline u32 rdpkru(void)
{
	u32 v, edx;

	asm volatile("rdpkru" : "=a"(v), "=d"(edx) : "c"(0));
	return v;
}

static inline void wrpkru(u32 v)
{
	asm volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static inline void invlpg(u64 va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* Sleep until an interrupt; there is no gap between STI and HLT. */
static inline void irqs_on_and_halt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

#define barrier() asm volatile("" : : : "memory")

#endif
