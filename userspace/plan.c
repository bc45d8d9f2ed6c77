// SPDX-License-Identifier: GPL-2.0-only
/* abyme plan: does a guest hypervisor with its guests fit on this host? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "err.h"
#include "memory.h"
#include "optparse.h"
#include "plan.h"

#define DOES_NOT_FIT 1
#define VCPUS_MAX 254 /* as for abyme run */

struct plan_opts {
	struct plan_wish wish;
	bool json;
};

static int guest_size(const char *text, const char *option, uint64_t *bytes)
{
	if (parse_size(text, option, bytes))
		return -1;
	if (*bytes < MEM_MIN || *bytes % GUEST_PAGE)
		return fail("%s %s is not a guest's size; it takes whole pages of 4 KiB, and %s at "
			    "least.",
			    option, text, size_text(MEM_MIN).text);
	/* So that no sum of the plan overflows. */
	if (*bytes > 1ull << 48)
		return fail("%s %s is more than a processor can address; write for example %s 2G.",
			    option, text, option);
	return 0;
}

static int set_l1(void *into, const char *value)
{
	return guest_size(value, "--l1", &((struct plan_opts *)into)->wish.l1);
}

/* "512M,1G": a guest's size each. */
static int set_l2(void *into, const char *value)
{
	struct plan_wish *wish = &((struct plan_opts *)into)->wish;
	char text[32];

	for (const char *at = value;; at++) {
		size_t len = strcspn(at, ",");

		if (len >= sizeof(text))
			return fail("--l2 '%s' is not a list of sizes; write for example --l2 "
				    "512M,1G.",
				    value);
		if (wish->l2s == PLAN_L2_MAX)
			return fail("--l2 takes %d sizes at most.", PLAN_L2_MAX);
		memcpy(text, at, len);
		text[len] = '\0';
		if (guest_size(text, "--l2", &wish->l2[wish->l2s]))
			return -1;
		wish->l2s++;
		at += len;
		if (!*at)
			return 0;
	}
}

static int set_vcpus(void *into, const char *value)
{
	return parse_count(value, "--vcpus", 1, VCPUS_MAX, &((struct plan_opts *)into)->wish.vcpus);
}

static int set_json(void *into, const char *value)
{
	(void)value;
	((struct plan_opts *)into)->json = true;
	return 0;
}

static const struct option_row plan_options[] = {
	{ "l1", "SIZE", "memory of the guest hypervisor, as abyme run --memory: 2G", "memory m",
	  false, set_l1 },
	{ "l2", "SIZE,SIZE...", "memory of each of its own guests: 512M,512M", "guests", true,
	  set_l2 },
	{ "vcpus", "N", "virtual processors of the guest hypervisor (default 1)", "cpus smp c",
	  false, set_vcpus },
	{ "json", NULL, "for programs", "j", false, set_json },
	{ 0 },
};

static const struct command plan_command = {
	.name = "plan",
	.usage = "abyme plan --l1 SIZE [OPTION]...",
	.about = "Say how much of this host's memory a guest hypervisor and its guests take, and\n"
		 "whether it has as much.",
	.after =
		"Exit status: 0 it fits; 1 it doesn't; 2 wrong usage; 16 standard output can't be\n"
		"written.",
	.options = plan_options,
};

/* What this host has, and what came of comparing. */
struct verdict {
	struct host_memory host;
	bool huge; /* guests get 2 MiB pages here */
	enum plan_case counts;
	uint64_t host_lacks, l1_lacks;
};

static void judge(struct verdict *v, const struct plan *plan, const struct plan_wish *wish)
{
	uint64_t needed;

	v->host = host_memory();
	v->huge = host_has_huge_pages();
	v->counts = v->huge ? PLAN_LARGE : PLAN_SMALL;
	needed = plan->total[v->counts];
	/* 0 free is that the kernel doesn't say. */
	v->host_lacks = v->host.available && needed > v->host.available ? needed - v->host.available
									: 0;
	v->l1_lacks = plan->l1_needs > wish->l1 ? plan->l1_needs - wish->l1 : 0;
}

static void print_row(const char *name, const uint64_t bytes[PLAN_CASES])
{
	printf("%-28s", name);
	for (int c = 0; c < PLAN_CASES; c++)
		printf(" %14s", size_text(align_up(bytes[c], KIB)).text);
	putchar('\n');
}

static void print_host(const struct verdict *v, const struct plan *plan)
{
	const char *pages = v->huge ? "2 MiB" : "4 KiB";

	if (!v->host.available)
		printf("This host doesn't say how much memory is free.\n");
	else if (v->host_lacks)
		printf("This host has %s free and backs guests by %s pages: it lacks %s.\n",
		       size_text(v->host.available).text, pages,
		       size_text(align_up(v->host_lacks, MIB)).text);
	else
		printf("This host has %s free and backs guests by %s pages: it fits.\n",
		       size_text(v->host.available).text, pages);
	if (!v->huge && access(HUGE_PAGES, F_OK))
		printf("No transparent huge pages show here: mount /sys, or use a kernel that is "
		       "built with them.\n");
	else if (!v->huge)
		printf("Transparent huge pages are off here; abyme doctor --fix turns them on.\n");
	else if (!v->host_lacks && v->host.in_large_blocks < plan->part[PLAN_MEMORY][PLAN_LARGE])
		printf("Only %s are free in blocks of 2 MiB now; what the kernel can't make more of "
		       "takes 4 KiB pages.\n",
		       size_text(v->host.in_large_blocks).text);
	if (!v->host_lacks && v->host.available && plan->total[PLAN_WORST] > v->host.available)
		printf("The worst case does not fit.\n");
}

static void print_l1(const struct verdict *v, const struct plan *plan, const struct plan_wish *wish)
{
	if (v->l1_lacks)
		printf("The guest hypervisor's %s are too little for its guests and a small Linux, "
		       "which take %s: it lacks %s.\n",
		       size_text(wish->l1).text, size_text(align_up(plan->l1_needs, MIB)).text,
		       size_text(align_up(v->l1_lacks, MIB)).text);
	else
		printf("The guest hypervisor's %s hold its guests and a small Linux, which take %s.\n",
		       size_text(wish->l1).text, size_text(align_up(plan->l1_needs, MIB)).text);
}

static void print_text(const struct verdict *v, const struct plan *plan,
		       const struct plan_wish *wish)
{
	printf("%-28s %14s %14s %14s\n", "", "2 MiB pages", "4 KiB pages", "worst");
	for (int p = 0; p < PLAN_PARTS; p++)
		print_row(plan_part_names[p], plan->part[p]);
	print_row("all", plan->total);
	putchar('\n');
	print_host(v, plan);
	print_l1(v, plan, wish);
}

static void json_row(const char *key, const uint64_t bytes[PLAN_CASES])
{
	printf("  \"%s\": { \"large\": %" PRIu64 ", \"small\": %" PRIu64 ", \"worst\": %" PRIu64
	       " },\n",
	       key, bytes[PLAN_LARGE], bytes[PLAN_SMALL], bytes[PLAN_WORST]);
}

static void print_json(const struct verdict *v, const struct plan *plan)
{
	printf("{\n");
	for (int p = 0; p < PLAN_PARTS; p++)
		json_row(plan_part_keys[p], plan->part[p]);
	json_row("total", plan->total);
	printf("  \"available\": %" PRIu64 ",\n  \"in_large_blocks\": %" PRIu64
	       ",\n  \"counts\": \"%s\",\n",
	       v->host.available, v->host.in_large_blocks,
	       v->counts == PLAN_LARGE ? "large" : "small");
	printf("  \"host_lacks\": %" PRIu64 ",\n  \"l1_needs\": %" PRIu64
	       ",\n  \"l1_lacks\": %" PRIu64 ",\n",
	       v->host_lacks, plan->l1_needs, v->l1_lacks);
	printf("  \"fits\": %s\n}\n", v->host_lacks || v->l1_lacks ? "false" : "true");
}

static int parse(struct plan_opts *opts, int argc, char **argv)
{
	int result = options_parse(&plan_command, opts, argc, argv);

	if (!result && !opts->wish.l1)
		return fail("abyme plan needs the guest hypervisor's memory: --l1 2G.");
	return result;
}

int plan_main(int argc, char **argv)
{
	struct plan_opts opts = { .wish.vcpus = 1 };
	int result = parse(&opts, argc, argv);
	struct verdict verdict;
	struct plan plan;

	if (result == OPTIONS_HELP) {
		options_help(&plan_command, stdout);
		return 0;
	}
	if (result) {
		say("%s", fail_text());
		return EXIT_USAGE;
	}
	plan_compute(&plan, &opts.wish);
	judge(&verdict, &plan, &opts.wish);
	if (opts.json)
		print_json(&verdict, &plan);
	else
		print_text(&verdict, &plan, &opts.wish);
	return verdict.host_lacks || verdict.l1_lacks ? DOES_NOT_FIT : 0;
}
