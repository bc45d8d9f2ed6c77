/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_JSON_H
#define ABYME_JSON_H

#include <stdio.h>

/* "text", with what JSON escapes. */
void json_string(FILE *to, const char *text);

#endif
