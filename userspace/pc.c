// SPDX-License-Identifier: GPL-2.0-only
/* Which device answers at which port. */
#include "pc.h"
#include "ports.h"

struct port_row {
	uint16_t first, last;
	uint32_t (*in)(struct pc *pc, uint16_t port, unsigned int size);
	enum pc_event (*out)(struct pc *pc, uint16_t port, unsigned int size, uint32_t value);
};

static uint32_t com1_in(struct pc *pc, uint16_t port, unsigned int size)
{
	(void)size;
	return serial_in(&pc->serial, port - PORT_COM1);
}

static enum pc_event com1_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	(void)size;
	serial_out(&pc->serial, port - PORT_COM1, value);
	return PC_NOTHING;
}

static uint32_t kbd_in(struct pc *pc, uint16_t port, unsigned int size)
{
	(void)size;
	return i8042_in(&pc->i8042, port);
}

static enum pc_event kbd_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	(void)size;
	return i8042_out(&pc->i8042, port, value) ? PC_RESET : PC_NOTHING;
}

static uint32_t rtc_in(struct pc *pc, uint16_t port, unsigned int size)
{
	(void)size;
	return cmos_in(&pc->cmos, port - PORT_CMOS, time(NULL));
}

static enum pc_event rtc_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	(void)size;
	cmos_out(&pc->cmos, port - PORT_CMOS, value);
	return PC_NOTHING;
}

static enum pc_event debug_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	(void)port;
	(void)size;
	pc->debug_value = value;
	return PC_DEBUG_EXIT;
}

static uint32_t pm1_in(struct pc *pc, uint16_t port, unsigned int size)
{
	uint32_t value = power_in(&pc->power, port & ~1);

	if (size == 4)
		return value | power_in(&pc->power, port + 2) << 16;
	return port & 1 ? value >> 8 : value;
}

static enum pc_event pm1_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	/* Sleep type and enable are in the high byte, which may be written alone. */
	if (port & 1)
		value <<= 8;
	if (size == 4 && power_out(&pc->power, port + 2, value >> 16))
		return PC_POWER_OFF;
	return power_out(&pc->power, port & ~1, value) ? PC_POWER_OFF : PC_NOTHING;
}

static enum pc_event reset_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	(void)pc;
	(void)port;
	/* Wider writes are to PCI's configuration address, which shares the port. */
	return size == 1 && (value & RESET_NOW) ? PC_RESET : PC_NOTHING;
}

/* The busiest first: the console's driver writes byte by byte. */
static const struct port_row ports[] = {
	{ PORT_COM1, PORT_COM1 + 7, com1_in, com1_out },
	{ PORT_CMOS, PORT_CMOS + 1, rtc_in, rtc_out },
	{ PORT_I8042_DATA, PORT_I8042_DATA, kbd_in, kbd_out },
	{ PORT_I8042_COMMAND, PORT_I8042_COMMAND, kbd_in, kbd_out },
	{ PORT_PM1_EVENT, PORT_PM1_CONTROL + 1, pm1_in, pm1_out },
	{ PORT_RESET, PORT_RESET, NULL, reset_out },
	{ PORT_DEBUG_EXIT, PORT_DEBUG_EXIT, NULL, debug_out },
};

static const struct port_row *find(uint16_t port)
{
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port >= ports[i].first && port <= ports[i].last)
			return &ports[i];
	return NULL;
}

uint32_t pc_in(struct pc *pc, uint16_t port, unsigned int size)
{
	const struct port_row *row = find(port);
	uint32_t value = 0xffffffff;

	if (!row || !row->in)
		return value;
	pthread_mutex_lock(&pc->lock);
	value = row->in(pc, port, size);
	pthread_mutex_unlock(&pc->lock);
	return value;
}

enum pc_event pc_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value)
{
	const struct port_row *row = find(port);
	enum pc_event event;

	if (!row)
		return PC_NOTHING;
	pthread_mutex_lock(&pc->lock);
	event = row->out(pc, port, size, value);
	pthread_mutex_unlock(&pc->lock);
	return event;
}

void pc_init(struct pc *pc, const struct serial_ops *ops, void *context, uint64_t low_memory,
	     uint64_t high_memory)
{
	*pc = (struct pc){ .lock = PTHREAD_MUTEX_INITIALIZER };
	serial_init(&pc->serial, ops, context);
	cmos_init(&pc->cmos, low_memory, high_memory);
}
