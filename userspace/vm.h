/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_VM_H
#define ABYME_VM_H

#include <pthread.h>
#include <stdatomic.h>

#include "boot.h"
#include "device.h"
#include "memory.h"
#include "pc.h"

#define VM_CPUS_MAX 254 /* APIC ids of 8 bits, one left for the I/O APIC */

/* How a run ended; the first that happens counts. */
enum ending_kind {
	ENDING_NONE,
	ENDING_POWER_OFF,
	ENDING_RESET,
	ENDING_DEBUG_EXIT, /* value: what the guest wrote */
	ENDING_TRIPLE_FAULT,
	ENDING_FAILED_ENTRY,
	ENDING_INTERNAL_ERROR,
	ENDING_UNKNOWN_EXIT,  /* value: KVM's exit reason */
	ENDING_RUN_FAILED,    /* value: errno of KVM_RUN */
	ENDING_OUTPUT_FAILED, /* the VM has the errno */
	ENDING_QUIT,
	ENDING_SIGNAL, /* value: the signal */
};

struct trace;
struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	uint64_t explained; /* sequence of the last report that was printed */
	uint64_t traced;    /* sequence of the last exit of L2 that was */
	/* How the guest stood when this vCPU ended the run. */
	bool have_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct vm {
	struct device device;
	int fd;
	struct guest_memory memory;
	struct pc pc;
	unsigned int cpus;
	bool nested, explain;
	struct trace *trace; /* or NULL */
	struct vcpu *vcpu;
	unsigned int running; /* how many threads were started */

	pthread_mutex_t lock; /* of the ending */
	enum ending_kind ending;
	uint32_t ending_value;
	struct vcpu *ended_by; /* NULL: not by a vCPU */
	atomic_bool stopping;
	int stop_fd; /* an eventfd that becomes readable at the end */
	/*
	 * One of them is readable, and stays so, once a reader of what we write isn't worth
	 * waiting for: a signal that nobody has taken yet; an eventfd, for one that was, and
	 * for a user who quit.
	 */
	int give_up[2];
	int output_error; /* why a part of the guest's output was lost, or 0; under the PC's lock */
};

/* VM, interrupt controllers, timer and memory slots. Return: 0, or -1 after fail(). */
int vm_create(struct vm *vm);
void vm_set_irq(struct vm *vm, unsigned int irq, bool level);

/* End the run. Callable from every thread; only the first call decides how it ended. */
void vm_end(struct vm *vm, enum ending_kind how, uint32_t value, struct vcpu *by);

/* vcpu.c */
int vcpus_create(struct vm *vm, const struct boot_entry *entry);
int vcpus_start(struct vm *vm);
/* Make every vCPU leave the guest, and wait for its thread. */
void vcpus_stop(struct vm *vm);

#endif
