// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest protects itself with against speculation: IA32_SPEC_CTRL keeps the bits that
 * CPUID enumerates and refuses others; IA32_PRED_CMD and IA32_FLUSH_CMD take their command and
 * cannot be read. SDM: volume 4, "IA32_SPEC_CTRL", "IA32_PRED_CMD", "IA32_FLUSH_CMD".
 */
#include "guest.h"

#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define MSR_FLUSH_CMD 0x10b

#define SPEC_CTRL BIT(26) /* CPUID.7:EDX */
#define STIBP BIT(27)
#define FLUSH_L1D BIT(28)
#define SSBD BIT(31)

static u32 features(void)
{
	return cpuid(0).eax < 7 ? 0 : cpuid(7).edx;
}

static void keeps(u64 value)
{
	GUEST_EXPECT(try_wrmsr(MSR_SPEC_CTRL, value), NO_TRAP);
	GUEST_EXPECT(rdmsr(MSR_SPEC_CTRL), value);
}

static void spec_ctrl(void)
{
	u32 edx = features();

	if (!(edx & (SPEC_CTRL | STIBP | SSBD))) {
		GUEST_EXPECT(try_wrmsr(MSR_SPEC_CTRL, 1), VEC_GP);
		return;
	}
	GUEST_EXPECT(rdmsr(MSR_SPEC_CTRL), 0);
	keeps(1);
	keeps(3);
	if (edx & SSBD)
		keeps(4);
	keeps(0);
}

static void spec_ctrl_reserved(void)
{
	GUEST_EXPECT(try_wrmsr(MSR_SPEC_CTRL, BIT_ULL(63)), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_SPEC_CTRL, BIT_ULL(32)), VEC_GP);
}

static void command(u32 msr, bool there)
{
	u64 value;

	GUEST_EXPECT(try_rdmsr(msr, &value), VEC_GP);
	GUEST_EXPECT(try_wrmsr(msr, 1), there ? NO_TRAP : VEC_GP);
	GUEST_EXPECT(try_wrmsr(msr, 2), VEC_GP);
}

static void pred_cmd(void)
{
	command(MSR_PRED_CMD, features() & SPEC_CTRL);
}

static void flush_cmd(void)
{
	command(MSR_FLUSH_CMD, features() & FLUSH_L1D);
}

CLAIMS = { { spec_ctrl, "IA32_SPEC_CTRL keeps what CPUID enumerates" },
	   { spec_ctrl_reserved, "reserved bits of it raise #GP" },
	   { pred_cmd, "IA32_PRED_CMD takes IBPB, and cannot be read" },
	   { flush_cmd, "IA32_FLUSH_CMD takes a flush of the L1 data cache, and cannot be read" },
	   END_OF_CLAIMS };
