// SPDX-License-Identifier: GPL-2.0-only
/* Virtual processors: their first state, and the loop each runs in its thread. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "err.h"
#include "explain.h"
#include "trace.h"
#include "vm.h"

#define KICK_SIGNAL SIGUSR1

#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCKED_VMX 0x5 /* locked, VMX outside SMX */
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRINGS 0x1
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED_WRITE_BACK 0x806

static int failed(const struct vcpu *vcpu, const char *what)
{
	return fail("%s failed for vCPU %u on %s: %s; abyme doctor looks closer.", what, vcpu->id,
		    vcpu->vm->device.path, strerror(errno));
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

/*
 * What firmware would have set. A device that doesn't know one of these
 * MSRs has guests that can do without.
 */
static void set_msr(const struct vcpu *vcpu, uint32_t index, uint64_t keep_bits, uint64_t set_bits)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry.index = index };

	if (keep_bits)
		ioctl(vcpu->fd, KVM_GET_MSRS, &msr);
	msr.entry.data = (msr.entry.data & keep_bits) | set_bits;
	ioctl(vcpu->fd, KVM_SET_MSRS, &msr);
}

static void set_firmware_msrs(const struct vcpu *vcpu)
{
	/* Without fast strings Linux clears and copies pages in slower ways. */
	set_msr(vcpu, MSR_MISC_ENABLE, ~0ull, MISC_ENABLE_FAST_STRINGS);
	set_msr(vcpu, MSR_MTRR_DEF_TYPE, 0, MTRR_ENABLED_WRITE_BACK);
	if (vcpu->vm->nested)
		set_msr(vcpu, MSR_FEATURE_CONTROL, 0, FEATURE_CONTROL_LOCKED_VMX);
}

static int set_cpuid(const struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	const struct cpuid_wish wish = { vm->cpus, vm->nested, vm->device.tsc_deadline };
	struct cpuid_table table = vm->device.supported;

	cpuid_shape(&table, &wish, vcpu->id);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &table))
		return failed(vcpu, "KVM_SET_CPUID2");
	return 0;
}

/* Only the first vCPU enters the image: the others wait for its INIT and SIPI. */
static int set_entry(const struct vcpu *vcpu, const struct boot_entry *entry)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return failed(vcpu, "KVM_GET_SREGS");
	boot_set_sregs(entry, &sregs);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		return failed(vcpu, "KVM_SET_SREGS");
	boot_set_regs(entry, &regs);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return failed(vcpu, "KVM_SET_REGS");
	return 0;
}

/* Turns on what --explain and --trace-nested need of the device. */
static int start_watch(const struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	const char *option = vm->trace ? "--trace-nested" : "--explain";
	struct abyme_watch watch = { 0 };

	if (vm->explain)
		watch.flags |= ABYME_WATCH_REPORTS;
	if (vm->trace)
		watch.flags |= ABYME_WATCH_EXITS;
	if (!watch.flags || !ioctl(vcpu->fd, ABYME_SET_WATCH, &watch))
		return 0;
	/* KVM answers EINVAL to what it doesn't know. */
	if (errno == ENOTTY || errno == EINVAL)
		return fail("%s: %s has no such thing; run on " DEVICE_DEFAULT ".", option,
			    vm->device.path);
	return failed(vcpu, "ABYME_SET_WATCH");
}

static int create(struct vcpu *vcpu)
{
	vcpu->fd = ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->id);
	if (vcpu->fd < 0)
		return failed(vcpu, "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, vcpu->vm->device.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return failed(vcpu, "mmap");
	if (set_cpuid(vcpu))
		return -1;
	set_firmware_msrs(vcpu);
	return start_watch(vcpu);
}

int vcpus_create(struct vm *vm, const struct boot_entry *entry)
{
	vm->vcpu = calloc(vm->cpus, sizeof(*vm->vcpu));
	if (!vm->vcpu)
		return fail("no memory for %u vCPUs.", vm->cpus);
	for (unsigned int i = 0; i < vm->cpus; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].id = i;
		if (create(&vm->vcpu[i]))
			return -1;
	}
	return set_entry(&vm->vcpu[0], entry);
}

static enum ending_kind ending_of(enum pc_event event)
{
	switch (event) {
	case PC_POWER_OFF: return ENDING_POWER_OFF;
	case PC_RESET: return ENDING_RESET;
	case PC_DEBUG_EXIT: return ENDING_DEBUG_EXIT;
	default: return ENDING_NONE;
	}
}

static enum ending_kind exit_io(struct vcpu *vcpu, uint32_t *value)
{
	const struct kvm_run *run = vcpu->run;
	struct pc *pc = &vcpu->vm->pc;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		enum pc_event event;
		uint32_t word = 0;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			word = pc_in(pc, run->io.port, size);
			memcpy(data, &word, size);
			continue;
		}
		memcpy(&word, data, size);
		event = pc_out(pc, run->io.port, size, word);
		if (event != PC_NOTHING) {
			*value = pc->debug_value;
			return ending_of(event);
		}
	}
	return ENDING_NONE;
}

/* No device has memory: reads find all ones, writes are lost. */
static enum ending_kind exit_mmio(struct vcpu *vcpu, uint32_t *value)
{
	(void)value;
	if (!vcpu->run->mmio.is_write)
		memset(vcpu->run->mmio.data, 0xff, sizeof(vcpu->run->mmio.data));
	return ENDING_NONE;
}

static enum ending_kind exit_system_event(struct vcpu *vcpu, uint32_t *value)
{
	*value = vcpu->run->system_event.type;
	switch (*value) {
	case KVM_SYSTEM_EVENT_SHUTDOWN: return ENDING_POWER_OFF;
	case KVM_SYSTEM_EVENT_RESET: return ENDING_RESET;
	default: return ENDING_TRIPLE_FAULT;
	}
}

static enum ending_kind handle_exit(struct vcpu *vcpu, uint32_t *value)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO: return exit_io(vcpu, value);
	case KVM_EXIT_MMIO: return exit_mmio(vcpu, value);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN: return ENDING_NONE;
	case KVM_EXIT_SHUTDOWN: return ENDING_TRIPLE_FAULT;
	case KVM_EXIT_SYSTEM_EVENT: return exit_system_event(vcpu, value);
	case KVM_EXIT_FAIL_ENTRY: return ENDING_FAILED_ENTRY;
	case KVM_EXIT_INTERNAL_ERROR: return ENDING_INTERNAL_ERROR;
	default: *value = vcpu->run->exit_reason; return ENDING_UNKNOWN_EXIT;
	}
}

static void keep_state(struct vcpu *vcpu)
{
	vcpu->have_state = !ioctl(vcpu->fd, KVM_GET_REGS, &vcpu->regs) &&
			   !ioctl(vcpu->fd, KVM_GET_SREGS, &vcpu->sregs);
}

/* What has come up during KVM_RUN. */
static void tell(struct vcpu *vcpu)
{
	if (vcpu->vm->explain)
		explain_new(vcpu, stderr);
	if (vcpu->vm->trace && vcpu->run->exit_reason == KVM_EXIT_INTR)
		trace_new(vcpu);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	enum ending_kind ending = ENDING_NONE;
	uint32_t value = 0;

	while (!atomic_load_explicit(&vcpu->vm->stopping, memory_order_relaxed)) {
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			ending = handle_exit(vcpu, &value);
		} else if (errno != EINTR && errno != EAGAIN) {
			ending = ENDING_RUN_FAILED;
			value = errno;
		}
		tell(vcpu);
		if (ending != ENDING_NONE) {
			keep_state(vcpu);
			vm_end(vcpu->vm, ending, value, vcpu);
			break;
		}
	}
	if (vcpu->vm->trace)
		trace_end(vcpu);
	return NULL;
}

static void kicked(int signal)
{
	(void)signal; /* it is there to interrupt KVM_RUN */
}

int vcpus_start(struct vm *vm)
{
	struct sigaction action = { .sa_handler = kicked };

	sigaction(KICK_SIGNAL, &action, NULL);
	for (; vm->running < vm->cpus; vm->running++) {
		struct vcpu *vcpu = &vm->vcpu[vm->running];
		int error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);

		if (error) {
			fail("no thread for vCPU %u: %s; ask for fewer --cpus.", vcpu->id,
			     strerror(error));
			atomic_store(&vm->stopping, true);
			vcpus_stop(vm);
			return -1;
		}
	}
	return 0;
}

void vcpus_stop(struct vm *vm)
{
	/* The flag catches a vCPU on its way in, the signal one that is in. */
	for (unsigned int i = 0; i < vm->running; i++) {
		vm->vcpu[i].run->immediate_exit = 1;
		pthread_kill(vm->vcpu[i].thread, KICK_SIGNAL);
	}
	for (unsigned int i = 0; i < vm->running; i++)
		pthread_join(vm->vcpu[i].thread, NULL);
	vm->running = 0;
}
