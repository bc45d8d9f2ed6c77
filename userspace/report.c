// SPDX-License-Identifier: GPL-2.0-only
/* How a run ended, in words. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>

#include "err.h"
#include "report.h"

#define ENTRY_FAILED 0x80000000u
#define REASON_MASK 0xffff

static const char *exit_text(uint32_t reason)
{
	switch (reason & REASON_MASK) {
#define X(number, name, text) \
	case number:          \
		return text;
#include <vmx/exits.def>
#undef X
	}
	return "an unknown exit reason";
}

static const char *instruction_error_text(uint64_t number)
{
	switch (number) {
#define X(number, name, text) \
	case number:          \
		return text;
#include <vmx/errors.def>
#undef X
	}
	return "an unknown reason";
}

/* An exit reason whose top bit is set, or a VM-instruction error. */
const char *entry_failure_text(uint64_t reason)
{
	if (reason & ENTRY_FAILED)
		return exit_text(reason);
	return instruction_error_text(reason);
}

const char *internal_error_text(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION: return "it can't emulate an instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX: return "two exceptions came at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV: return "an exit came while an event was delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "the processor gave an exit that nobody expects";
	default: return "for an unknown reason";
	}
}

static void segment(const char *name, const struct kvm_segment *s, FILE *to)
{
	fprintf(to,
		"  %-4s %04x base=%016" PRIx64 " limit=%08x type=%x s=%d dpl=%d p=%d db=%d l=%d "
		"g=%d%s\n",
		name, s->selector, (uint64_t)s->base, s->limit, s->type, s->s, s->dpl, s->present,
		s->db, s->l, s->g, s->unusable ? " unusable" : "");
}

static void row(FILE *to, const char *a, uint64_t va, const char *b, uint64_t vb, const char *c,
		uint64_t vc)
{
	fprintf(to, "  %-4s %016" PRIx64 "  %-4s %016" PRIx64 "  %-6s %016" PRIx64 "\n", a, va, b,
		vb, c, vc);
}

void report_registers(const struct kvm_regs *r, const struct kvm_sregs *s, FILE *to)
{
	row(to, "rip", r->rip, "rsp", r->rsp, "rflags", r->rflags);
	row(to, "rax", r->rax, "rbx", r->rbx, "rcx", r->rcx);
	row(to, "rdx", r->rdx, "rsi", r->rsi, "rdi", r->rdi);
	row(to, "rbp", r->rbp, "r8", r->r8, "r9", r->r9);
	row(to, "r10", r->r10, "r11", r->r11, "r12", r->r12);
	row(to, "r13", r->r13, "r14", r->r14, "r15", r->r15);
	row(to, "cr0", s->cr0, "cr2", s->cr2, "cr3", s->cr3);
	row(to, "cr4", s->cr4, "efer", s->efer, "apic", s->apic_base);
	segment("cs", &s->cs, to);
	segment("ss", &s->ss, to);
	segment("ds", &s->ds, to);
	segment("es", &s->es, to);
	segment("fs", &s->fs, to);
	segment("gs", &s->gs, to);
	segment("tr", &s->tr, to);
	segment("ldt", &s->ldt, to);
	fprintf(to, "  gdt  %016" PRIx64 " limit=%04x  idt %016" PRIx64 " limit=%04x\n",
		(uint64_t)s->gdt.base, s->gdt.limit, (uint64_t)s->idt.base, s->idt.limit);
}

static void failed_entry(const struct vm *vm)
{
	uint64_t reason = vm->ended_by->run->fail_entry.hardware_entry_failure_reason;

	say("the processor refused to enter vCPU %u: %s (0x%" PRIx64 "); its state follows, the "
	    "kernel log may say more.",
	    vm->ended_by->id, entry_failure_text(reason), reason);
}

/*
 * Past the instruction's bytes the hypervisor may tell more; abyme's module
 * puts a sentence there, others numbers, which don't look like one.
 */
static const char *emulation_reason(const struct kvm_run *run)
{
	const char *text = (const char *)&run->internal.data[3];
	size_t room = sizeof(run->internal.data) - 3 * sizeof(run->internal.data[0]);
	size_t len = strnlen(text, room);

	if (run->internal.ndata <= 3 || len < 4 || len == room)
		return "";
	for (size_t i = 0; i < len; i++)
		if (!isprint((unsigned char)text[i]))
			return "";
	return text;
}

static void emulation_failed(const struct vm *vm)
{
	const struct kvm_run *run = vm->ended_by->run;
	const char *reason = emulation_reason(run);
	char bytes[3 * 16 + 1] = "";
	unsigned int size = 0;

	if (run->internal.ndata >= 3 &&
	    (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		size = run->emulation_failure.insn_size;
	for (unsigned int i = 0; i < size && i < sizeof(run->emulation_failure.insn_bytes); i++)
		snprintf(bytes + 3 * i, 4, " %02x", run->emulation_failure.insn_bytes[i]);
	say("%s gave up on vCPU %u: %s%s%s%s%s; its state follows.", vm->device.path,
	    vm->ended_by->id, internal_error_text(KVM_INTERNAL_ERROR_EMULATION), *bytes ? ":" : "",
	    bytes, *reason ? ": " : "", reason);
}

static void internal_error(const struct vm *vm)
{
	const struct kvm_run *run = vm->ended_by->run;
	uint32_t suberror = run->internal.suberror;

	if (suberror == KVM_INTERNAL_ERROR_EMULATION)
		emulation_failed(vm);
	else if (suberror == KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON && run->internal.ndata)
		say("%s gave up on vCPU %u: %s: %s (0x%llx); its state follows.", vm->device.path,
		    vm->ended_by->id, internal_error_text(suberror),
		    exit_text(run->internal.data[0]), (unsigned long long)run->internal.data[0]);
	else
		say("%s gave up on vCPU %u: %s (suberror %u); its state follows.", vm->device.path,
		    vm->ended_by->id, internal_error_text(suberror), suberror);
}

/* One sentence for each ending, and whether the vCPU's state is worth seeing. */
static bool say_ending(const struct vm *vm)
{
	unsigned int id = vm->ended_by ? vm->ended_by->id : 0;

	switch (vm->ending) {
	case ENDING_RESET: say("the guest reset itself."); return false;
	case ENDING_QUIT:
		fputc('\n', stderr); /* we are in the middle of a guest's line */
		say("you quit the guest.");
		return false;
	case ENDING_TRIPLE_FAULT:
		say("vCPU %u shut down: a triple fault; its state follows.", id);
		return true;
	case ENDING_FAILED_ENTRY: failed_entry(vm); return true;
	case ENDING_INTERNAL_ERROR: internal_error(vm); return true;
	case ENDING_UNKNOWN_EXIT:
		say("vCPU %u left the guest with exit reason %u, which abyme doesn't know; its state "
		    "follows.",
		    id, vm->ending_value);
		return true;
	case ENDING_RUN_FAILED:
		say("KVM_RUN of vCPU %u failed: %s; the kernel log may say more.", id,
		    strerror(vm->ending_value));
		return true;
	default: return false;
	}
}

static int exit_status(const struct vm *vm)
{
	switch (vm->ending) {
	case ENDING_POWER_OFF: return EXIT_POWER_OFF;
	case ENDING_RESET: return EXIT_RESET;
	case ENDING_DEBUG_EXIT: return (vm->ending_value << 1 | 1) & 0xff;
	case ENDING_TRIPLE_FAULT: return EXIT_TRIPLE_FAULT;
	case ENDING_FAILED_ENTRY: return EXIT_FAILED_ENTRY;
	case ENDING_QUIT: return EXIT_QUIT;
	default: return EXIT_INTERNAL;
	}
}

int report_ending(const struct vm *vm, FILE *to)
{
	if (say_ending(vm) && vm->ended_by && vm->ended_by->have_state)
		report_registers(&vm->ended_by->regs, &vm->ended_by->sregs, to);
	if (!vm->output_error)
		return exit_status(vm);
	if (vm->output_error != EPIPE) /* which SIGPIPE tells, as of any other program */
		say("standard output can't be written: %s.", strerror(vm->output_error));
	return EXIT_OUTPUT;
}
