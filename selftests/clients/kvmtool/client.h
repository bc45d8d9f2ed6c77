/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client as kvmtool is: virtio devices on PCI with legacy registers at I/O ports, each queue
 * kicked by an ioeventfd and answered by MSI-X, which is a route of KVM_SET_GSI_ROUTING.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define QUEUES 2
#define QUEUE_SIZE 256
#define QUEUE_ALIGN 4096 /* also what its address is in units of */
#define NO_VECTOR 0xffff

struct client;

struct queue {
	u32 page; /* where the ring is; 0: nowhere yet */
	u16 vector;
	int gsi;
	int kick; /* the eventfd that the guest's notification becomes */
};

struct device {
	struct client *client;
	const struct device_kind *kind;
	int file;		  /* disk image, or tap */
	u8 space[256];		  /* PCI's configuration */
	u32 table[QUEUES + 1][4]; /* MSI-X: address, its upper half, data, mask */
	u16 selected, config_vector;
	u8 status;
	struct queue queue[QUEUES];
	u8 config[16];
	void *own;
};

/* What makes it a disk or a network. */
struct device_kind {
	u16 id, subsystem; /* PCI's, virtio's */
	u32 class, features;
	void (*open)(struct device *device, const char *name);
	void (*start)(struct device *device, unsigned int queue);  /* its ring is there */
	void (*routed)(struct device *device, unsigned int queue); /* its gsi is there */
};

extern const struct device_kind disk_kind, network_kind;

#define DEVICES 2

struct client {
	struct vm *vm;
	struct device device[DEVICES];
	u32 address; /* what port 0xcf8 was told */
};

/* Ends the client with a sentence. */
void __attribute__((noreturn)) die(const char *what);
/* Guest memory; the guest is trusted. */
void *at(const struct client *client, u64 gpa);

/* pci.c: where it is, and its configuration. */
void pci_add(struct client *client, unsigned int slot, const struct device_kind *kind,
	     const char *name);
bool pci_port(struct client *client, u16 port, unsigned int size, bool write, u32 *value);
bool pci_memory(struct client *client, u64 gpa, unsigned int size, bool write, void *data);
bool pci_msix(const struct device *device);

/* virtio.c: the registers at its ports. */
void virtio_port(struct device *device, u16 offset, unsigned int size, bool write, u32 *value);

/* routes.c */
void routes_init(struct client *client);
int route_add(struct client *client, const u32 message[3]);
void route_change(struct client *client, int gsi, const u32 message[3]);

#endif
