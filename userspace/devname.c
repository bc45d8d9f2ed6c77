// SPDX-License-Identifier: GPL-2.0-only
/* Whose a device is, by its name. */
#include <stdio.h>
#include <string.h>

#include "devname.h"

#define PARAMETER "/sys/module/abyme/parameters/devname"

const char *devname_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool devname_is_abymes(const char *name)
{
	char given[64] = "abyme";
	FILE *file = fopen(PARAMETER, "re");

	if (file) {
		if (fscanf(file, "%63s", given) != 1)
			given[0] = '\0';
		fclose(file);
	}
	return !strcmp(name, "abyme") || !strcmp(name, given);
}
