// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image's command line, one or more of, with numbers in C's notation:
 *
 *	run=FIRST+COUNT[/BLOCK]	a line "B number hash" for each BLOCK cases,
 *				with BLOCK 1 (the default) "B number hash kind"
 *	subsets=CASE		"S number mask hash" for each subset of its changes
 *	full=CASE[/MASK][:N]	what the case does ("#") and what came out ("="),
 *				after N cases before it
 *
 * Without any: the first 256 cases. scripts/oracle compares the lines.
 */
#include "oracle.h"

#define DEFAULT_RUN "run=0+256/64"

static char line[4096];

/* Taken before L2's memory is laid out over it. */
static void take_command_line(void)
{
	extern u32 boot_info;
	const u32 *info = (const u32 *)(u64)boot_info;
	const char *from = (const char *)(u64)info[4];
	u32 i = 0;

	if (!(info[0] & BIT(2)))
		return;
	for (; i < sizeof(line) - 1 && from[i]; i++)
		line[i] = from[i];
	line[i] = 0;
}

static u64 number(const char **s)
{
	u32 base = 10;
	u64 v = 0;

	if ((*s)[0] == '0' && (*s)[1] == 'x') {
		base = 16;
		*s += 2;
	}
	for (;; (*s)++) {
		char c = **s;

		if (c >= '0' && c <= '9')
			v = v * base + c - '0';
		else if (base == 16 && c >= 'a' && c <= 'f')
			v = v * base + c - 'a' + 10;
		else
			return v;
	}
}

/* The number after @mark, or @otherwise where it is not. */
static u64 number_after(const char **s, char mark, u64 otherwise)
{
	if (**s != mark)
		return otherwise;
	(*s)++;
	return number(s);
}

static u64 one(struct l1_vmx *vmx, u64 n, u32 mask, bool explain, u32 *kind)
{
	static struct trial t;

	trial_build(&t, n, mask, explain);
	if (kind)
		*kind = t.kind;
	return trial_run(vmx, &t);
}

static void do_run(struct l1_vmx *vmx, const char *s)
{
	u64 first = number(&s), count = number_after(&s, '+', 1);
	u64 block = number_after(&s, '/', 1), hash = 0;
	u32 kind = 0;

	trial_init(vmx);
	for (u64 i = 0; i < count; i++) {
		hash = mix(hash, one(vmx, first + i, ALL_CHANGES, false, &kind));
		if (block == 1)
			printf("B 0x%lx %lx %u\n", (unsigned long)(first + i), (unsigned long)hash,
			       kind);
		else if (i % block == block - 1 || i == count - 1)
			printf("B 0x%lx %lx\n", (unsigned long)(first + i - i % block),
			       (unsigned long)hash);
		if (i % block == block - 1)
			hash = 0;
	}
}

static void do_subsets(struct l1_vmx *vmx, const char *s)
{
	u64 n = number(&s);

	for (u32 mask = 0; mask <= ALL_CHANGES; mask++) {
		trial_init(vmx);
		printf("S 0x%lx 0x%x %lx\n", (unsigned long)n, mask,
		       (unsigned long)one(vmx, n, mask, false, NULL));
	}
}

static void do_full(struct l1_vmx *vmx, const char *s)
{
	u64 n = number(&s);
	u32 mask = number_after(&s, '/', ALL_CHANGES);
	u64 before = number_after(&s, ':', 0), hash;

	printf("F 0x%lx 0x%x\n", (unsigned long)n, mask);
	trial_init(vmx);
	for (u64 i = n - before; i < n; i++)
		one(vmx, i, ALL_CHANGES, false, NULL);
	hash = one(vmx, n, mask, true, NULL);
	printf("= hash %lx\n", (unsigned long)hash);
}

static const struct {
	const char *name;
	void (*run)(struct l1_vmx *vmx, const char *s);
} orders[] = {
	{ "run=", do_run },
	{ "subsets=", do_subsets },
	{ "full=", do_full },
};

static bool obey(struct l1_vmx *vmx, const char *word)
{
	for (u32 i = 0; i < ARRAY_SIZE(orders); i++) {
		u32 length = 0;

		while (orders[i].name[length])
			length++;
		if (memcmp(word, orders[i].name, length))
			continue;
		orders[i].run(vmx, word + length);
		return true;
	}
	return false;
}

/* What is asked for here is offered here. */
static void need_common(const struct vmx_caps *c)
{
	GUEST_EXPECT(common_pin & ~c->pin.may, 0);
	GUEST_EXPECT(common_proc & ~c->proc.may, 0);
	GUEST_EXPECT(common_proc2 & ~c->proc2.may, 0);
	GUEST_EXPECT(common_exit & ~c->exit.may, 0);
	GUEST_EXPECT(common_entry & ~c->entry.may, 0);
	GUEST_EXPECT(cpuid(0x80000008).eax & 0xff, MAXPHYADDR);
}

static void all_orders(void)
{
	struct l1_vmx *vmx;
	bool any = false;
	char *s;

	take_command_line();
	vmx = l1_vmxon();
	need_common(&vmx->caps);
	memory_init(vmx);
	l1_new_vmcs(vmx);
	fields_find();
	base_init(vmx);
	waiting_init();
	quirks_init();
	shadow_init(vmx);
	for (u32 i = 0; i < nr_changes; i++)
		printf("K %u %s\n", i, changes[i].name);
	for (s = line; *s; s++)
		if (s == line || s[-1] == ' ')
			any |= obey(vmx, s);
	if (!any)
		obey(vmx, DEFAULT_RUN);
	quirks_report();
}

CLAIMS = { { all_orders, "L1 outlives every case" }, END_OF_CLAIMS };
