/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_VERSION_H
#define VMSIM_VERSION_H
/**
 * @file version.h
 * @brief The version of the library, and the two lines that every public header stands between.
 */

/**
 * @def VMSIM_BEGIN_DECLS
 * Opens the declarations of a public header: C linkage in C++, and visible outside the shared library, which is
 * compiled with everything hidden.
 */
/**
 * @def VMSIM_END_DECLS
 * Closes what VMSIM_BEGIN_DECLS opened.
 */
#ifdef __cplusplus
#define VMSIM_BEGIN_DECLS _Pragma("GCC visibility push(default)") extern "C" {
#define VMSIM_END_DECLS                                                                                                \
    }                                                                                                                  \
    _Pragma("GCC visibility pop")
#else
#define VMSIM_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define VMSIM_END_DECLS _Pragma("GCC visibility pop")
#endif

/** The version of these headers. */
#define VMSIM_VERSION "0.1.0"

VMSIM_BEGIN_DECLS

/** The version of the library that is linked ("0.1.0"). Static storage. */
const char *vmsim_version(void);
/** The commit that it was built from ("c3a2aa8e2352"), "" where that is not known. Static storage. */
const char *vmsim_commit(void);

VMSIM_END_DECLS

#endif
