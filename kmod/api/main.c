// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what it needs of the processor, the order in which its parts are
 * set up, and the device node. Tour, stop 1.
 *
 * What a reader must know: loading does not switch VT-x on; the first VM does.
 */

#define pr_fmt(fmt) "abyme: " fmt

#include <linux/miscdevice.h>
#include <linux/module.h>

#include "api/dev.h"
#include "cpu/clock.h"
#include "cpu/cet.h"
#include "cpu/cpuid.h"
#include "cpu/fpu.h"
#include "cpu/msrs.h"
#include "hw/caps.h"
#include "hw/host.h"
#include "hw/vmxop.h"
#include "mem/mem.h"
#include "nested/nested.h"

static char *devname = "abyme";
module_param(devname, charp, 0444);
MODULE_PARM_DESC(
	devname,
	"name of the device node in /dev (\"kvm\" serves clients that know no other, where kvm.ko is absent)");

/* The udev rule gives the node to the group kvm; until it has run only root may open it. */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.mode = 0660,
	.fops = &dev_fops,
};

/* Undoes what would outlive the module. No VM is left, as each holds a reference to the module. */
static void abyme_teardown(void)
{
	vmxop_teardown();
	clock_teardown();
	host_teardown();
}

/*
 * First comes what may refuse to load, then what cannot fail, and the device node last, as users
 * come in by it.
 */
static int __init abyme_init(void)
{
	int r;

	r = caps_init();
	if (r)
		return r;
	r = vmxop_check_free();
	if (r)
		return r;
	r = host_setup();
	if (r)
		return r;
	mem_setup();
	nested_setup();
	fpu_setup();
	cpuid_setup();
	cet_setup();
	spec_ctrl_setup();
	clock_setup();
	vmxop_setup();
	device.name = devname;
	/* A node that was made for KVM by hand, in a container's /dev say, opens this one then. */
	if (!strcmp(devname, "kvm"))
		device.minor = KVM_MINOR;
	r = misc_register(&device);
	if (r) {
		pr_err("/dev/%s can't be made: error %d. Is the name taken? Choose another with devname=.\n",
		       devname, r);
		abyme_teardown();
	}
	return r;
}

static void __exit abyme_exit(void)
{
	misc_deregister(&device);
	abyme_teardown();
}

module_init(abyme_init);
module_exit(abyme_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Type-2 hypervisor for Intel VT-x whose guests can be hypervisors");
