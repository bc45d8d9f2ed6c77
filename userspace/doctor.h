/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_DOCTOR_H
#define ABYME_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

/* What a machine says of itself; gathered by doctor_facts.c, judged by doctor_rules.c. */
struct facts {
	const char *device;
	bool device_is_kvm;

	char vendor[13];
	bool cpuid_vmx;	    /* CPUID.1:ECX.VMX */
	bool hypervisor;    /* CPUID.1:ECX[31]: we are in a VM */
	char signature[13]; /* of that hypervisor */
	bool in_abyme;	    /* that VM was started by abyme run */

	bool cpuinfo_vmx;     /* the kernel's flags, without what firmware turned off */
	char vmx_flags[1024]; /* /proc/cpuinfo's "vmx flags", with spaces around; "" unknown */
	bool feature_control_known;
	uint64_t feature_control; /* IA32_FEATURE_CONTROL */

	bool abyme_loaded, kvm_intel_loaded, kvm_loaded, lockdown;
	int kvm_intel_users;   /* open VMs and such; -1 unknown */
	bool kvm_keeps_vtx;    /* kvm's enable_virt_at_load */
	char kvm_nested;       /* 'Y', 'N', 0 unknown */
	char other_module[16]; /* another hypervisor's module; "" none */

	uint64_t memory_total, memory_free; /* bytes; free: 0 unknown */

	int device_error;      /* errno of opening it */
	char device_text[600]; /* the sentence that goes with it */
	int vm_error;	       /* errno of creating a VM; 0 fine, -1 not tried */
	bool device_vmx;       /* it offers VMX to guests */
};

void facts_gather(struct facts *facts, const char *device);

enum verdict { VERDICT_OK, VERDICT_BAD, VERDICT_UNKNOWN, VERDICT_NOTE, VERDICT_SKIP };
enum blocks { BLOCKS_NOTHING, BLOCKS_NEST, BLOCKS_RUN };

struct finding {
	const char *id;
	enum verdict verdict;
	enum blocks blocks; /* when the verdict is bad */
	char what[700];
	char mend[400]; /* a command or a step; "" none */
};

#define FINDINGS_MAX 16

/* Judge the facts. Return: how many findings (without those to skip). */
unsigned int doctor_judge(const struct facts *facts, struct finding findings[FINDINGS_MAX]);

/* 0: can run and nest; 1: can run; 2: can't. */
int doctor_status(const struct finding *findings, unsigned int count);

#endif
