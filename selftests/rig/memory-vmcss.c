// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots that change under VMCSs that L1 has active. What L1 has written is in the new
 * memory once KVM_RUN has returned, or after VMCLEAR; a VMCS that is not current is what the
 * slot has now, as in KVM; and what is not the guest's any more is not written.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmx/caps.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define PAGE 0x1000u
#define REGIONS 0x400000 /* of VMCSs, in a slot of their own */
#define ELSEWHERE 0x600000
#define PAGES 4u
#define SIZE (PAGES * PAGE)
#define IN_RAM 0x11000 /* a VMCS that is in no slot that changes */
#define ALSO_IN_RAM 0x17000
#define LIST 0x15000
#define SLOT 1
#define AT(page) (REGIONS + (page)*PAGE)
#define CHANGES 16 /* of the slot while the vCPU runs */

enum { LIST_DONE = 0x20, FAILED = 0x21 };

/* What L1 does, one after the other: op, operand, and the value, which VMREAD writes. */
enum { END, VMPTRLD, VMCLEAR, VMREAD, VMWRITE, WAIT };
/* A byte of its memory, while it waits and when it is to go on. */
enum { WAITS = 1, GOES_ON };

struct step {
	u64 op, arg, value;
};

extern const u8 l1_code[], code_end[];

/*
 * The emulated processor takes no interrupt in a loop with RFLAGS.IF = 0 (docs/RIG.md). There
 * is no irqchip, so L1 has none either.
 */
asm(".pushsection .rodata\n"
    "l1_code: sti; movq $0x10000, (%rsp); vmxon (%rsp)\n"
    "1: out %al, $0x20\n"
    "mov $0x15000, %esi\n"
    "2: mov (%rsi), %rax; lea 8(%rsi), %rdi; mov (%rdi), %r8; add $24, %rsi\n"
    "test %eax, %eax; jz 1b\n"
    "dec %eax; jz 3f; dec %eax; jz 4f; dec %eax; jz 5f; dec %eax; jz 6f\n"
    "movb $1, (%r8); 7: xor %eax, %eax; cpuid; cmpb $1, (%r8); je 7b; jmp 2b\n"
    "3: vmptrld (%rdi); jmp 8f\n"
    "4: vmclear (%rdi); jmp 8f\n"
    "5: vmread %r8, 8(%rdi); jmp 8f\n"
    "6: vmwrite 8(%rdi), %r8\n"
    "8: ja 2b; mov -24(%rsi), %eax; out %al, $0x21; jmp 2b\n"
    "code_end:\n"
    ".popsection\n");

/* Fields that VMCS shadowing has, and that it has not. */
static const u64 fields[] = { VMCS_GUEST_RIP, VMCS_GUEST_FS_BASE, VMCS_PF_ERROR_MATCH,
			      VMCS_HOST_SYSENTER_EIP };

static struct vm *vm;
static u8 *regions; /* what the slot has */
static struct step *next;

/* --- L1 ---------------------------------------------------------------------- */

static struct step *add(u64 op, u64 arg, u64 value)
{
	*next = (struct step){ op, arg, value };
	return next++;
}

static void begin(void)
{
	next = (void *)(vm->ram + LIST);
}

/* Return: how many of the list's instructions failed; -1: L1 is lost. */
static int run_list(void)
{
	const struct kvm_run *run = vm->cpu[0].run;
	int reason, failed = 0;

	add(END, 0, 0);
	for (;;) {
		reason = vm_run(vm, 0);
		if (reason && reason != KVM_EXIT_IO)
			return -1;
		if (reason && run->io.port == LIST_DONE)
			return failed;
		failed += reason && run->io.port == FAILED;
	}
}

/* Fields of different VMCSs have different values. */
static u64 value(u64 who, unsigned int i)
{
	return who * 0x100 + i;
}

static void add_writes(u64 region, u64 who)
{
	add(VMPTRLD, region, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		add(VMWRITE, fields[i], value(who, i));
}

static struct step *add_reads(u64 region)
{
	struct step *first;

	add(VMPTRLD, region, 0);
	first = next;
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		add(VMREAD, fields[i], 0);
	return first;
}

static bool has_read(const struct step *s, u64 who)
{
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		good = good && s[i].value == value(who, i);
	if (!good)
		tap_note("field %#llx is %#llx, of %#llx", (unsigned long long)s->arg,
			 (unsigned long long)s->value, (unsigned long long)value(who, 0));
	return good;
}

/* L1 finds @who there, as one that it has not had before. */
static bool finds(u64 region, u64 who)
{
	const struct step *first;

	begin();
	first = add_reads(region);
	return run_list() == 0 && has_read(first, who);
}

/* --- the slot ---------------------------------------------------------------- */

static u8 *new_pages(void)
{
	u8 *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	memset(p, 0, SIZE);
	return p;
}

static void slot_is(u64 gpa, u8 *pages)
{
	if (vm_set_region(vm->fd, SLOT, 0, gpa, pages ? SIZE : 0, pages))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
}

static bool is_all(const u8 *pages, u8 byte)
{
	return pages[0] == byte && !memcmp(pages, pages + 1, SIZE - 1);
}

/* The slot is gone. What it had before is no more the guest's, and full of ones. */
static u8 *put_back(u8 *pages)
{
	u8 *old = regions;

	regions = pages;
	slot_is(REGIONS, pages);
	memset(old, 0xff, SIZE);
	return old;
}

static u8 *copied(void)
{
	u8 *pages = new_pages();

	memcpy(pages, regions, SIZE);
	return pages;
}

/* A slot cannot change its pages: it goes, and another comes. */
static u8 *replace_by(u8 *pages)
{
	slot_is(REGIONS, NULL);
	return put_back(pages);
}

/* A VMCS that L1 has not had yet: that it has all of another is memory's doing. */
static u64 copy_of(unsigned int page)
{
	memcpy(regions + (page + 2) * PAGE, regions + page * PAGE, PAGE);
	return AT(page + 2);
}

static void forget(u8 *pages)
{
	munmap(pages, SIZE);
}

/* --- the machine ------------------------------------------------------------- */

static void new_machine(void)
{
	u32 revision;

	vm = vm_new(L1_RAM);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true);
	l1_put(vm, &(struct l1_setup){}, l1_code, code_end - l1_code);
	revision = l1_get_msr(vm, VMX_MSR_BASIC);
	memcpy(vm->ram + ALSO_IN_RAM, &revision, sizeof(revision));
	regions = new_pages();
	for (unsigned int i = 0; i < PAGES; i++)
		memcpy(regions + i * PAGE, &revision, sizeof(revision));
	slot_is(REGIONS, regions);
	begin();
	if (run_list())
		tap_bail("L1 does not start");
}

static void end_machine(void)
{
	vm_free(vm);
	forget(regions);
}

/* Pages 0 and 1 are VMCSs 1 and 2, both active; another is current. */
static bool two_active(void)
{
	begin();
	for (unsigned int i = 0; i < 2; i++) {
		add(VMCLEAR, AT(i), 0);
		add_writes(AT(i), i + 1);
	}
	add(VMCLEAR, IN_RAM, 0);
	add_writes(IN_RAM, 9);
	return run_list() == 0;
}

/* --- claims ------------------------------------------------------------------ */

static void replaced(void)
{
	bool good;
	u8 *old;

	new_machine();
	good = two_active();
	old = replace_by(copied());
	good = good && finds(AT(0), 1) && finds(AT(1), 2);
	begin();
	add_writes(AT(0), 3);
	add(VMCLEAR, AT(1), 0);
	add(VMCLEAR, AT(0), 0);
	good = good && !run_list() && finds(copy_of(0), 3) && finds(copy_of(1), 2);
	tap_ok(good, "a slot gets other pages: L1's VMCSs are whole");
	tap_ok(is_all(old, 0xff), "and the pages before are not written");
	forget(old);
	end_machine();
}

/* Of a VMCS that is current the processor's counts, until VMCLEAR puts it where it belongs now. */
static void replaced_current(void)
{
	bool good;
	u8 *old;

	new_machine();
	begin();
	for (int i = 0; i < 3; i++) { /* what is used often may be at hand */
		add(VMCLEAR, AT(0), 0);
		add_writes(AT(0), 1);
	}
	good = !run_list();
	old = replace_by(copied());
	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		add(VMWRITE, fields[i], value(4, i));
	add(VMCLEAR, AT(0), 0);
	good = good && !run_list() && finds(copy_of(0), 4);
	tap_ok(good, "of the current VMCS, too");
	tap_ok(is_all(old, 0xff), "and the pages before are not written");
	forget(old);
	end_machine();
}

/* The first VMCS is where the second was: whoever still has them by their address has the wrong one. */
static void replaced_by_others(void)
{
	u8 *pages, *old;
	bool good;

	new_machine();
	good = two_active();
	pages = copied();
	memcpy(pages, regions + PAGE, PAGE);
	memcpy(pages + PAGE, regions, PAGE);
	old = replace_by(pages);
	good = good && finds(AT(0), 2) && finds(AT(1), 1);
	tap_ok(good, "a slot gets other VMCSs: L1 finds those");
	tap_ok(is_all(old, 0xff), "and the pages before are not written");
	forget(old);
	end_machine();
}

static void removed(void)
{
	bool good;
	u8 *kept;

	new_machine();
	good = two_active();
	kept = new_pages();
	memcpy(kept, regions, SIZE);
	slot_is(REGIONS, NULL);
	begin();
	add(VMPTRLD, AT(0), 0); /* there is no revision */
	add(VMCLEAR, AT(1), 0);
	good = good && run_list() == 1 && finds(IN_RAM, 9);
	tap_ok(good, "a slot goes: its VMCSs cannot be loaded, and others can");
	tap_ok(!memcmp(kept, regions, SIZE), "and its pages are not written");
	slot_is(REGIONS, regions);
	tap_ok(finds(AT(0), 1) && finds(AT(1), 2), "it comes back, with all that was written");
	forget(kept);
	end_machine();
}

static void moved(void)
{
	u8 *others;
	bool good;

	new_machine();
	good = two_active();
	slot_is(ELSEWHERE, regions);
	good = good && finds(ELSEWHERE, 1) && finds(ELSEWHERE + PAGE, 2);
	begin();
	add(VMCLEAR, ELSEWHERE, 0);
	add(VMPTRLD, AT(0), 0);
	good = good && run_list() == 1;
	tap_ok(good, "a slot moves: its VMCSs are where it is, and nowhere else");
	others = new_pages();
	memcpy(others, regions + PAGE, PAGE);
	if (vm_set_region(vm->fd, SLOT + 1, 0, REGIONS, SIZE, others))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	tap_ok(finds(AT(0), 2) && finds(ELSEWHERE, 1), "and another slot's are in its place");
	vm_free(vm);
	forget(others);
	forget(regions);
}

/* --- while the vCPU runs ----------------------------------------------------- */

#define FLAGS 0x16000 /* of WAIT, set one after the other */

static u8 *was[CHANGES];

/* L1 waits there: it has its VMCSs active, and does nothing with them. */
static void await(int flag)
{
	while (atomic_load((_Atomic u8 *)(vm->ram + FLAGS + flag)) != WAITS)
		usleep(100);
}

static void let_go(int flag)
{
	atomic_store((_Atomic u8 *)(vm->ram + FLAGS + flag), GOES_ON);
}

static void *change(__attribute__((unused)) void *unused)
{
	for (int i = 0; i < CHANGES; i++) {
		await(2 * i);
		slot_is(REGIONS, NULL);
		let_go(2 * i);
		await(2 * i + 1);
		was[i] = put_back(copied());
		let_go(2 * i + 1);
	}
	return NULL;
}

/* @i: which of the ways to use VMCSs before, while the slot is not there, and after. */
static bool one_change(int i)
{
	const struct step *first, *second;

	begin();
	for (int times = 0; times < 2; times++) {
		add_writes(AT(0), i + 10);
		add_writes(AT(1), i + 100);
		if (i & 1)
			add(VMCLEAR, AT(0), 0);
	}
	add(VMPTRLD, IN_RAM, 0);
	add(WAIT, FLAGS + 2 * i, 0);
	if (i & 2) {
		add(VMPTRLD, ALSO_IN_RAM, 0);
		add(VMPTRLD, IN_RAM, 0);
	}
	if (i & 8) /* what it had goes to memory that is not there now */
		add(VMCLEAR, AT(1), 0);
	add(WAIT, FLAGS + 2 * i + 1, 0);
	if (i & 4)
		add(VMCLEAR, AT(1), 0);
	first = add_reads(AT(0));
	second = add_reads(AT(1));
	return !run_list() && has_read(first, i + 10) && has_read(second, i + 100);
}

static void while_running(void)
{
	bool good = true, whole = true;
	pthread_t thread;

	new_machine();
	if (pthread_create(&thread, NULL, change, NULL))
		tap_bail("pthread_create");
	for (int i = 0; i < CHANGES; i++)
		good = one_change(i) && good;
	pthread_join(thread, NULL);
	for (int i = 0; i < CHANGES; i++) {
		whole = whole && is_all(was[i], 0xff);
		forget(was[i]);
	}
	tap_ok(good, "a slot goes and comes back while L1 runs, which has VMCSs active there");
	tap_ok(whole, "and the pages before are not written");
	end_machine();
}

int main(void)
{
	replaced();
	replaced_current();
	replaced_by_others();
	removed();
	moved();
	while_running();
	return tap_done();
}
