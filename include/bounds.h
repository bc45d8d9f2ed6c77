/* SPDX-License-Identifier: GPL-2.0-only */
/* Bounds of the module's that abyme plan counts with as well. */
#ifndef BOUNDS_H
#define BOUNDS_H

/* Roots of EPT02 that a vCPU keeps: one for each EPTP12 and role. */
#define EPT02_ROOTS 16
/* Table pages that each EPT may have beyond those that map all memory once by 4 KiB pages. */
#define SPARE_TABLES 128

#endif
