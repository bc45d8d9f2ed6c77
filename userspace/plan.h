/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest hypervisor and its guests take of a host's memory. */
#ifndef ABYME_PLAN_H
#define ABYME_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_L2_MAX 64

struct plan_wish {
	uint64_t l1; /* bytes; 0: not given */
	uint64_t l2[PLAN_L2_MAX];
	unsigned int l2s;
	unsigned int vcpus;
};

/*
 * The same guest in three cases: the host backs its memory by 2 MiB pages; by
 * 4 KiB pages; and by 4 KiB pages while each vCPU keeps every root of EPT02 that
 * it can, filled by the largest guests.
 */
enum plan_case { PLAN_LARGE, PLAN_SMALL, PLAN_WORST, PLAN_CASES };

enum plan_part {
	PLAN_MEMORY, /* the guest's own */
	PLAN_EPT,    /* its EPT */
	PLAN_EPT02,  /* what its guests run on */
	PLAN_PAGING, /* the launcher's page tables */
	PLAN_VCPUS,  /* structures and threads */
	PLAN_VM,     /* the VM's and the launcher's own */
	PLAN_PARTS,
};

struct plan {
	uint64_t part[PLAN_PARTS][PLAN_CASES]; /* bytes */
	uint64_t total[PLAN_CASES];
	uint64_t l1_needs; /* what L1 must have for its guests and itself */
};

/* A number of the model, where it comes from, and in pages of 4 KiB. */
struct plan_cost {
	const char *what, *source;
	unsigned int pages;
};

/*
 * At worst a vCPU holds more than one VMCS of L1's, as of a hypervisor of hypervisors
 * (kmod/nested/held.c: held_place()).
 */
#define PLAN_HELD_PAGES 12

extern const struct plan_cost plan_vcpu_costs[], plan_vm_costs[]; /* end with a NULL what */
extern const char *const plan_part_names[PLAN_PARTS];
extern const char *const plan_part_keys[PLAN_PARTS]; /* in JSON */

void plan_compute(struct plan *plan, const struct plan_wish *wish);

#endif
