/* SPDX-License-Identifier: MIT */
/* Described programs whose sizes are the capture's: as many pages as a part of the machine's memory, or as a phase's
 * title says.
 *
 *     %{ram*130/100*4}KiB     pages of memory, from left to right without precedence
 *     %{free1*40/100*4}KiB    pages that were free on node 1
 *     %{written*4}KiB       pages that the capture's head says are written
 *     %{phase1*4}KiB          the first number in the title of phase 1
 *     %{ram*2<1000}           a < b: the smaller of both; there is + as well
 *     %{cubes 0 24576 p}      steps that write one page of region p each: page n * u^3 of n, u a fraction out of a
 *                             xorshift64 generator; those from 0 to 24576 of its sequence, between commas
 *     %{squares 0 24576 68486 p}  the same with n * u^2 of n = 68486 */
#ifndef PHASES_TEXT_H
#define PHASES_TEXT_H
#include "phases_facts.h"

/* The captured machine's address space. Described programs have x86-64's addresses; on others they, and the few titles
 * that tell of them, become what the capturing program has there. */
enum phases_space { PHASES_X86_64, PHASES_ARM64, PHASES_NARROW };
enum phases_space phases_space_of(const char *kernel); /* "6.1", "6.1-i386pae" */

/* The text of a program with everything put in; the caller frees it. NULL: told on stderr. */
char *phases_text(const char *path, const struct capture_phases *capture, uint64_t ram_pages, enum phases_space space);

#endif
