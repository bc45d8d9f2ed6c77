// SPDX-License-Identifier: GPL-2.0-only
/* abyme doctor: from the facts of a machine to what holds it back. */
/* sources: userspace/doctor_rules.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include "doctor.h"
#include "units.h"

static struct facts facts;
static struct finding findings[FINDINGS_MAX];
static unsigned int count;

/* A host on which everything is right. */
static int setup(void **state)
{
	(void)state;
	facts = (struct facts){
		.device = "/dev/abyme",
		.vendor = "GenuineIntel",
		.cpuid_vmx = true,
		.cpuinfo_vmx = true,
		.feature_control_known = true,
		.feature_control = 5,
		.vmx_flags = " ept ept_ad vpid invvpid unrestricted_guest shadow_vmcs ",
		.abyme_loaded = true,
		.kvm_intel_users = -1,
		.device_vmx = true,
	};
	return 0;
}

static int judge(void)
{
	count = doctor_judge(&facts, findings);
	return doctor_status(findings, count);
}

static const struct finding *finding(const char *id)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(findings[i].id, id))
			return &findings[i];
	return NULL;
}

static void expect_bad(const char *id, const char *what, const char *mend)
{
	const struct finding *f = finding(id);

	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_BAD);
	assert_non_null(strstr(f->what, what));
	assert_non_null(strstr(f->mend, mend));
}

static void a_good_host_can_all(void **state)
{
	(void)state;
	assert_int_equal(judge(), 0);
	for (unsigned int i = 0; i < count; i++)
		assert_true(findings[i].verdict == VERDICT_OK ||
			    findings[i].verdict == VERDICT_NOTE);
	assert_int_equal(finding("shadowing")->verdict, VERDICT_NOTE);
}

static void each_hypervisor_has_its_way(void **state)
{
	static const struct {
		const char *signature, *mend;
	} ways[] = {
		{ "KVMKVMKVM", "kvm_intel nested=1" },
		{ "KVMKVMKVM", "-cpu host,+vmx" },
		{ "KVMKVMKVM", "<feature policy='require' name='vmx'/>" },
		{ "TCGTCGTCGTCG", "-accel kvm -cpu host,+vmx" },
		{ "Microsoft Hv",
		  "Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true" },
		{ "VMwareVMware", "vhv.enable" },
		{ "VBoxVBoxVBox", "--nested-hw-virt on" },
		{ "XenVMMXenVMM", "nestedhvm=1" },
		{ "WhoKnowsWhat", "ask whoever runs it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		facts.cpuid_vmx = false;
		facts.hypervisor = true;
		strcpy(facts.signature, ways[i].signature);
		assert_int_equal(judge(), 2);
		expect_bad("vt-x", "VT-x isn't exposed to this VM", ways[i].mend);
	}
	facts.in_abyme = true;
	strcpy(facts.signature, "KVMKVMKVM");
	judge();
	expect_bad("vt-x", "VT-x isn't exposed to this VM", "abyme run --nested");
	assert_non_null(strstr(finding("level")->what, "under abyme"));
}

static void other_vendors_have_no_vtx(void **state)
{
	(void)state;
	strcpy(facts.vendor, "AuthenticAMD");
	facts.cpuid_vmx = false;
	assert_int_equal(judge(), 2);
	expect_bad("processor", "AuthenticAMD", "Intel");
	assert_null(finding("vt-x")); /* no firmware could turn it on */
	facts.hypervisor = true;
	strcpy(facts.signature, "KVMKVMKVM");
	judge();
	expect_bad("vt-x", "isn't exposed to this VM", "host with an Intel processor");
}

static void an_intel_processor_without_vtx_may_have_it_turned_off(void **state)
{
	(void)state;
	facts.cpuid_vmx = false;
	assert_int_equal(judge(), 2);
	expect_bad("vt-x", "shows no VT-x", "firmware");
}

static void firmware_can_turn_vtx_off(void **state)
{
	(void)state;
	facts.feature_control = 1;
	facts.cpuinfo_vmx = false;
	assert_int_equal(judge(), 2);
	expect_bad("firmware", "IA32_FEATURE_CONTROL", "Intel Virtualization Technology");
	facts.feature_control_known = false;
	assert_int_equal(judge(), 0);
	assert_int_equal(finding("firmware")->verdict, VERDICT_UNKNOWN);
	assert_non_null(strstr(finding("firmware")->mend, "modprobe msr"));
}

static void missing_features_are_named(void **state)
{
	(void)state;
	strcpy(facts.vmx_flags, " ept vpid invvpid ");
	assert_int_equal(judge(), 2);
	expect_bad("features", "ept_ad", "");
	assert_non_null(strstr(finding("features")->what, "needs: ept_ad unrestricted_guest"));
	facts.vmx_flags[0] = '\0';
	assert_int_equal(judge(), 0);
	assert_int_equal(finding("features")->verdict, VERDICT_UNKNOWN);
}

static void who_holds_vtx_is_named(void **state)
{
	(void)state;
	facts.kvm_intel_loaded = true;
	facts.kvm_intel_users = 0;
	assert_int_equal(judge(), 0);
	facts.kvm_intel_users = 2;
	assert_int_equal(judge(), 2);
	expect_bad("owner", "kvm_intel holds VT-x", "modprobe -r kvm_intel");
	facts.kvm_intel_users = 0;
	facts.kvm_keeps_vtx = true;
	assert_int_equal(judge(), 2);
	facts.kvm_keeps_vtx = false;
	facts.vm_error = EBUSY;
	assert_int_equal(judge(), 2);
	expect_bad("vm", "can't create a VM", "free VT-x");
	expect_bad("vm", "", "modprobe -r kvm_intel");
}

static void what_else_holds_vtx_is_named(void **state)
{
	(void)state;
	facts.vm_error = EBUSY;
	strcpy(facts.other_module, "vboxdrv");
	assert_int_equal(judge(), 2);
	expect_bad("vm", "can't create a VM", "modprobe -r vboxdrv");
	/* An idle kvm_intel is not what holds it. */
	facts.kvm_intel_loaded = true;
	facts.kvm_intel_users = 0;
	assert_int_equal(judge(), 2);
	expect_bad("vm", "can't create a VM", "modprobe -r vboxdrv");
	assert_non_null(strstr(finding("owner")->mend, "modprobe -r vboxdrv"));
	assert_int_equal(finding("owner")->fix.kind, CHANGE_NONE);
	facts.kvm_intel_users = 1;
	assert_int_equal(judge(), 2);
	expect_bad("vm", "can't create a VM", "modprobe -r kvm_intel");
	/* The device asked about is never the one to be removed. */
	facts.device = "/dev/kvm";
	facts.device_is_kvm = facts.kvm_loaded = facts.kvm_intel_loaded = true;
	assert_int_equal(judge(), 2);
	expect_bad("vm", "can't create a VM", "modprobe -r abyme");
}

static void without_vtx_no_module_is_to_be_loaded(void **state)
{
	(void)state;
	facts.cpuid_vmx = facts.abyme_loaded = false;
	facts.device_error = ENOENT;
	assert_int_equal(judge(), 2);
	assert_non_null(finding("module"));
	assert_string_equal(finding("module")->mend, "");
}

static void a_missing_device_and_module_are_told(void **state)
{
	(void)state;
	facts.abyme_loaded = false;
	facts.device_error = ENOENT;
	facts.vm_error = -1;
	strcpy(facts.device_text, "there is no /dev/abyme.");
	assert_int_equal(judge(), 2);
	expect_bad("module", "not loaded", "sudo modprobe abyme");
	expect_bad("device", "there is no /dev/abyme", "");
	assert_null(finding("nesting"));
	facts.signed_only = true; /* Secure Boot, or module.sig_enforce */
	judge();
	expect_bad("module", "takes signed modules only", "sudo modprobe abyme; if it is refused");
	expect_bad("module", "takes signed modules only", "mokutil");
}

static void memory_is_a_note_and_scarce_memory_has_advice(void **state)
{
	(void)state;
	assert_null(finding("memory"));
	facts.memory_total = 2 * GIB;
	facts.memory_free = 600 * MIB;
	assert_int_equal(judge(), 0);
	assert_non_null(
		strstr(finding("memory")->what, "600 MiB of this machine's 2 GiB are free"));
	assert_string_equal(finding("memory")->mend, "");
	facts.memory_free = 100 * MIB;
	assert_int_equal(judge(), 0);
	assert_non_null(strstr(finding("memory")->mend, "less than the usual 512 MiB"));
}

static enum change_kind fix_of(const char *id)
{
	judge();
	return finding(id) ? finding(id)->fix.kind : CHANGE_NONE;
}

/* Nothing is to be mended where all is right, nor what only people can mend. */
static void steps_are_for_what_they_mend_only(void **state)
{
	(void)state;
	judge();
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(findings[i].fix.kind, CHANGE_NONE);
	facts.cpuid_vmx = false;
	facts.hypervisor = true;
	assert_int_equal(fix_of("vt-x"), CHANGE_NONE);
	assert_int_equal(finding("vt-x")->verdict, VERDICT_BAD);
}

static void a_missing_module_is_loaded_locked_down_or_not(void **state)
{
	(void)state;
	facts.abyme_loaded = false;
	facts.device_error = ENOENT;
	assert_int_equal(fix_of("module"), CHANGE_LOAD);
	assert_string_equal(finding("module")->fix.subject, "abyme");
	facts.signed_only = true; /* it may be signed: modprobe knows */
	assert_int_equal(fix_of("module"), CHANGE_LOAD);
	facts.device_is_kvm = true;
	assert_int_equal(fix_of("module"), CHANGE_LOAD);
	assert_string_equal(finding("module")->fix.subject, "kvm_intel");
}

static void only_an_idle_kvm_that_holds_vtx_is_removed(void **state)
{
	(void)state;
	facts.kvm_intel_loaded = true;
	facts.kvm_intel_users = 0;
	assert_int_equal(fix_of("owner"), CHANGE_NONE);
	facts.kvm_keeps_vtx = true;
	assert_int_equal(fix_of("owner"), CHANGE_UNLOAD);
	assert_string_equal(finding("owner")->fix.subject, "kvm_intel");
	facts.kvm_intel_users = 1;
	assert_int_equal(fix_of("owner"), CHANGE_NONE);
	facts.kvm_intel_users = -1;
	assert_int_equal(fix_of("owner"), CHANGE_NONE);
}

static void the_device_is_opened_to_its_group(void **state)
{
	(void)state;
	facts.udev = true;
	assert_int_equal(fix_of("rule"), CHANGE_RULE);
	facts.udev_rule = true;
	assert_int_equal(fix_of("rule"), CHANGE_NONE);

	facts.node_there = true;
	facts.node_mode = 0600;
	assert_int_equal(fix_of("access"), CHANGE_NONE); /* there is no group */
	assert_non_null(strstr(finding("access")->mend, "groupadd"));
	facts.group_there = true;
	facts.group = 106;
	assert_int_equal(fix_of("access"), CHANGE_OWN);
	assert_string_equal(finding("access")->fix.before, "0:0:600");
	assert_string_equal(finding("access")->fix.after, "0:106:660");
	facts.device_error = EACCES;
	assert_int_equal(fix_of("access"), CHANGE_OWN);
	facts.device_error = ENOTTY; /* it does not speak the API: somebody else's */
	assert_int_equal(fix_of("access"), CHANGE_NONE);
	facts.device_error = 0;
	facts.node_gid = 106;
	facts.node_mode = 0660;
	assert_int_equal(fix_of("access"), CHANGE_NONE);
	facts.node_gid = 0;
	facts.node_mode = 0666;
	assert_int_equal(fix_of("access"), CHANGE_NONE);
}

static void the_user_joins_the_group(void **state)
{
	(void)state;
	facts.group_there = true;
	facts.root = true;
	assert_int_equal(fix_of("group"), CHANGE_NONE); /* root itself needs none */
	strcpy(facts.user, "ada");
	assert_int_equal(fix_of("group"), CHANGE_JOIN);
	assert_string_equal(finding("group")->fix.subject, "ada");
	assert_string_equal(finding("group")->fix.after, "kvm");
	facts.root = false; /* she may open it all the same */
	assert_int_equal(fix_of("group"), CHANGE_NONE);
	facts.device_error = EACCES;
	assert_int_equal(fix_of("group"), CHANGE_JOIN);
	facts.user_in_group = true;
	assert_int_equal(fix_of("group"), CHANGE_NONE);
}

static void huge_pages_that_are_off_are_offered(void **state)
{
	(void)state;
	strcpy(facts.huge_pages, "madvise");
	assert_int_equal(fix_of("hugepages"), CHANGE_NONE);
	strcpy(facts.huge_pages, "never");
	assert_int_equal(fix_of("hugepages"), CHANGE_WRITE);
	assert_string_equal(finding("hugepages")->fix.before, "never");
	assert_string_equal(finding("hugepages")->fix.after, "madvise");
}

static void kvm_runs_where_it_cannot_nest(void **state)
{
	(void)state;
	facts.device = "/dev/kvm";
	facts.device_is_kvm = true;
	facts.kvm_loaded = true;
	assert_int_equal(judge(), 0);
	facts.device_vmx = false;
	facts.kvm_nested = 'N';
	assert_int_equal(judge(), 1);
	expect_bad("nesting", "doesn't offer VMX", "nested=1");
	strcpy(facts.vendor, "AuthenticAMD");
	facts.cpuid_vmx = false;
	assert_int_equal(judge(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_host_can_all, setup),
		cmocka_unit_test_setup(each_hypervisor_has_its_way, setup),
		cmocka_unit_test_setup(other_vendors_have_no_vtx, setup),
		cmocka_unit_test_setup(firmware_can_turn_vtx_off, setup),
		cmocka_unit_test_setup(missing_features_are_named, setup),
		cmocka_unit_test_setup(who_holds_vtx_is_named, setup),
		cmocka_unit_test_setup(a_missing_device_and_module_are_told, setup),
		cmocka_unit_test_setup(what_else_holds_vtx_is_named, setup),
		cmocka_unit_test_setup(without_vtx_no_module_is_to_be_loaded, setup),
		cmocka_unit_test_setup(an_intel_processor_without_vtx_may_have_it_turned_off,
				       setup),
		cmocka_unit_test_setup(memory_is_a_note_and_scarce_memory_has_advice, setup),
		cmocka_unit_test_setup(kvm_runs_where_it_cannot_nest, setup),
		cmocka_unit_test_setup(steps_are_for_what_they_mend_only, setup),
		cmocka_unit_test_setup(a_missing_module_is_loaded_locked_down_or_not, setup),
		cmocka_unit_test_setup(only_an_idle_kvm_that_holds_vtx_is_removed, setup),
		cmocka_unit_test_setup(the_device_is_opened_to_its_group, setup),
		cmocka_unit_test_setup(the_user_joins_the_group, setup),
		cmocka_unit_test_setup(huge_pages_that_are_off_are_offered, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
