/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits for a guest's access to a device. Both answer as handlers in run/exits.h do. */
#ifndef EMULATE_DEVICE_H
#define EMULATE_DEVICE_H

#include <vmx/types.h>

struct vcpu;

/* io.c: IN, OUT, INS, OUTS. */
int exit_io(struct vcpu *vcpu);
/*
 * mmio.c: L1's address @gpa has no RAM, or it is a write to a read-only slot:
 * emulates the instruction that touched it.
 */
int mmio_emulate(struct vcpu *vcpu, u64 gpa);
/*
 * Does what mmio_emulate() does, but with interrupts off (vcpu->at_once). Answers EXIT_LATER
 * unless there is no slot at @gpa, the instruction was emulated lately, and it takes a short time.
 */
int mmio_at_once(struct vcpu *vcpu, u64 gpa);

#endif
