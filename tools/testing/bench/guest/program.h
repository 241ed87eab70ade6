/* SPDX-License-Identifier: GPL-2.0 */
/* What the program that executes itself and who starts it have to agree on. */
#ifndef PROGRAM_H
#define PROGRAM_H

#define EXECS 400

#endif
