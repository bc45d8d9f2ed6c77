// SPDX-License-Identifier: GPL-2.0-only
/* ACPI's PM1 event and control registers. */
#include "ports.h"
#include "power.h"

uint16_t power_in(const struct power *power, uint16_t port)
{
	switch (port) {
	case PORT_PM1_EVENT: return power->status;
	case PORT_PM1_EVENT + 2: return power->enable;
	case PORT_PM1_CONTROL: return power->control | PM1_SCI_ENABLE; /* always in ACPI mode */
	default: return 0;
	}
}

bool power_out(struct power *power, uint16_t port, uint16_t value)
{
	switch (port) {
	case PORT_PM1_EVENT:
		power->status &= ~value; /* write 1 to clear */
		break;
	case PORT_PM1_EVENT + 2: power->enable = value; break;
	case PORT_PM1_CONTROL:
		power->control = value & ~PM1_SLEEP_ENABLE;
		return (value & PM1_SLEEP_ENABLE) && PM1_SLEEP_TYPE(value) == SLEEP_TYPE_S5;
	}
	return false;
}
