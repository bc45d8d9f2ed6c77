/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_PC_H
#define ABYME_PC_H

#include <pthread.h>

#include "cmos.h"
#include "i8042.h"
#include "power.h"
#include "serial.h"

/* What a guest's access to a port may come to. */
enum pc_event { PC_NOTHING, PC_POWER_OFF, PC_RESET, PC_DEBUG_EXIT };

/* The devices outside the processor and the interrupt controllers. */
struct pc {
	pthread_mutex_t lock; /* the serial port's transmit() may let it go for a while */
	struct serial serial;
	struct i8042 i8042;
	struct cmos cmos;
	struct power power;
	uint32_t debug_value; /* with PC_DEBUG_EXIT */
};

void pc_init(struct pc *pc, const struct serial_ops *ops, void *context, uint64_t low_memory,
	     uint64_t high_memory);

/* A port read; nobody answers with all ones. @size: 1, 2 or 4 bytes. */
uint32_t pc_in(struct pc *pc, uint16_t port, unsigned int size);
enum pc_event pc_out(struct pc *pc, uint16_t port, unsigned int size, uint32_t value);

#endif
