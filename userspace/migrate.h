/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must be alike on two hosts for a machine, with a guest of its own running, to
 * move from one to the other: gathered on each, compared on the one it goes to.
 */
#ifndef ABYME_MIGRATE_H
#define ABYME_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "guest_cpuid.h"

#define MIGRATE_MSRS_MAX 128
#define MIGRATE_CAPS_MAX 64

struct migrate_msr {
	uint32_t index;
	uint64_t value;
};

/* A capability that a saved machine may depend on. */
struct migrate_cap {
	int cap;
	const char *name;
	enum migrate_kind {
		MIGRATE_THERE,	/* it is there, or not */
		MIGRATE_NUMBER, /* as many, or more */
		MIGRATE_BITS,	/* each bit */
	} kind;
	const char *now; /* how the source's machine does without */
};

/* Ends with a NULL name; the rows' places are those of migrate_facts.cap. */
extern const struct migrate_cap migrate_caps[];

struct migrate_facts {
	char device[64];
	unsigned int msrs;
	struct migrate_msr msr[MIGRATE_MSRS_MAX];
	struct cpuid_table cpuid;
	long cap[MIGRATE_CAPS_MAX];
	unsigned long tsc_khz; /* 0: unknown */
};

/* Ask the device. Return: 0, or -1 after fail(). */
int migrate_gather(struct migrate_facts *facts, const char *device);

/* As lines of text, and back. Reading: 0, or -1 after fail(); @name is for its sentence. */
void migrate_write(const struct migrate_facts *facts, FILE *to);
int migrate_read(struct migrate_facts *facts, FILE *from, const char *name);

/* Called for each difference: a sentence of what, and one of what now. */
struct migrate_teller {
	void (*tell)(struct migrate_teller *teller, const char *what, const char *now);
};

/* Return: how many differences forbid the move from @from to @to. */
unsigned int migrate_compare(const struct migrate_facts *from, const struct migrate_facts *to,
			     struct migrate_teller *teller);

/* Names of the bits of a word. */
struct bit_name {
	char title[80]; /* what manuals call it */
	char qemu[48];	/* QEMU's and libvirt's name; "" none */
};

/* @must: of the bits that must be 1, whose being 0 is a feature. */
void migrate_name_msr_bit(uint32_t msr, unsigned int bit, bool must, struct bit_name *name);

/* One register of a CPUID leaf, each bit of which is a feature. */
struct cpuid_word {
	uint32_t function, index;
	unsigned int reg;   /* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
	uint32_t transient; /* bits that follow the running kernel, or userspace */
	const char *names;  /* QEMU's, from bit 0 on; "-" none */
};

extern const struct cpuid_word migrate_cpuid_words[]; /* ends with .names NULL */
void migrate_name_cpuid_bit(const struct cpuid_word *word, unsigned int bit, struct bit_name *name);

/* The commands. @file: "-" is standard input. Return: the exit status. */
int migrate_say_facts(const char *device);
int migrate_judge(const char *device, const char *file, bool json);

#endif
