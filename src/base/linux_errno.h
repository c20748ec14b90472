/* SPDX-License-Identifier: MIT */
/* Linux's error numbers, as system calls return them (negated): the same on every architecture that vmsim knows.
 * Kernel: include/uapi/asm-generic/errno-base.h, errno.h.
 *
 * One table; a number that a layer needs is a row here and nowhere else. */
#ifndef VMSIM__LINUX_ERRNO_H
#define VMSIM__LINUX_ERRNO_H
#include <stdint.h>

/* X(name, number) */
#define VMSIM__LINUX_ERRNOS(X)                                                                                         \
    X(EPERM, 1)                                                                                                        \
    X(ENOENT, 2)                                                                                                       \
    X(ESRCH, 3)                                                                                                        \
    X(EIO, 5)                                                                                                          \
    X(E2BIG, 7)                                                                                                        \
    X(EBADF, 9)                                                                                                        \
    X(EAGAIN, 11)                                                                                                      \
    X(ENOMEM, 12)                                                                                                      \
    X(EACCES, 13)                                                                                                      \
    X(EFAULT, 14)                                                                                                      \
    X(EBUSY, 16)                                                                                                       \
    X(EEXIST, 17)                                                                                                      \
    X(ENODEV, 19)                                                                                                      \
    X(EINVAL, 22)                                                                                                      \
    X(EFBIG, 27)                                                                                                       \
    X(ENOSPC, 28)                                                                                                      \
    X(ENOSYS, 38)                                                                                                      \
    X(ENODATA, 61)                                                                                                     \
    X(EOVERFLOW, 75)                                                                                                   \
    X(EOPNOTSUPP, 95)                                                                                                  \
    X(ETIMEDOUT, 110)

enum vmsim__linux_errno {
#define VMSIM__LINUX_ERRNO_ENUM(name, number) VMSIM__L_##name = (number),
    VMSIM__LINUX_ERRNOS(VMSIM__LINUX_ERRNO_ENUM)
#undef VMSIM__LINUX_ERRNO_ENUM
};

/* Name of a negative errno ("ENOMEM"), NULL when it is no row; and its number, 0 when it is none. */
const char *vmsim__errno_name(int64_t result);
int vmsim__errno_number(const char *name);

#endif
