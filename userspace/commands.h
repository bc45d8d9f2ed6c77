/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_COMMANDS_H
#define ABYME_COMMANDS_H

/* The subcommands: argv[0] is the subcommand's name. Return: the exit status. */
int run_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int plan_main(int argc, char **argv);
int stat_main(int argc, char **argv);

#endif
