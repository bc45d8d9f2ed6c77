// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID tells a guest what its processor is, and follows CR4 and XCR0.
 * SDM: "CPUID—CPU Identification".
 */
#include "guest.h"

#define OSXSAVE BIT(27)
#define XSAVE BIT(26)

static void vendor(void)
{
	struct cpuid_regs r = cpuid(0);

	GUEST_ASSERT(r.eax >= 0xd);
	GUEST_EXPECT(r.ebx, 0x756e6547);
	GUEST_EXPECT(r.edx, 0x49656e69);
	GUEST_EXPECT(r.ecx, 0x6c65746e);
}

static void upper_halves(void)
{
	u64 a = ~0xffffffffULL, b = ~0ULL, c = ~0xffffffffULL, d = ~0ULL;

	asm volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	GUEST_EXPECT((a | b | c | d) >> 32, 0);
}

static void required(void)
{
	struct cpuid_regs r = cpuid(1), x = cpuid(0x80000001);

	/* FPU, TSC, MSR, PAE, CX8, APIC, SEP, PGE, CMOV, PAT, FXSR, SSE, SSE2 */
	GUEST_EXPECT(r.edx & 0x0701aa71, 0x0701aa71 & r.edx);
	GUEST_ASSERT(r.edx & BIT(9));
	GUEST_ASSERT(r.edx & BIT(24));
	GUEST_ASSERT(x.edx & BIT(29));
	GUEST_ASSERT(x.edx & BIT(20));
}

static void address_sizes(void)
{
	struct cpuid_regs r = cpuid(0x80000008);

	GUEST_ASSERT((r.eax & 0xff) >= 36 && (r.eax & 0xff) <= 52);
	GUEST_EXPECT(r.eax >> 8 & 0xff, 48);
}

static void osxsave(void)
{
	u64 cr4 = read_cr4();

	if (!(cpuid(1).ecx & XSAVE))
		claim_skip("no XSAVE");
	write_cr4(cr4 & ~CR4_OSXSAVE);
	GUEST_EXPECT(cpuid(1).ecx & OSXSAVE, 0);
	write_cr4(cr4 | CR4_OSXSAVE);
	GUEST_EXPECT(cpuid(1).ecx & OSXSAVE, OSXSAVE);
	write_cr4(cr4);
}

static void xsave_size(void)
{
	if (!(cpuid(1).ecx & XSAVE))
		claim_skip("no XSAVE");
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, 1);
	GUEST_EXPECT(cpuid_count(0xd, 0).ebx, 576);
	xsetbv(0, 3);
	GUEST_EXPECT(cpuid_count(0xd, 0).ebx, 576);
	if (cpuid_count(0xd, 0).eax & 4) {
		xsetbv(0, 7);
		GUEST_EXPECT(cpuid_count(0xd, 0).ebx, 832);
		GUEST_EXPECT(cpuid_count(0xd, 2).eax, 256);
		GUEST_EXPECT(cpuid_count(0xd, 2).ebx, 576);
		xsetbv(0, 1);
	}
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static void apic_bit_follows(void)
{
	GUEST_EXPECT(cpuid(1).edx >> 9 & 1, rdmsr(MSR_APIC_BASE) >> 11 & 1);
}

static void beyond_maximum(void)
{
	struct cpuid_regs last = cpuid(cpuid(0).eax), beyond = cpuid(0x3fffffff);

	GUEST_EXPECT(beyond.eax, last.eax);
	GUEST_EXPECT(beyond.ebx, last.ebx);
}

static u64 user_cpuid(u64 leaf)
{
	return cpuid(leaf).ebx;
}

static void at_cpl3(void)
{
	GUEST_EXPECT(user_call(user_cpuid, 0), 0x756e6547);
}

static u64 vmcall(u64 number)
{
	asm volatile("vmcall" : "+a"(number) : : "memory");
	return number;
}

/* Numbers as KVM's: -1000 KVM_ENOSYS, -1 KVM_EPERM; 1 is KVM_HC_VAPIC_POLL_IRQ. */
static void hypercalls(void)
{
	if (!(cpuid(1).ecx >> 31))
		claim_skip("no hypervisor takes VMCALL");
	GUEST_EXPECT(vmcall(0x100), (u64)-1000);
	GUEST_EXPECT(vmcall(1), 0);
	GUEST_EXPECT(user_call(vmcall, 0x100), (u64)-1);
	GUEST_EXPECT(user_call(vmcall, 1), (u64)-1);
}

CLAIMS = { { vendor, "leaf 0 names an Intel processor with leaf 0xd at least" },
	   { upper_halves, "CPUID clears the upper halves of its four registers" },
	   { required, "a processor for 64-bit code has APIC, FXSR, NX and long mode" },
	   { address_sizes, "leaf 0x80000008 has 36 to 52 physical and 48 linear bits" },
	   { osxsave, "OSXSAVE follows CR4.OSXSAVE" },
	   { xsave_size, "leaf 0xd's size follows XCR0" },
	   { apic_bit_follows, "the APIC bit follows IA32_APIC_BASE" },
	   { beyond_maximum, "a leaf beyond the maximum answers as the highest basic leaf" },
	   { at_cpl3, "CPUID works at CPL 3" },
	   { hypercalls, "VMCALL answers as KVM does, and -KVM_EPERM at CPL 3" },
	   END_OF_CLAIMS };
