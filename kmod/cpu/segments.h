/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Segment and descriptor-table registers of the guest that runs, in the
 * current VMCS. vcpu_get_segment() and vcpu_set_segment() are here too.
 * Context: vCPU loaded.
 */
#ifndef CPU_SEGMENTS_H
#define CPU_SEGMENTS_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;

void segments_reset(void);
/* VM entry into IA-32e mode wants a 64-bit busy TSS, whatever the guest had. */
void segments_enter_long_mode(void);

void segments_get_gdtr(struct kvm_dtable *out);
void segments_set_gdtr(const struct kvm_dtable *in);
void segments_get_idtr(struct kvm_dtable *out);
void segments_set_idtr(const struct kvm_dtable *in);

#endif
