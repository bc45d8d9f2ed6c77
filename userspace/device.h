/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_DEVICE_H
#define ABYME_DEVICE_H

#include "guest_cpuid.h"

#define DEVICE_DEFAULT "/dev/abyme"

/* The node that speaks the KVM API: /dev/abyme, /dev/kvm. */
struct device {
	const char *path;
	int fd;
	unsigned int max_cpus;
	bool tsc_deadline;
	int run_size; /* of a vCPU's shared page(s) */
	struct cpuid_table supported;
};

/* Return: 0, or -1 after fail(). */
int device_open(struct device *device, const char *path);

/* 0 when guests on this device can have VMX, or -1 after fail() that says why not. */
int device_check_nested(struct device *device);

#endif
