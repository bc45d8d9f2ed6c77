// SPDX-License-Identifier: GPL-2.0-only
/* Runs an image's claims and prints them as TAP. */
#include "guest.h"
#include "boot.h"

static u64 claim_jump[8];
static volatile unsigned int failures;
static const char *skipped;

unsigned int claim_failures(void)
{
	return failures;
}

void expect_failed(const char *file, int line, const char *what, u64 got, u64 want)
{
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	printf("# %s:%d: %s is 0x%lx, expected 0x%lx%s\n", file, line, what, (unsigned long)got,
	       (unsigned long)want, this_cpu()->is_l2 ? " (in L2)" : "");
}

/*
 * An end of the claim in the middle of it. L2 leaves it to its L1, which must
 * run on the first CPU; another CPU can only stop everything.
 */
void claim_abort(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->is_l2)
		asm volatile("vmcall" : : "a"(L2_GAVE_UP));
	else if (!cpu->index)
		jump_back(claim_jump, 1);
	printf("Bail out! the end on CPU %u\n", cpu->index);
	machine_exit(63);
}

void claim_skip(const char *why)
{
	skipped = why;
	jump_back(claim_jump, 1);
}

void claim_fail(const char *why)
{
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	printf("# %s\n", why);
	claim_abort();
}

static void verdict(int n, const struct claim *c)
{
	if (failures)
		printf("not ok %d - %s\n", n, c->text);
	else if (skipped)
		printf("ok %d - %s # SKIP %s\n", n, c->text, skipped);
	else
		printf("ok %d - %s\n", n, c->text);
}

void claims_run(void)
{
	volatile int n = 0, bad = 0, count = 0;

	while (claims[count].run)
		count++;
	printf("1..%d\n", count);
	for (; n < count; n++) {
		failures = 0;
		skipped = NULL;
		if (!jump_set(claim_jump))
			claims[n].run();
		irqs_off();
		verdict(n + 1, &claims[n]);
		bad += failures != 0;
	}
	machine_exit(bad > 62 ? 62 : bad);
}
