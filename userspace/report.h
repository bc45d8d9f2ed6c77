/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_REPORT_H
#define ABYME_REPORT_H

#include <stdio.h>

#include "vm.h"

/* Say how the run ended, with the vCPU's state where that helps. Return: the exit status. */
int report_ending(const struct vm *vm, FILE *to);

/* What KVM_EXIT_FAIL_ENTRY's reason means, in words. */
const char *entry_failure_text(uint64_t reason);
const char *internal_error_text(uint32_t suberror);

void report_registers(const struct kvm_regs *regs, const struct kvm_sregs *sregs, FILE *to);

#endif
