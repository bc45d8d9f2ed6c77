// SPDX-License-Identifier: GPL-2.0-only
/*
 * INIT and SIPI for a CPU in VMX operation: an exit from L2, wait-for-SIPI as
 * L2's activity state, and INIT blocked in root operation.
 * SDM: "INIT signal" and "Start-up IPIs" of "Other Causes of VM Exits",
 * "Restrictions on VMX Operation".
 */
#include "irqchip.h"
#include "vmx.h"

#define PATIENCE 400000000ULL

static volatile u32 running, finished;
static volatile u64 outcome, qualification;

static void need_two(void)
{
	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus_start(2) < 2)
		claim_skip("one CPU only");
	l1_prepare(l2_unreachable); /* the pool's mark, so that CPU 1 may allocate */
	l1_vmxoff();
	running = finished = 0;
	apic_enable();
}

static volatile u32 l2_ran;

static void l2_spins(void)
{
	l2_ran = running = 1;
	for (;;)
		cpu_pause();
}

/* On CPU 1: L2 until it exits, and out of VMX operation. */
static void run_spinning(void *arg)
{
	l1_prepare(l2_spins);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	outcome = l1_run();
	qualification = l1_vmread(VMCS_EXIT_QUAL);
	l1_vmxoff();
	finished = 1;
}

static void init_exits(void)
{
	need_two();
	cpu_run(1, run_spinning, NULL);
	if (!wait_for(&running, 1, PATIENCE))
		claim_fail("L2 does not run");
	apic_icr(1, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	GUEST_ASSERT(wait_for(&finished, 1, PATIENCE));
	EXPECT_OUTCOME(outcome, EXIT_INIT);
	cpu_wait(1);
}

static void run_waiting(void *arg)
{
	struct l1_vmx *vmx = l1_prepare(l2_spins);

	outcome = 0;
	if (vmx->caps.misc & MISC_ACTIVITY_SIPI) {
		l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_SIPI);
		running = 1;
		outcome = l1_run();
		qualification = l1_vmread(VMCS_EXIT_QUAL);
	}
	l1_vmxoff();
	finished = 1;
}

/* The INIT that waits is taken after VMXOFF. */
static void run_waiting_for_both(void *arg)
{
	l1_prepare(l2_spins);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_SIPI);
	running = 1;
	outcome = l1_run();
	qualification = l1_vmread(VMCS_EXIT_QUAL);
	finished = 1;
	l1_vmxoff();
	for (;;)
		cpu_pause();
}

static void sipi_exits(void)
{
	need_two();
	if (!(l1_vmx()->caps.misc & MISC_ACTIVITY_SIPI))
		claim_skip("no wait-for-SIPI activity state");
	cpu_run(1, run_waiting, NULL);
	if (!wait_for(&running, 1, PATIENCE))
		claim_fail("CPU 1 does not enter");
	spin(1000000);
	GUEST_EXPECT(finished, 0);
	apic_icr(1, ICR_SIPI | ICR_ASSERT | 0x12);
	GUEST_ASSERT(wait_for(&finished, 1, PATIENCE));
	EXPECT_OUTCOME(outcome, EXIT_SIPI);
	GUEST_EXPECT(qualification, 0x12);
	cpu_wait(1);
}

static volatile u32 leave;

static void stay_in_root(void *arg)
{
	l1_vmxon();
	running = 1;
	while (!leave)
		cpu_pause();
	outcome = 1;
	finished = 1;
	l1_vmxoff(); /* the INIT that waits is taken here */
	for (;;)
		cpu_pause();
}

/* CPU 1 is in root operation, and INIT comes before it goes on. */
static void init_in_root(void (*on_cpu_1)(void *))
{
	leave = 0;
	outcome = 0;
	cpu_run(1, on_cpu_1, NULL);
	if (!wait_for(&running, 1, PATIENCE))
		claim_fail("CPU 1 does not run");
	apic_icr(1, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	spin(1000000);
	leave = 1;
	GUEST_ASSERT(wait_for(&finished, 1, PATIENCE));
}

static void init_blocked(void)
{
	need_two();
	init_in_root(stay_in_root);
	GUEST_EXPECT(outcome, 1);
	GUEST_EXPECT(cpu_restart(1), true);
}

#define INJECTED 0x61

static volatile u32 handled;

static void on_injected(__attribute__((unused)) struct trap_frame *frame)
{
	handled++;
	l2_vmcall(1);
}

/* INIT waits until the entry, which delivers an event first. */
static void enter_with_event(void *arg)
{
	l1_prepare(l2_spins);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | INJECTED);
	running = 1;
	while (!leave)
		cpu_pause();
	outcome = l1_run();
	l1_vmxoff();
	finished = 1;
}

static void init_after_event(void)
{
	need_two();
	on_trap(INJECTED, on_injected);
	handled = 0;
	l2_ran = 0;
	init_in_root(enter_with_event);
	EXPECT_OUTCOME(outcome, EXIT_INIT);
	GUEST_EXPECT(handled, 0);
	GUEST_EXPECT(l2_ran, 0);
	cpu_wait(1);
}

static void init_in_wait_for_sipi(void)
{
	need_two();
	if (!(l1_vmx()->caps.misc & MISC_ACTIVITY_SIPI))
		claim_skip("no wait-for-SIPI activity state");
	l2_ran = 0;
	cpu_run(1, run_waiting_for_both, NULL);
	if (!wait_for(&running, 1, PATIENCE))
		claim_fail("CPU 1 does not enter");
	spin(1000000);
	apic_icr(1, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	spin(1000000);
	GUEST_EXPECT(l2_ran, 0);
	GUEST_EXPECT(finished, 0);
	apic_icr(1, ICR_SIPI | ICR_ASSERT | 0x34);
	GUEST_ASSERT(wait_for(&finished, 1, PATIENCE));
	EXPECT_OUTCOME(outcome, EXIT_SIPI);
	GUEST_EXPECT(qualification, 0x34);
	GUEST_EXPECT(cpu_restart(1), true);
}

CLAIMS = { { init_exits, "INIT exits from L2" },
	   { sipi_exits, "SIPI exits from an L2 that waits for it, with its vector" },
	   { init_in_wait_for_sipi, "INIT waits while L2 waits for SIPI" },
	   { init_blocked, "INIT waits while a CPU is in root operation" },
	   { init_after_event, "INIT that waits exits before the handler of an injected event" },
	   END_OF_CLAIMS };
