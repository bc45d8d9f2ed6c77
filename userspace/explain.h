/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_EXPLAIN_H
#define ABYME_EXPLAIN_H

#include <abyme.h>
#include <stdio.h>

#include "vm.h"

/* After KVM_RUN, from the vCPU's thread: a line for each failure since the last call. */
void explain_new(struct vcpu *vcpu, FILE *to);

void explain_print(FILE *to, const struct abyme_entry_report *report);

#endif
