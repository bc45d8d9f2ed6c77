// SPDX-License-Identifier: GPL-2.0-only
/* What VMX L1 is offered, and what userspace may make of it. */
/* sources: kmod/nested/caps.c kmod/nested/vmcs12.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

/* A processor that has everything. */
static const struct vmx_caps all = {
	.basic = 0x01da040000000012ull,
	.pin = { PIN_DEFAULT1, ~0u },
	.proc = { PROC_DEFAULT1 & ~(u32)(PROC_CR3_LOAD | PROC_CR3_STORE), ~0u },
	.proc2 = { 0, ~0u },
	.exit = { 0x36dfb, ~0u },
	.entry = { 0x11fb, ~0u },
	.misc = ~0ull,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x7fffff,
	.ept_vpid = ~0ull,
	.vmfunc = 1,
};

static u64 get(const struct vmx_caps *caps, u32 msr)
{
	u64 value = 0;

	assert_true(caps_get(caps, msr, &value));
	return value;
}

static void offers_only_what_is_done(void **state)
{
	struct vmx_caps l1;

	(void)state;
	caps_offer(&all, &l1);
	assert_false(ctl_may(l1.proc, PROC_TERTIARY));
	assert_false(ctl_may(l1.proc2, PROC2_PT_CONCEAL));
	assert_false(ctl_may(l1.exit, EXITC_LOAD_PERF_GLOBAL));
	assert_true(ctl_may(l1.proc2, PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED));
	assert_int_equal(get(&l1, VMX_MSR_VMFUNC), VMFUNC_EPTP_SWITCHING);
	assert_int_equal(l1.misc & MISC_MSR_LIST, 0);
}

static void cet_needs_events_without_error_code(void **state)
{
	struct vmx_caps cpu = all, l1;

	(void)state;
	caps_offer(&cpu, &l1);
	assert_true(ctl_may(l1.exit, EXITC_LOAD_CET) && ctl_may(l1.entry, ENTRYC_LOAD_CET));
	cpu.basic &= ~BASIC_NO_ERROR_CODE;
	caps_offer(&cpu, &l1);
	assert_false(ctl_may(l1.exit, EXITC_LOAD_CET) || ctl_may(l1.entry, ENTRYC_LOAD_CET));
}

static void offers_nothing_that_the_processor_lacks(void **state)
{
	struct vmx_caps cpu = all, l1;
	u64 value;

	(void)state;
	cpu.pin.may &= ~(u32)PIN_PREEMPT_TIMER;
	cpu.proc2.may &= ~(u32)(PROC2_RDSEED | PROC2_VMFUNC);
	cpu.ept_vpid &= ~EPTCAP_EXEC_ONLY;
	caps_offer(&cpu, &l1);
	assert_false(ctl_may(l1.pin, PIN_PREEMPT_TIMER));
	assert_false(ctl_may(l1.exit, EXITC_SAVE_PREEMPT_TIMER));
	assert_false(ctl_may(l1.proc2, PROC2_RDSEED));
	assert_false(caps_get(&l1, VMX_MSR_VMFUNC, &value));
	assert_int_equal(l1.vmfunc, 0);
	assert_false(l1.ept_vpid & EPTCAP_EXEC_ONLY);
}

static void posted_interrupts_need_delivery_alone(void **state)
{
	struct vmx_caps cpu = all, l1;

	(void)state;
	cpu.pin.may &= ~(u32)PIN_POSTED_INTR;
	caps_offer(&cpu, &l1);
	assert_true(ctl_may(l1.pin, PIN_POSTED_INTR));
	cpu = all;
	cpu.proc2.may &= ~(u32)PROC2_VIRT_INTR;
	caps_offer(&cpu, &l1);
	assert_false(ctl_may(l1.pin, PIN_POSTED_INTR));
}

static void mode_based_execute_needs_to_know_the_mode(void **state)
{
	struct vmx_caps cpu = all, l1;

	(void)state;
	caps_offer(&cpu, &l1);
	assert_true(ctl_may(l1.proc2, PROC2_MODE_EXEC));
	cpu.ept_vpid &= ~EPTCAP_EXIT_INFO;
	caps_offer(&cpu, &l1);
	assert_false(ctl_may(l1.proc2, PROC2_MODE_EXEC));
	cpu = all;
	cpu.proc2.may &= ~(u32)PROC2_MODE_EXEC;
	caps_offer(&cpu, &l1);
	assert_false(ctl_may(l1.proc2, PROC2_MODE_EXEC));
}

static void must_bits_may_be_set(void **state)
{
	struct vmx_caps l1;

	(void)state;
	caps_offer(&all, &l1);
	assert_int_equal(l1.pin.must & ~l1.pin.may, 0);
	assert_int_equal(l1.proc.must & ~l1.proc.may, 0);
	assert_int_equal(l1.exit.must & ~l1.exit.may, 0);
	assert_int_equal(l1.entry.must & ~l1.entry.may, 0);
}

static void plain_msrs_keep_the_default_1_bits(void **state)
{
	struct vmx_caps l1;

	(void)state;
	caps_offer(&all, &l1);
	assert_int_equal((u32)get(&l1, VMX_MSR_PROC), PROC_DEFAULT1);
	assert_int_equal((u32)get(&l1, VMX_MSR_TRUE_PROC), 0x04006172);
	assert_int_equal((u32)get(&l1, VMX_MSR_EXIT), EXITC_DEFAULT1);
	assert_int_equal(get(&l1, VMX_MSR_PROC) >> 32, get(&l1, VMX_MSR_TRUE_PROC) >> 32);
	assert_int_equal((u32)get(&l1, VMX_MSR_BASIC), VMCS12_REVISION);
	assert_int_equal((get(&l1, VMX_MSR_BASIC) & BASIC_SIZE) >> 32, 4096);
}

static void userspace_may_take_away_but_not_add(void **state)
{
	struct vmx_caps max, caps;
	u64 pin;

	(void)state;
	caps_offer(&all, &max);
	caps = max;
	pin = get(&max, VMX_MSR_TRUE_PIN);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_TRUE_PIN, pin | BIT_ULL(63)), -EINVAL);
	pin &= ~((u64)PIN_PREEMPT_TIMER << 32);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_TRUE_PIN, pin), 0);
	assert_false(ctl_may(caps.pin, PIN_PREEMPT_TIMER));
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_EPT_VPID, ~0ull), -EINVAL);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_EPT_VPID, max.ept_vpid & ~EPTCAP_AD), 0);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_BASIC, max.basic ^ 1), -EINVAL);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_CR0_FIXED0, 0), -EINVAL);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_MISC, max.misc ^ 1), -EINVAL);
	assert_int_equal(caps_set(&caps, &max, VMX_MSR_PROC, get(&max, VMX_MSR_PROC)), 0);
	assert_int_equal(caps_set(&caps, &max, 0x4ff, 0), -EINVAL);
}

static void each_msr_takes_its_own_value_back(void **state)
{
	struct vmx_caps max, caps;
	u64 value;
	u32 msr;

	(void)state;
	caps_offer(&all, &max);
	caps = max;
	for (msr = VMX_MSR_BASIC; msr <= VMX_MSR_VMFUNC; msr++) {
		if (!caps_get(&max, msr, &value))
			continue;
		assert_int_equal(caps_set(&caps, &max, msr, value), 0);
		assert_memory_equal(&caps, &max, sizeof(caps));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_only_what_is_done),
		cmocka_unit_test(cet_needs_events_without_error_code),
		cmocka_unit_test(offers_nothing_that_the_processor_lacks),
		cmocka_unit_test(posted_interrupts_need_delivery_alone),
		cmocka_unit_test(mode_based_execute_needs_to_know_the_mode),
		cmocka_unit_test(must_bits_may_be_set),
		cmocka_unit_test(plain_msrs_keep_the_default_1_bits),
		cmocka_unit_test(userspace_may_take_away_but_not_add),
		cmocka_unit_test(each_msr_takes_its_own_value_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
