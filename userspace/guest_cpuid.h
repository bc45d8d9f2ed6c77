/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_GUEST_CPUID_H
#define ABYME_GUEST_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define CPUID_ENTRIES_MAX 256
#define CPUID_ABYME_BASE 0x40000100 /* a second range of hypervisor leaves: who launched it */
#define CPUID_ABYME_SIGNATURE "AbymeAbyme\0" /* 12 bytes, in EBX, ECX, EDX */

struct cpuid_table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[CPUID_ENTRIES_MAX];
};

struct cpuid_wish {
	unsigned int cpus;
	bool nested;	   /* the guest sees VMX */
	bool tsc_deadline; /* the device has the timer */
};

struct kvm_cpuid_entry2 *cpuid_find(struct cpuid_table *table, uint32_t function, uint32_t index);

/* What the device supports, turned into what vCPU @id shows. */
void cpuid_shape(struct cpuid_table *table, const struct cpuid_wish *wish, unsigned int id);

/* Does what the device supports include VMX? */
bool cpuid_has_vmx(struct cpuid_table *table);
/* "GenuineIntel", or what it is. @name: 13 bytes. */
void cpuid_vendor(struct cpuid_table *table, char name[13]);

#endif
