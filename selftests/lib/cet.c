// SPDX-License-Identifier: GPL-2.0-only
/* CET on and off, and its stacks. */
#include "boot.h"
#include "cet.h"

#define PAGE_W BIT_ULL(1)
#define PAGE_U BIT_ULL(2)
#define PAGE_D BIT_ULL(6)

extern u8 cet_fault[];

bool cet_offered(void)
{
	return (cpuid(7).ecx & CPUID_SHADOW_STACKS) && (cpuid(7).edx & CPUID_BRANCH_TRACKING);
}

void cet_begin(void)
{
	if (!cet_offered())
		claim_skip("no CET");
	set_gate(VEC_CP, (u64)cet_fault, 0);
	write_cr0(read_cr0() | CR0_WP);
	write_cr4(read_cr4() | CR4_CET);
}

void cet_end(void)
{
	wrmsr(MSR_S_CET, 0);
	wrmsr(MSR_U_CET, 0);
	write_cr4(read_cr4() & ~CR4_CET);
}

/* What makes a page a shadow stack's is that it is dirty and cannot be written. */
u64 cet_stack(bool user)
{
	u64 *page = page_alloc(), *entry = page_entry((u64)page);
	u64 end = (u64)page + 4096, token = end - 8;

	page[511] = user ? 0 : token;
	*entry = (*entry & ~(PAGE_W | PAGE_U)) | PAGE_D | (user ? PAGE_U : 0);
	invlpg((u64)page);
	return user ? end : token;
}

void cet_unstack(u64 ssp)
{
	u64 page = (ssp - 1) & ~0xfffULL;

	*page_entry(page) |= PAGE_W | PAGE_U;
	invlpg(page);
}

u64 cet_pl3_after;

u64 cet_user_call(u64 (*fn)(void), u64 u_cet)
{
	u64 result;

	wrmsr(MSR_U_CET, u_cet);
	result = user_call((void *)fn, 0);
	cet_pl3_after = rdmsr(MSR_PL3_SSP);
	wrmsr(MSR_U_CET, 0);
	return result;
}
