/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_POWER_H
#define ABYME_POWER_H

#include <stdbool.h>
#include <stdint.h>

/* ACPI's PM1 registers, without events: enough to power off. */
struct power {
	uint16_t status, enable, control;
};

uint16_t power_in(const struct power *power, uint16_t port);
/* Return: true when the guest powered itself off. */
bool power_out(struct power *power, uint16_t port, uint16_t value);

#endif
