// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ACPI's byte code tells the guest:
 *
 *	Name (\_S5_, Package () { 5, 5, 0, 0 })		how to power off
 *	Scope (\_SB_) {
 *		Device (COM1) {				the console
 *			Name (_HID, EisaId ("PNP0501"))
 *			Name (_UID, 1)
 *			Name (_CRS, Buffer () { ports 0x3f8-0x3ff, IRQ 4 })
 *		}
 *		Device (RTC0) {				the clock
 *			Name (_HID, EisaId ("PNP0B00"))
 *			Name (_CRS, Buffer () { ports 0x70-0x71, IRQ 8 })
 *		}
 *	}
 */
#include "acpi.h"
#include "ports.h"

static void power_off(struct aml *aml)
{
	size_t package = aml_name_package(aml, "_S5_", 4);

	aml_integer(aml, SLEEP_TYPE_S5); /* for PM1a */
	aml_integer(aml, SLEEP_TYPE_S5); /* for PM1b, which there isn't */
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_close(aml, package);
}

static void resources(struct aml *aml, uint16_t base, uint8_t count, uint8_t irq)
{
	size_t crs =
		aml_name_buffer(aml, "_CRS", AML_IO_PORTS_SIZE + AML_IRQ_SIZE + AML_END_TAG_SIZE);

	aml_io_ports(aml, base, count);
	aml_irq(aml, irq);
	aml_end_tag(aml);
	aml_close(aml, crs);
}

void dsdt_build(struct aml *aml)
{
	size_t scope, device;

	power_off(aml);
	scope = aml_scope(aml, "\\_SB_");

	device = aml_device(aml, "COM1");
	aml_name_eisa_id(aml, "_HID", "PNP0501");
	aml_name_integer(aml, "_UID", 1);
	resources(aml, PORT_COM1, 8, COM1_IRQ);
	aml_close(aml, device);

	device = aml_device(aml, "RTC0");
	aml_name_eisa_id(aml, "_HID", "PNP0B00");
	resources(aml, PORT_CMOS, 2, RTC_IRQ);
	aml_close(aml, device);

	aml_close(aml, scope);
}
