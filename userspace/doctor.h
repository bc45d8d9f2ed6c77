/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_DOCTOR_H
#define ABYME_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "doctor_change.h"

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

	bool abyme_loaded, kvm_intel_loaded, kvm_loaded;
	bool signed_only;      /* the kernel takes no module without a signature that it trusts */
	int kvm_intel_users;   /* open VMs and such; -1 unknown */
	bool kvm_keeps_vtx;    /* kvm's enable_virt_at_load */
	char kvm_nested;       /* 'Y', 'N', 0 unknown */
	char other_module[16]; /* another hypervisor's module; "" none */

	uint64_t memory_total, memory_free; /* bytes; free: 0 unknown */

	int device_error;      /* errno of opening it */
	char device_text[600]; /* the sentence that goes with it */
	int vm_error;	       /* errno of creating a VM; 0 fine, -1 not tried */
	bool device_vmx;       /* it offers VMX to guests */

	bool root;
	char user[33]; /* who is to use the device: sudo's user, or who runs us; "" unknown */
	bool user_in_group;
	bool group_there; /* DEVICE_GROUP */
	gid_t group;
	bool udev, udev_rule; /* there is udev; it has a rule for the device */
	bool node_there;
	uid_t node_uid;
	gid_t node_gid;
	mode_t node_mode;
	char huge_pages[16]; /* transparent ones: "always", "madvise", "never"; "" none */
};

#define DEVICE_GROUP "kvm"
#define UDEV_RULES "/etc/udev/rules.d"
#define UDEV_RULE UDEV_RULES "/60-abyme.rules"

void facts_gather(struct facts *facts, const char *device);

enum verdict { VERDICT_OK, VERDICT_BAD, VERDICT_UNKNOWN, VERDICT_NOTE, VERDICT_SKIP };
enum blocks { BLOCKS_NOTHING, BLOCKS_NEST, BLOCKS_RUN };

struct finding {
	const char *id;
	enum verdict verdict;
	enum blocks blocks; /* when the verdict is bad */
	char what[700];
	char mend[600];	   /* a command or a step; "" none */
	struct change fix; /* what doctor --fix may do about it; CHANGE_NONE: nothing */
};

#define FINDINGS_MAX 20

/* Judge the facts. Return: how many findings (without those to skip). */
unsigned int doctor_judge(const struct facts *facts, struct finding findings[FINDINGS_MAX]);

/* 0: can run and nest; 1: can run; 2: can't. */
int doctor_status(const struct finding *findings, unsigned int count);

/* The last line of a report with this status. */
extern const char *const doctor_summaries[];

/* doctor --fix: make the changes, or with @dry only say them. Return: the exit status. */
int doctor_fix(const char *device, bool dry);
/* doctor --undo: take back what --fix changed, the last change first. */
int doctor_undo(void);

#endif
