/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_ERROR_H
#define VMSIM_ERROR_H
/**
 * @file error.h
 * @brief The library's errors: one table makes the numbers, the names and the texts.
 *
 * Every function that can fail returns 0 or a negative ::vmsim_err. What a *simulated* machine refuses
 * (SIGSEGV, ENOMEM from mmap, an OOM kill) is a result of the simulation and never one of these.
 *
 * A function that is given NULL where a handle or a place for a result belongs returns VMSIM_EINVAL (a system call
 * -EINVAL), and 0, NULL or "" where it returns no error; what frees takes NULL and does nothing.
 */

#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

/** X(NAME, number, "text"): the whole list of errors. */
#define VMSIM_ERRORS(X)                                                                                                \
    X(NOMEM, -1, "out of host memory")                                                                                 \
    X(INVAL, -2, "invalid argument")                                                                                   \
    X(IO, -3, "input/output error")                                                                                    \
    X(NOENT, -4, "no such file")                                                                                       \
    X(SYNTAX, -5, "syntax error in an input file")                                                                     \
    X(CONFIG, -6, "invalid configuration")                                                                             \
    X(FORMAT, -7, "not a file of the expected format")                                                                 \
    X(VERSION, -8, "unsupported version of a file format")                                                             \
    X(CORRUPT, -9, "corrupted input")                                                                                  \
    X(TRUNCATED, -10, "input ends too early")                                                                          \
    X(LIMIT, -11, "a limit of the simulator is exceeded")                                                              \
    X(ABI, -12, "the plugin was built for another policy interface")                                                   \
    X(PLUGIN, -13, "the plugin cannot be loaded")                                                                      \
    X(NOSYS, -14, "not supported by this machine")                                                                     \
    X(CHECK, -15, "an invariant of the simulated machine does not hold")                                               \
    X(CHILD, -16, "the recorded program failed")                                                                       \
    X(STATE, -17, "call not allowed in the present state")

/** The error numbers: 0 is success, every failure is negative. */
enum vmsim_err {
    VMSIM_OK = 0, /**< success */
/** One enumerator for an entry of VMSIM_ERRORS. */
#define VMSIM_ERROR_ENUM(name, number, text) VMSIM_E##name = (number),
    VMSIM_ERRORS(VMSIM_ERROR_ENUM)
#undef VMSIM_ERROR_ENUM
};

/** Name of an error ("VMSIM_EINVAL"), or "VMSIM_E?" for a number that is none. Static storage. */
const char *vmsim_error_name(int err);
/** One line of text for an error, or "unknown error". Static storage. */
const char *vmsim_error_text(int err);

VMSIM_END_DECLS

#endif
