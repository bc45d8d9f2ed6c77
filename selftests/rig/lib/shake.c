// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/mman.h>
#include "../shake.h"

#define RAM (32u << 20)
#define PAGE 4096u
#define RFLAGS_IF 0x200ull
#define RUN_US 1000
#define EXITS 3

u64 shake_seed = 88172645463325252ULL;

static u8 *memory;	      /* as it was when it was kept */
static bool used[RAM / PAGE]; /* pages in it that are not zero */
static bool ran;	      /* the guest, since it was as then */

u64 shake_draw(void)
{
	shake_seed ^= shake_seed << 13;
	shake_seed ^= shake_seed >> 7;
	shake_seed ^= shake_seed << 17;
	return shake_seed;
}

struct vm *shake_start(const char *name, bool in_l2)
{
	static struct machine m;
	struct vm *vm = image_vm(name, RAM);
	u8 status;

	do {
		if (image_run(vm, "# ", &status) != IMAGE_MARK)
			tap_bail("the image has no such moment");
		if (machine_get(vm, &m, PART_NESTED))
			tap_bail("KVM_GET_NESTED_STATE");
	} while (in_l2 && !(m.nested.state.flags & KVM_STATE_NESTED_GUEST_MODE));
	return vm;
}

void shake_keep(struct vm *vm)
{
	if (!memory)
		memory =
			mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		tap_bail("mmap");
	memcpy(memory, vm->ram, RAM);
	for (u32 i = 0; i < RAM / PAGE; i++)
		used[i] = memory[i * PAGE] ||
			  memcmp(memory + i * PAGE, memory + i * PAGE + 1, PAGE - 1);
	ran = false;
}

/* What a guest writes elsewhere stays: a guest begins with memory that is not zero. */
void shake_back(struct vm *vm)
{
	for (u32 i = 0; ran && i < RAM / PAGE; i++)
		if (used[i])
			memcpy(vm->ram + i * PAGE, memory + i * PAGE, PAGE);
	ran = false;
}

static bool defined_exit(struct vm *vm)
{
	switch (vm->cpu[0].run->exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_DEBUG:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_INTR: return true;
	default: return false;
	}
}

static bool interruptible(struct vm *vm)
{
	struct kvm_regs regs;

	return !ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs) && (regs.rflags & RFLAGS_IF);
}

static void debug(struct vm *vm, u32 control)
{
	struct kvm_guest_debug dbg = { .control = control };

	if (ioctl(vm->cpu[0].fd, KVM_SET_GUEST_DEBUG, &dbg))
		tap_bail("KVM_SET_GUEST_DEBUG");
}

const char *shake_run(struct vm *vm, u32 *exits)
{
	bool freely = interruptible(vm);
	const char *wrong = NULL;

	ran = true;
	if (!freely)
		debug(vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
	vm_alarm_every(RUN_US);
	for (int i = 0; i < EXITS && !wrong; i++, ++*exits) {
		if (ioctl(vm->cpu[0].fd, KVM_RUN, 0)) {
			if (errno != EINTR && errno != EAGAIN)
				wrong = strerror(errno);
			break;
		}
		if (!defined_exit(vm))
			wrong = "an exit that is none of these";
	}
	vm_alarm_every(0);
	if (!freely)
		debug(vm, 0);
	return wrong;
}
