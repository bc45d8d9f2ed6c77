/* SPDX-License-Identifier: GPL-2.0-only */
/* What the exits of a guest's own guests add up to. */
#ifndef ABYME_TRACE_SUMMARY_H
#define ABYME_TRACE_SUMMARY_H

#include <abyme.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_REASONS 128 /* more than there are; numbers above count as the last */

/* Exits of one reason that one hypervisor took. */
struct exit_sum {
	uint32_t reason; /* basic */
	bool to_l1;
	uint64_t count;
	uint64_t measured; /* of them: those that L2 was entered after; the sums are theirs */
	uint64_t least;	   /* that one of them cost */
	uint64_t l1_exits;
	uint64_t spent[ABYME_NR_SPENT];
};

struct trace_summary {
	struct exit_sum exit[TRACE_REASONS][2]; /* by basic reason, and to_l1 */
	uint64_t lost;
	struct abyme_nested_counts counts; /* of all vCPUs; each field once */
};

/* An access to a field: with an exit, or served by the processor's shadowing. */
struct access_count {
	uint64_t exits, shadowed;
};

void trace_summary_exit(struct trace_summary *s, const struct abyme_nested_exit *x);
void trace_summary_counts(struct trace_summary *s, const struct abyme_nested_counts *counts);

/*
 * The rows of the tables, the dearest first: by ticks of L0, L1 and userspace, and
 * by accesses that exit. Return: how many.
 */
size_t trace_summary_exits(const struct trace_summary *s, const struct exit_sum **rows);
size_t trace_summary_fields(const struct trace_summary *s, const struct abyme_field_count **rows);
struct exit_sum trace_summary_total(const struct trace_summary *s);

/* What handling exits took, without the time that the vCPU was halted. @spent: [ABYME_NR_SPENT] */
uint64_t exit_cost(const uint64_t *spent);

struct access_count field_reads(const struct abyme_field_count *f);
struct access_count field_writes(const struct abyme_field_count *f);

/* "VPID"; "?" for an unknown encoding. */
const char *field_name(uint32_t encoding);

extern const char *const ept02_fault_text[ABYME_NR_FAULTS];
extern const char *const flush_text[ABYME_NR_FLUSHES];
extern const char *const ept02_fault_name[ABYME_NR_FAULTS];
extern const char *const flush_name[ABYME_NR_FLUSHES];

#endif
