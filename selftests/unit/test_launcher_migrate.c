// SPDX-License-Identifier: GPL-2.0-only
/* abyme doctor --migrate-from: what keeps a machine from moving between two hosts. */
/* sources: userspace/migrate_facts.c userspace/migrate_rules.c userspace/migrate_names.c */
/* sources: userspace/guest_cpuid.c userspace/device.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmx/caps.h>
#include <vmx/controls.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "migrate.h"

static struct migrate_facts from, to;
static char said[16384];

static void keep(struct migrate_teller *teller, const char *what, const char *now)
{
	(void)teller;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s -> %s\n", what, now);
}

static unsigned int compare(void)
{
	struct migrate_teller teller = { keep };

	said[0] = '\0';
	return migrate_compare(&from, &to, &teller);
}

static void put_msr(struct migrate_facts *f, uint32_t index, uint64_t value)
{
	for (unsigned int i = 0; i < f->msrs; i++)
		if (f->msr[i].index == index) {
			f->msr[i].value = value;
			return;
		}
	f->msr[f->msrs++] = (struct migrate_msr){ index, value };
}

static void add_cpuid(struct migrate_facts *f, uint32_t function, uint32_t index, uint32_t a,
		      uint32_t b, uint32_t c, uint32_t d)
{
	f->cpuid.entry[f->cpuid.head.nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = index || function == 0xd ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
		.eax = a,
		.ebx = b,
		.ecx = c,
		.edx = d,
	};
}

static struct kvm_cpuid_entry2 *leaf(struct migrate_facts *f, uint32_t function, uint32_t index)
{
	return cpuid_find(&f->cpuid, function, index);
}

static int cap_place(int cap)
{
	int i = 0;

	while (migrate_caps[i].name && migrate_caps[i].cap != cap)
		i++;
	return i;
}

/* Two hosts that are alike. */
static int setup(void **state)
{
	(void)state;
	memset(&from, 0, sizeof(from));
	strcpy(from.device, "/dev/kvm");
	add_cpuid(&from, 0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69);
	add_cpuid(&from, 1, 0, 0x306c3, 0, 1u << 5 | 1u << 27 | 1u << 28, 0x1f);
	add_cpuid(&from, 7, 0, 0, 1u << 5, 0, 0);
	add_cpuid(&from, 0xd, 0, 7, 832, 832, 0);
	add_cpuid(&from, 0xd, 2, 256, 576, 0, 0);
	add_cpuid(&from, 0x80000008, 0, 0x3027, 0, 0, 0);
	put_msr(&from, VMX_MSR_BASIC, 0x00d8100011e57ed0);
	put_msr(&from, VMX_MSR_MISC, 0x5 | MISC_ACTIVITY_HLT | 4 << MISC_CR3_TARGETS_SHIFT);
	put_msr(&from, VMX_MSR_CR0_FIXED0, 0x80000021);
	put_msr(&from, VMX_MSR_CR4_FIXED1, 0x3727ff);
	put_msr(&from, VMX_MSR_VMCS_ENUM, 0x2e);
	put_msr(&from, VMX_MSR_PROC2, 0x000050ffull << 32);
	put_msr(&from, VMX_MSR_TRUE_PROC, 0xfff9fffe04006172);
	put_msr(&from, VMX_MSR_EPT_VPID, EPTCAP_2M | EPTCAP_AD);
	put_msr(&from, 0x10a, 0x2b);
	put_msr(&from, 0x345, 0x2004);
	for (int i = 0; migrate_caps[i].name; i++)
		from.cap[i] = 1;
	from.cap[cap_place(KVM_CAP_NESTED_STATE)] = 8320;
	from.tsc_khz = 2000000;
	to = from;
	strcpy(to.device, "/dev/abyme");
	return 0;
}

static void expect_one(const char *what, const char *now)
{
	unsigned int found = compare();

	if (found != 1 || !strstr(said, what) || !strstr(strstr(said, " -> "), now))
		print_error("%u found: %s", found, said);
	assert_int_equal(found, 1);
	assert_non_null(strstr(said, what));
	assert_non_null(strstr(strstr(said, " -> "), now));
}

static void alike_hosts_have_no_difference(void **state)
{
	(void)state;
	assert_int_equal(compare(), 0);
	assert_string_equal(said, "");
}

/* All that is more here than there is no obstacle. */
static void more_on_the_destination_is_no_obstacle(void **state)
{
	(void)state;
	leaf(&to, 7, 0)->ebx |= 1u << 16;
	leaf(&to, 0x80000008, 0)->eax = 0x302e;
	put_msr(&to, VMX_MSR_PROC2, 0x02ffffffull << 32);
	put_msr(&to, VMX_MSR_EPT_VPID, EPTCAP_2M | EPTCAP_AD | EPTCAP_1G);
	put_msr(&to, VMX_MSR_VMCS_ENUM, 0x34);
	put_msr(&to, 0x10a, 0x6b);
	put_msr(&to, 0x999, 1);
	to.cap[cap_place(KVM_CAP_XSAVE2)] = 9000;
	assert_int_equal(compare(), 0);
}

static void controls_are_named_as_manual_and_qemu_do(void **state)
{
	(void)state;
	put_msr(&to, VMX_MSR_PROC2, 0x000050efull << 32);
	expect_one("\"virtualize x2APIC mode\" (IA32_VMX_PROCBASED_CTLS2, bit 36)",
		   "QEMU -cpu MODEL,-vmx-apicv-x2apic; libvirt <feature policy='disable' "
		   "name='vmx-apicv-x2apic'/>");
	setup(state);
	put_msr(&to, VMX_MSR_EPT_VPID, EPTCAP_2M);
	expect_one("\"accessed and dirty flags\" (IA32_VMX_EPT_VPID_CAP, bit 21)", "-vmx-eptad");
	setup(state);
	put_msr(&to, VMX_MSR_BASIC, 0x0098100011e57ed0);
	expect_one("\"information on exits due to INS and OUTS\" (IA32_VMX_BASIC, bit 54)",
		   "-vmx-ins-outs");
	setup(state);
	put_msr(&from, VMX_MSR_EPT_VPID, EPTCAP_2M | EPTCAP_AD | EPTCAP_UC);
	expect_one("\"uncacheable paging structures\"", "CPU model that both hosts have");
}

static void what_must_be_1_here_is_a_lack_too(void **state)
{
	(void)state;
	put_msr(&to, VMX_MSR_TRUE_PROC, 0xfff9fffe0401e172);
	assert_int_equal(compare(), 2);
	assert_non_null(strstr(said, "may clear bit 15 of the controls"));
	assert_non_null(strstr(said, "-vmx-cr3-load-noexit"));
	setup(state);
	put_msr(&to, VMX_MSR_CR0_FIXED0, 0x80000031);
	expect_one("may clear bits 0x10 in VMX operation (IA32_VMX_CR0_FIXED0)", "-vmx");
	setup(state);
	put_msr(&to, VMX_MSR_CR4_FIXED1, 0x1727ff);
	expect_one("may set bits 0x200000 in VMX operation (IA32_VMX_CR4_FIXED1)", "CPUID");
}

static void numbers_are_compared_as_numbers(void **state)
{
	(void)state;
	put_msr(&to, VMX_MSR_VMCS_ENUM, 0x2a);
	expect_one("VMCS fields up to 0x2e, and this host has them up to 0x2a", "controls");
	setup(state);
	put_msr(&to, VMX_MSR_MISC, 0x6 | MISC_ACTIVITY_HLT | 4 << MISC_CR3_TARGETS_SHIFT);
	expect_one("each 2^5 TSC ticks there and 2^6 here", "-vmx-preemption-timer");
	setup(state);
	put_msr(&to, VMX_MSR_MISC, 0x5 | MISC_ACTIVITY_HLT | 3 << MISC_CR3_TARGETS_SHIFT);
	expect_one("4 CR3-target values there and 3 here", "hypervisor");
	setup(state);
	put_msr(&to, VMX_MSR_BASIC, 0x00d8100011e57ed1);
	expect_one("revision 0x11e57ed0 there and 0x11e57ed1 here", "-vmx");
}

static void cpuid_bits_are_named(void **state)
{
	(void)state;
	leaf(&to, 7, 0)->ebx = 0;
	expect_one("avx2 (CPUID 0x7.0:EBX, bit 5)", "QEMU -cpu MODEL,-avx2");
	setup(state);
	leaf(&to, 1, 0)->ecx &= ~(1u << 27); /* OSXSAVE */
	assert_int_equal(compare(), 0);
	leaf(&to, 0x80000008, 0)->eax = 0x3024;
	expect_one("39 bits there and 36 here", "phys-bits=36");
	setup(state);
	leaf(&to, 0xd, 2)->ebx = 640;
	expect_one("XSAVE's component 2 has another size or place", "leave out");
	setup(state);
	leaf(&to, 0, 0)->ebx = 0x68747541;
	assert_int_equal(compare(), 1);
	setup(state);
	to.cpuid.head.nent = 2; /* leaves that are not there have no bits */
	assert_non_null(strstr((compare(), said), "avx2"));
}

/* VMX itself lacks: one sentence, and not one for each control. */
static void a_host_without_vmx_is_told_once(void **state)
{
	(void)state;
	leaf(&to, 1, 0)->ecx &= ~(1u << 5);
	put_msr(&to, VMX_MSR_PROC2, 0);
	put_msr(&to, VMX_MSR_BASIC, 0);
	expect_one("vmx (CPUID 0x1.0:ECX, bit 5)", "-cpu MODEL,-vmx");
	setup(state);
	leaf(&from, 1, 0)->ecx &= ~(1u << 5); /* nobody there can use it */
	put_msr(&to, VMX_MSR_PROC2, 0);
	assert_int_equal(compare(), 0);
}

static void weaknesses_count_the_other_way(void **state)
{
	(void)state;
	put_msr(&to, 0x10a, 0x2a);
	expect_one("rdctl-no (IA32_ARCH_CAPABILITIES, bit 0)", "-rdctl-no");
	put_msr(&to, 0x10a, 0x2f);
	expect_one("this host has the weakness rsba", "mitigate");
	setup(state);
	put_msr(&from, 0x10a, 0x2f);
	assert_int_equal(compare(), 0);
	put_msr(&from, 0x345, 0x2005);
	expect_one("last-branch records have format 5 there and 4 here", "pmu=off");
	setup(state);
	put_msr(&to, 0x345, 0);
	assert_int_equal(compare(), 2);
	put_msr(&from, 0x345, 0);
	put_msr(&to, 0x345, 0x2005);
	assert_int_equal(compare(), 0);
}

static void unknown_msrs_must_be_alike(void **state)
{
	(void)state;
	put_msr(&from, 0x999, 5);
	expect_one("feature MSR 0x999 is 0x5 there and missing", "look up");
	put_msr(&to, 0x999, 7);
	expect_one("feature MSR 0x999 is 0x5 there and 0x7 here", "look up");
	put_msr(&to, 0x999, 5);
	assert_int_equal(compare(), 0);
	put_msr(&from, 0x8b, 0x100000000); /* the microcode's revision says nothing */
	assert_int_equal(compare(), 0);
}

static void capabilities_are_compared_as_what_they_are(void **state)
{
	(void)state;
	to.cap[cap_place(KVM_CAP_X86_SMM)] = 0;
	expect_one("there is KVM_CAP_X86_SMM there, which this host doesn't have", "smm=off");
	setup(state);
	to.cap[cap_place(KVM_CAP_NESTED_STATE)] = 4224;
	expect_one("KVM_CAP_NESTED_STATE is 8320 there and 4224 here", "-vmx");
	setup(state);
	from.cap[cap_place(KVM_CAP_IRQ_ROUTING)] = 4096; /* that it is there counts */
	assert_int_equal(compare(), 0);
	from.cap[cap_place(KVM_CAP_ADJUST_CLOCK)] = 0xe;
	to.cap[cap_place(KVM_CAP_ADJUST_CLOCK)] = 0x12;
	expect_one("KVM_CAP_ADJUST_CLOCK is 0xe there and 0x12 here", "kvmclock");
}

static void the_tsc_needs_scaling_or_the_same_frequency(void **state)
{
	(void)state;
	to.tsc_khz = 2000400;
	assert_int_equal(compare(), 0);
	to.tsc_khz = 2100000;
	assert_int_equal(compare(), 0);
	from.cap[cap_place(KVM_CAP_TSC_CONTROL)] = to.cap[cap_place(KVM_CAP_TSC_CONTROL)] = 0;
	expect_one("2000000 kHz there and at 2100000 kHz here", "TSC scaling");
	to.tsc_khz = 0; /* unknown */
	assert_int_equal(compare(), 0);
}

static FILE *text_of(const struct migrate_facts *f, char **text, size_t *size)
{
	FILE *file = open_memstream(text, size);

	migrate_write(f, file);
	fclose(file);
	return fmemopen(*text, *size, "r");
}

static void what_is_written_is_read(void **state)
{
	static struct migrate_facts got;
	char *text;
	size_t size;
	FILE *file = text_of(&from, &text, &size);

	(void)state;
	assert_int_equal(migrate_read(&got, file, "file"), 0);
	fclose(file);
	free(text);
	assert_memory_equal(&got, &from, sizeof(got));
}

static void expect_refused(const char *text, const char *why)
{
	static struct migrate_facts got;
	FILE *file = fmemopen((void *)text, strlen(text), "r");

	fail_clear();
	assert_int_equal(migrate_read(&got, file, "facts.txt"), -1);
	assert_non_null(strstr(fail_text(), why));
	fclose(file);
}

#define HEAD "abyme migration facts 2\n"

/* A line that is lost would be a difference that is not found. */
static void a_lost_line_is_noticed(void **state)
{
	char *text, *line, *rest;
	size_t size;
	FILE *file = text_of(&from, &text, &size);

	(void)state;
	fclose(file);
	line = strstr(text, "cpuid ");
	rest = strchr(line, '\n') + 1;
	memmove(line, rest, strlen(rest) + 1);
	expect_refused(text, "facts.txt lacks lines");
	free(text);
	expect_refused(HEAD "end\n", "facts.txt lacks lines");
	expect_refused(HEAD "lines 1x\nend\n", "facts.txt lacks lines");
	expect_refused(HEAD "lines 1\ncap X 1\nend\n", "facts.txt lacks lines");
}

static void what_is_not_facts_is_refused(void **state)
{
	static char many[200000] = HEAD;

	(void)state;
	expect_refused("\n", "facts.txt is not what abyme doctor");
	expect_refused("{ \"device\": 1 }\n", "is not what abyme doctor");
	expect_refused("abyme migration facts 1\n", "of this version");
	expect_refused(HEAD, "ends too early, after line 1");
	expect_refused(HEAD "msr 0x480 0x1\n", "ends too early, after line 2");
	expect_refused(HEAD "msr 0x480\nend\n", "line 2 of facts.txt is not one of");
	expect_refused(HEAD "device /dev/kvm\ncpuid 1 2 3\nend\n", "line 3 of facts.txt");
	expect_refused(HEAD "cap KVM_CAP_XSAVE2 -1\nend\n", "line 2");
	expect_refused(HEAD "something\nend\n", "line 2");
	expect_refused(HEAD "tsc_khz 2000000junk\nend\n", "line 2");
	expect_refused(HEAD "cap KVM_CAP_XSAVE2 1 1\nend\n", "line 2");
	expect_refused(HEAD "msr 0x480 0x1 0x2\nend\n", "line 2");
	expect_refused(HEAD "cpuid 1 0 0 1 2 3 4 5\nend\n", "line 2");
	for (int i = 0; i <= MIGRATE_MSRS_MAX; i++)
		strcat(many, "msr 0x1 0x2\n");
	expect_refused(many, "line 130");
	strcpy(many, HEAD);
	for (int i = 0; i <= CPUID_ENTRIES_MAX; i++)
		strcat(many, "cpuid 0x1 0 0 1 2 3 4\n");
	expect_refused(many, "line 258");
}

/* Each part of each word has its name at its place. */
static void names_are_at_their_places(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t bit;
		bool must;
		const char *qemu;
	} names[] = {
		{ VMX_MSR_TRUE_PIN, PIN_POSTED_INTR, false, "vmx-posted-intr" },
		{ VMX_MSR_TRUE_PROC, PROC_TPR_SHADOW, false, "vmx-flexpriority" },
		{ VMX_MSR_TRUE_PROC, PROC_MTF, false, "vmx-mtf" },
		{ VMX_MSR_TRUE_PROC, PROC_SECONDARY, false, "vmx-secondary-ctls" },
		{ VMX_MSR_TRUE_PROC, PROC_CR3_STORE, true, "vmx-cr3-store-noexit" },
		{ VMX_MSR_PROC2, PROC2_SHADOW_VMCS, false, "vmx-shadow-vmcs" },
		{ VMX_MSR_PROC2, PROC2_XSAVES, false, "vmx-xsaves" },
		{ VMX_MSR_PROC2, PROC2_TSC_SCALING, false, "vmx-tsc-scaling" },
		{ VMX_MSR_TRUE_EXIT, EXITC_SAVE_PREEMPT_TIMER, false,
		  "vmx-exit-save-preemption-timer" },
		{ VMX_MSR_TRUE_EXIT, EXITC_LOAD_PERF_GLOBAL, false,
		  "vmx-exit-load-perf-global-ctrl" },
		{ VMX_MSR_TRUE_ENTRY, ENTRYC_LOAD_EFER, false, "vmx-entry-load-efer" },
		{ VMX_MSR_TRUE_ENTRY, ENTRYC_LOAD_DEBUG, true, "vmx-entry-noload-debugctl" },
		{ VMX_MSR_MISC, MISC_VMWRITE_ANY, false, "vmx-vmwrite-vmexit-fields" },
		{ VMX_MSR_MISC, MISC_ZERO_INSN_LEN, false, "vmx-zero-len-inject" },
		{ VMX_MSR_EPT_VPID, EPTCAP_INVEPT, false, "vmx-invept" },
		{ VMX_MSR_EPT_VPID, EPTCAP_INVVPID, false, "vmx-invvpid" },
		{ VMX_MSR_EPT_VPID, EPTCAP_INVVPID_ALL, false, "vmx-invvpid-all-context" },
		{ VMX_MSR_BASIC, BASIC_NO_ERROR_CODE, false, "vmx-any-errcode" },
		{ 0x10a, 1ull << 26, false, "gds-no" },
		{ 0x10a, 1ull << 62, false, "its-no" },
		{ VMX_MSR_VMFUNC, VMFUNC_EPTP_SWITCHING, false, "vmx-eptp-switching" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bit_name name;

		migrate_name_msr_bit(names[i].msr, __builtin_ctzll(names[i].bit), names[i].must,
				     &name);
		assert_string_equal(name.qemu, names[i].qemu);
	}
	for (const struct cpuid_word *w = migrate_cpuid_words; w->names; w++) {
		struct bit_name name;

		migrate_name_cpuid_bit(w, 32, &name);
		assert_string_equal(name.qemu, ""); /* no word has more than 32 */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(alike_hosts_have_no_difference, setup),
		cmocka_unit_test_setup(more_on_the_destination_is_no_obstacle, setup),
		cmocka_unit_test_setup(controls_are_named_as_manual_and_qemu_do, setup),
		cmocka_unit_test_setup(what_must_be_1_here_is_a_lack_too, setup),
		cmocka_unit_test_setup(numbers_are_compared_as_numbers, setup),
		cmocka_unit_test_setup(cpuid_bits_are_named, setup),
		cmocka_unit_test_setup(a_host_without_vmx_is_told_once, setup),
		cmocka_unit_test_setup(weaknesses_count_the_other_way, setup),
		cmocka_unit_test_setup(unknown_msrs_must_be_alike, setup),
		cmocka_unit_test_setup(capabilities_are_compared_as_what_they_are, setup),
		cmocka_unit_test_setup(the_tsc_needs_scaling_or_the_same_frequency, setup),
		cmocka_unit_test_setup(what_is_written_is_read, setup),
		cmocka_unit_test_setup(a_lost_line_is_noticed, setup),
		cmocka_unit_test_setup(what_is_not_facts_is_refused, setup),
		cmocka_unit_test_setup(names_are_at_their_places, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
