/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM of one vCPU as the API saves it: each part with its GET and its SET, which a test
 * calls in whatever order a client does. And the images of selftests/guests to be saved.
 */
#ifndef RIG_MACHINE_H
#define RIG_MACHINE_H

#include <stdio.h>
#include "vm.h"

#define MACHINE_MSRS 255 /* in one KVM_GET_MSRS */

enum part {
	PART_CPUID,
	PART_FEATURE_CONTROL,
	PART_SREGS,
	PART_SREGS2,
	PART_NESTED,
	PART_REGS,
	PART_XSAVE,
	PART_FPU,
	PART_XCRS,
	PART_TSC_KHZ,
	PART_MSRS,
	PART_SSP, /* nothing without shadow stacks */
	PART_EVENTS,
	PART_MP_STATE,
	PART_TSC_DEADLINE, /* the MSR alone, once more */
	PART_DEBUGREGS,
	PART_LAPIC,
	PART_IRQCHIP,
	PART_PIT,
	PART_CLOCK,
	PART_END,
};

struct machine {
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[MACHINE_MSRS];
	} msrs;
	union {
		struct kvm_nested_state state;
		u8 room[sizeof(struct kvm_nested_state) + 2 * KVM_STATE_NESTED_VMX_VMCS_SIZE];
	} nested;
	struct kvm_sregs sregs;
	struct kvm_sregs2 sregs2;
	struct kvm_regs regs;
	struct kvm_xsave xsave;
	struct kvm_fpu fpu;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_irqchip chip[3];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	int tsc_khz;
	u64 ssp;
};

/* Lists that end with PART_END, in the order that the client has. */
extern const enum part qemu_gets[], qemu_sets[], firecracker_gets[], firecracker_sets[],
	cloud_hypervisor_gets[], cloud_hypervisor_sets[];

const char *part_name(enum part part);
/* 0, or -1 and errno. */
int machine_get(struct vm *vm, struct machine *m, enum part part);
int machine_set(struct vm *vm, struct machine *m, enum part part);
/* A whole list; what fails ends the test by its name. */
void machine_get_all(struct vm *vm, struct machine *m, const enum part *parts);
void machine_set_all(struct vm *vm, struct machine *m, const enum part *parts);
/*
 * Takes from two states of one machine, saved after each other, what need not be the same.
 * Either is good for nothing but a comparison then.
 */
void machine_forget(struct machine *was, struct machine *is);
/* The entry of an MSR that was saved, or NULL. */
struct kvm_msr_entry *machine_msr(struct machine *m, u32 index);

/* A multiboot image into @vm's memory. Return: where it begins; 0: it cannot be loaded. */
u32 image_load(struct vm *vm, const char *path);
/* vCPU 0 of a new VM with irqchip to the image's start. */
void image_start(struct vm *vm, u32 entry, bool nested);

/* A new VM with so much memory, whose vCPU 0 is nested and stands at the start of the image @name. */
struct vm *image_vm(const char *name, size_t ram_size);

/* What the image did that ended image_run(). */
enum image_end {
	IMAGE_MARK,   /* wrote to port 0x80, or see image_every; the instruction is done */
	IMAGE_SIGNAL, /* a signal came */
	IMAGE_FULL,   /* the dirty ring is to be emptied */
	IMAGE_DONE,   /* wrote its status, which is in *@status */
	IMAGE_BROKEN,
};

/* NULL: the console is standard output. */
extern FILE *image_console;
/* Besides port 0x80, each so many exits count as IMAGE_MARK; 0: none does. */
extern unsigned int image_every;
/* Run vCPU 0; its console has @prefix before each line. */
enum image_end image_run(struct vm *vm, const char *prefix, u8 *status);

#endif
