/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP and a thin layer over the KVM API, for tests and for `mini`. The node
 * comes from ABYME_DEV, so that the same test runs on /dev/kvm.
 */
#ifndef RIG_VM_H
#define RIG_VM_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define EXIT_TAP_SKIP 4

/* --- TAP ---------------------------------------------------------------- */

void tap_ok(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __attribute__((noreturn)) tap_bail(const char *what);
/* Prints the plan; the value is for main() to return. */
int tap_done(void);

/* The call failed with this errno and nothing else. */
#define EXPECT_ERRNO(call, want, what)                                                          \
	do {                                                                                    \
		errno = 0;                                                                      \
		long r_ = (call);                                                               \
		int e_ = errno;                                                                 \
		tap_ok(r_ == -1 && e_ == (want), "%s: %s", what, #want);                        \
		if (r_ != -1 || e_ != (want))                                                   \
			tap_note("answered %ld, errno %d (%s:%d)", r_, e_, __FILE__, __LINE__); \
	} while (0)

/* No such ioctl here: KVM itself answers one or the other. */
#define EXPECT_REFUSED(call, what)                                                               \
	do {                                                                                     \
		errno = 0;                                                                       \
		long r_ = (call);                                                                \
		tap_ok(r_ == -1 && (errno == ENOTTY || errno == EINVAL), "%s is refused", what); \
		if (r_ != -1)                                                                    \
			tap_note("answered %ld (%s:%d)", r_, __FILE__, __LINE__);                \
	} while (0)

#define EXPECT_OK(call, what)                                                    \
	do {                                                                     \
		errno = 0;                                                       \
		long r_ = (call);                                                \
		tap_ok(r_ >= 0, "%s", what);                                     \
		if (r_ < 0)                                                      \
			tap_note("errno %d (%s:%d)", errno, __FILE__, __LINE__); \
	} while (0)

/* --- VMs ---------------------------------------------------------------- */

#define MAX_TEST_CPUS 8

struct vm {
	int dev;
	int fd;
	u8 *ram;
	size_t ram_size;
	int cpu_count;
	int run_size;
	struct {
		int fd;
		struct kvm_run *run;
	} cpu[MAX_TEST_CPUS];
};

const char *dev_path(void);
/* Opens the node or ends the test: skipped when it is not there. */
int dev_open(void);
bool dev_is_kvm(void);
int vm_cap(int fd, int cap);

/* Everything here ends the test when it fails. */
struct vm *vm_new(size_t ram_size);
/* Its memory from huge pages, as the launcher's is. */
struct vm *vm_new_huge(size_t ram_size);
void vm_irqchip(struct vm *vm);
int vm_add_cpu(struct vm *vm);
int vm_add_cpu_id(struct vm *vm, u32 id); /* the number is another than the index */
/* Supported CPUID, with the vCPU's APIC ID, and VMX only when @nested. */
void vm_set_cpuid(struct vm *vm, int cpu, bool nested);
/* Real mode at 0:@ip, flat segments of 64 KiB. */
void vm_real_mode(struct vm *vm, int cpu, u16 ip);
/* Flat 32-bit protected mode without paging at @eip. */
void vm_flat_mode(struct vm *vm, int cpu, u32 eip);
/*
 * 64-bit mode with CR4.VMXE and what VMX operation wants of CR0. Paging maps the first
 * GiB to itself, and each vector below LONG_VECTORS goes to @handler.
 */
#define LONG_GDT 0x9000 /* selector 8: code, 16: data */
#define LONG_IDT 0x9100
#define LONG_VECTORS 0x60
#define LONG_TABLES 0xa000 /* PML4, PDPT, page directory */
#define LONG_CR0 0x80000031
#define LONG_CR4 0x2020
void vm_long_mode(struct vm *vm, int cpu, u32 handler);
/* A new VM with an irqchip, as many vCPUs and the memory of @old, which is none after this. */
struct vm *vm_inherit(struct vm *old);
void vm_free(struct vm *vm);
/* KVM_RUN for at most 200 ms. Return: the exit's reason; 0: none meanwhile; -1: an error. */
int vm_run(struct vm *vm, int cpu);
/* The same: what OUT writes to @port; -1: nothing; -2: an error; -100 and less: another exit. */
int vm_next_out(struct vm *vm, int cpu, u16 port);
/* The value of @name as the description in a file of statistics leads to it; ~0: there is none. */
u64 stat_value(int fd, const char *name);
/* SIGALRM, which does nothing but end KVM_RUN, after @us; or again and again. 0: no more. */
void vm_alarm_once(long us);
void vm_alarm_every(long us);
/* Of each page of @vm's memory: has the process touched it? @there has room for all of them. */
void vm_touched(const struct vm *vm, bool *there);
int vm_set_region(int fd, u32 slot, u32 flags, u64 gpa, u64 size, void *host);

#endif
