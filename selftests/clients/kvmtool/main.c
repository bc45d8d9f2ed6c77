// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmtool-like KERNEL INITRD APPEND DISK TAP: a nested guest of 320 MiB, its serial port on
 * standard input and output. ABYME_DEV is the device.
 */
#include <pthread.h>
#include <unistd.h>
#include "bzimage.h"
#include "client.h"
#include "err.h"
#include "mptable.h"
#include "pc.h"
#include "ports.h"

#define MEMORY (320u << 20)

static struct client client;
static struct pc pc;

void die(const char *what)
{
	fprintf(stderr, "kvmtool-like: %s: %s\n", what, strerror(errno));
	exit(1);
}

void *at(const struct client *of, u64 gpa)
{
	if (gpa >= of->vm->ram_size)
		die("a ring points outside of memory");
	return of->vm->ram + gpa;
}

static void transmit(void *context, uint8_t byte)
{
	(void)context;
	if (write(STDOUT_FILENO, &byte, 1) != 1)
		exit(0);
}

static void set_irq(void *context, bool level)
{
	struct kvm_irq_level line = { .irq = COM1_IRQ, .level = level };

	(void)context;
	ioctl(client.vm->fd, KVM_IRQ_LINE, &line);
}

static void drained(void *context)
{
	(void)context;
}

static const struct serial_ops serial_ops = { transmit, set_irq, drained };

static void *listen(void *unused)
{
	uint8_t byte;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		pthread_mutex_lock(&pc.lock);
		serial_receive(&pc.serial, &byte, 1);
		pthread_mutex_unlock(&pc.lock);
	}
	return unused;
}

static void load(char **argv)
{
	struct guest_memory memory = { client.vm->ram, MEMORY };
	struct image kernel, initrd;
	struct boot_entry entry;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int cpu = client.vm->cpu[0].fd;

	if (image_open(&kernel, argv[1], "kernel image") ||
	    image_open(&initrd, argv[2], "initrd") ||
	    bzimage_load(&memory, &kernel, &initrd, argv[3], &entry)) {
		fprintf(stderr, "kvmtool-like: %s\n", fail_text());
		exit(1);
	}
	boot_write_tables(&memory, entry.long_mode);
	mptable_build(client.vm->ram + MP_TABLES, MP_TABLES, BIOS_END - MP_TABLES, 1, 0);
	if (ioctl(cpu, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS");
	boot_set_sregs(&entry, &sregs);
	boot_set_regs(&entry, &regs);
	if (ioctl(cpu, KVM_SET_SREGS, &sregs) || ioctl(cpu, KVM_SET_REGS, &regs))
		die("KVM_SET_SREGS, KVM_SET_REGS");
}

/* The PIT before the irqchip, as kvmtool does it. */
static void create(char **argv)
{
	struct kvm_pit_config pit = { 0 };

	client.vm = vm_new(MEMORY);
	if (ioctl(client.vm->fd, KVM_CREATE_PIT2, &pit) ||
	    ioctl(client.vm->fd, KVM_CREATE_IRQCHIP, 0))
		die("KVM_CREATE_PIT2, KVM_CREATE_IRQCHIP");
	routes_init(&client);
	vm_add_cpu(client.vm);
	vm_set_cpuid(client.vm, 0, true);
	load(argv);
	pci_add(&client, 0, &disk_kind, argv[4]);
	pci_add(&client, 1, &network_kind, argv[5]);
	pc_init(&pc, &serial_ops, NULL, MEMORY, 0);
}

/* Return: true when the guest has ended. */
static bool exit_io(struct kvm_run *run)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;
	unsigned int size = run->io.size;

	for (u32 i = 0; i < run->io.count; i++, data += size) {
		u32 value = 0;

		memcpy(&value, data, size);
		if (!pci_port(&client, run->io.port, size, write, &value)) {
			if (write && pc_out(&pc, run->io.port, size, value) != PC_NOTHING)
				return true;
			if (!write)
				value = pc_in(&pc, run->io.port, size);
		}
		if (!write)
			memcpy(data, &value, size);
	}
	return false;
}

static bool handle(struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO: return exit_io(run);
	case KVM_EXIT_MMIO:
		if (!pci_memory(&client, run->mmio.phys_addr, run->mmio.len, run->mmio.is_write,
				run->mmio.data) &&
		    !run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return false;
	default: fprintf(stderr, "kvmtool-like: exit %u\n", run->exit_reason); return true;
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 6)
		die("five arguments");
	create(argv);
	if (pthread_create(&thread, NULL, listen, NULL))
		die("pthread_create");
	do {
		if (ioctl(client.vm->cpu[0].fd, KVM_RUN, 0) && errno != EINTR)
			die("KVM_RUN");
	} while (!handle(client.vm->cpu[0].run));
	return 0;
}
