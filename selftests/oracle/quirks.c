// SPDX-License-Identifier: GPL-2.0-only
/* What is not compared, and the proof that it could not be. */
#include "oracle.h"

#define ANY NR_FIELDS

enum quirk {
#define Q(name, field, bits, condition, section, reason) QUIRK_##name,
#include "quirks.def"
#undef Q
	NR_QUIRKS
};

static struct quirk_state {
	bool holds; /* for the outcome that is looked at */
	u64 seen;   /* how often it hid something */
	u64 hash;   /* over what it hid */
} state[NR_QUIRKS + 1];

static const struct quirk_row {
	const char *name;
	u32 field;
	u64 bits;
} rows[NR_QUIRKS + 1] = {
#define Q(name_, field_, bits_, condition, section, reason) \
	[QUIRK_##name_] = { #name_, field_, bits_ },
#include "quirks.def"
#undef Q
};

void quirks_begin(const struct trial *t, const struct outcome *o)
{
#define Q(name, field, bits, condition, section, reason) state[QUIRK_##name].holds = (condition);
#include "quirks.def"
#undef Q
}

/* The bits of the field that no comparison sees; @value goes into the proof. */
u64 quirk_bits(enum field f, u64 value)
{
	u64 bits = 0;

	for (u32 i = 0; i + 1 < ARRAY_SIZE(state); i++) {
		if (!state[i].holds || (rows[i].field != f && rows[i].field != ANY))
			continue;
		bits |= rows[i].bits;
		state[i].seen++;
		state[i].hash = mix(state[i].hash, mix(f, value & rows[i].bits));
	}
	return bits;
}

void quirks_report(void)
{
	for (u32 i = 0; i + 1 < ARRAY_SIZE(state); i++)
		printf("Q %s %lu %lx\n", rows[i].name, (unsigned long)state[i].seen,
		       (unsigned long)state[i].hash);
}
