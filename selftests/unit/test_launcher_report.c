// SPDX-License-Identifier: GPL-2.0-only
/* How a run ended: the exit status, and what is said. */
/* sources: userspace/report.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "report.h"

static struct vm vm;
static struct vcpu vcpu;
static struct kvm_run run;
static char said[8192];

static int setup(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	vcpu = (struct vcpu){ .id = 3, .run = &run, .have_state = true, .regs.rip = 0x1234 };
	vm = (struct vm){ .device.path = "/dev/abyme", .ended_by = &vcpu };
	return 0;
}

/* Report the ending; what went to standard error is in said[] afterwards. */
static int report(enum ending_kind how, uint32_t value)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), status;
	size_t len;

	assert_non_null(file);
	vm.ending = how;
	vm.ending_value = value;
	dup2(fileno(file), STDERR_FILENO);
	status = report_ending(&vm, stderr);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	len = fread(said, 1, sizeof(said) - 1, file);
	said[len] = '\0';
	fclose(file);
	return status;
}

static void good_ends_are_quiet(void **state)
{
	(void)state;
	assert_int_equal(report(ENDING_POWER_OFF, 0), 0);
	assert_string_equal(said, "");
	assert_int_equal(report(ENDING_DEBUG_EXIT, 3), 7);
	assert_string_equal(said, "");
}

static void debug_exit_is_always_odd(void **state)
{
	(void)state;
	assert_int_equal(report(ENDING_DEBUG_EXIT, 0), 1);
	assert_int_equal(report(ENDING_DEBUG_EXIT, 0x7f), 255);
	assert_int_equal(report(ENDING_DEBUG_EXIT, 0x80), 1);
	assert_int_equal(report(ENDING_DEBUG_EXIT, 0xffffffff), 255);
}

static void a_reset_is_no_power_off(void **state)
{
	(void)state;
	assert_int_equal(report(ENDING_RESET, 0), EXIT_RESET);
	assert_string_equal(said, "abyme: the guest reset itself.\n");
	assert_int_equal(report(ENDING_QUIT, 0), EXIT_QUIT);
}

/* However the guest ended: who reads its output would take half of it for all. */
static void lost_output_is_no_good_end(void **state)
{
	(void)state;
	vm.output_error = ENOSPC;
	assert_int_equal(report(ENDING_OUTPUT_FAILED, 0), EXIT_OUTPUT);
	assert_non_null(strstr(said, "output can't be written: No space left"));
	assert_int_equal(report(ENDING_POWER_OFF, 0), EXIT_OUTPUT);
	assert_non_null(strstr(said, "output can't be written: No space left"));
	assert_int_equal(report(ENDING_TRIPLE_FAULT, 0), EXIT_OUTPUT);
	assert_non_null(strstr(said, "a triple fault"));
	vm.output_error = EPIPE;
	assert_int_equal(report(ENDING_POWER_OFF, 0), EXIT_OUTPUT);
	assert_string_equal(said, "");
}

static void a_triple_fault_shows_registers(void **state)
{
	(void)state;
	assert_int_equal(report(ENDING_TRIPLE_FAULT, 0), EXIT_TRIPLE_FAULT);
	assert_non_null(strstr(said, "vCPU 3 shut down: a triple fault"));
	assert_non_null(strstr(said, "rip  0000000000001234"));
	vcpu.have_state = false;
	report(ENDING_TRIPLE_FAULT, 0);
	assert_null(strstr(said, "rip  "));
}

static void a_refused_entry_says_why(void **state)
{
	(void)state;
	run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	assert_int_equal(report(ENDING_FAILED_ENTRY, 0), EXIT_FAILED_ENTRY);
	assert_non_null(strstr(said, "guest state"));
	assert_non_null(strstr(said, "0x80000021"));
	run.fail_entry.hardware_entry_failure_reason = 7;
	report(ENDING_FAILED_ENTRY, 0);
	assert_non_null(strstr(said, "invalid control fields"));
	run.fail_entry.hardware_entry_failure_reason = ~0ull;
	report(ENDING_FAILED_ENTRY, 0);
	assert_non_null(strstr(said, "unknown"));
}

static void an_instruction_that_is_not_emulated_is_shown(void **state)
{
	(void)state;
	run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	assert_int_equal(report(ENDING_INTERNAL_ERROR, 0), EXIT_INTERNAL);
	assert_non_null(strstr(said, "can't emulate an instruction; its state"));
	run.internal.ndata = 16;
	run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run.emulation_failure.insn_size = 2;
	run.emulation_failure.insn_bytes[0] = 0x0f;
	run.emulation_failure.insn_bytes[1] = 0x0b;
	strcpy((char *)&run.internal.data[3], "an unknown opcode");
	report(ENDING_INTERNAL_ERROR, 0);
	assert_non_null(strstr(said, "instruction: 0f 0b: an unknown opcode; its"));
	/* Numbers of another hypervisor are no sentence, and a size beyond the bytes is cut. */
	run.emulation_failure.insn_size = 255;
	memset(&run.internal.data[3], 0xff, sizeof(run.internal.data) - 24);
	report(ENDING_INTERNAL_ERROR, 0);
	assert_non_null(strstr(said, "0f 0b"));
	assert_null(strchr(said, 0xff));
}

static void other_internal_errors_have_words(void **state)
{
	(void)state;
	run.internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run.internal.ndata = 1;
	run.internal.data[0] = 10;
	assert_int_equal(report(ENDING_INTERNAL_ERROR, 0), EXIT_INTERNAL);
	assert_non_null(strstr(said, "CPUID (0xa)"));
	run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	report(ENDING_INTERNAL_ERROR, 0);
	assert_non_null(strstr(said, "while an event was delivered"));
	assert_int_equal(report(ENDING_UNKNOWN_EXIT, 99), EXIT_INTERNAL);
	assert_non_null(strstr(said, "exit reason 99"));
	assert_int_equal(report(ENDING_RUN_FAILED, EFAULT), EXIT_INTERNAL);
	assert_non_null(strstr(said, "Bad address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_ends_are_quiet, setup),
		cmocka_unit_test_setup(debug_exit_is_always_odd, setup),
		cmocka_unit_test_setup(a_reset_is_no_power_off, setup),
		cmocka_unit_test_setup(lost_output_is_no_good_end, setup),
		cmocka_unit_test_setup(a_triple_fault_shows_registers, setup),
		cmocka_unit_test_setup(a_refused_entry_says_why, setup),
		cmocka_unit_test_setup(an_instruction_that_is_not_emulated_is_shown, setup),
		cmocka_unit_test_setup(other_internal_errors_have_words, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
