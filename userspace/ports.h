/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_PORTS_H
#define ABYME_PORTS_H

/* Where the devices of abyme's PC are: code and firmware tables agree here. */
#define PORT_I8042_DATA 0x60
#define PORT_I8042_COMMAND 0x64
#define PORT_CMOS 0x70
#define PORT_DEBUG_EXIT 0xf4
#define PORT_COM1 0x3f8
#define PORT_PM1_EVENT 0x600 /* status, enable: two bytes each */
#define PORT_PM1_CONTROL 0x604
#define PORT_RESET 0xcf9

#define COM1_IRQ 4
#define ACPI_IRQ 9
#define RTC_IRQ 8

#define RESET_VALUE 0x06 /* to PORT_RESET: full reset, now */
#define RESET_NOW 0x04	 /* the bit of it that resets */

/* PM1 control */
#define PM1_SCI_ENABLE 0x0001
#define PM1_SLEEP_TYPE(control) ((control) >> 10 & 7)
#define PM1_SLEEP_ENABLE 0x2000
#define SLEEP_TYPE_S5 5

#endif
