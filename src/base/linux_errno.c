/* SPDX-License-Identifier: MIT */
/* Names of Linux's error numbers (see linux_errno.h). */
#include "base/linux_errno.h"

#include <string.h>

#include "base/util.h"

static const struct {
    int number;
    const char *name;
} errnos[] = {
#define ROW(name, number) {number, #name},
    VMSIM__LINUX_ERRNOS(ROW)
#undef ROW
};

const char *vmsim__errno_name(int64_t result) {
    for (size_t i = 0; i < VMSIM__COUNT(errnos); i++) {
        if (errnos[i].number == -result)
            return errnos[i].name;
    }
    return NULL;
}

int vmsim__errno_number(const char *name) {
    for (size_t i = 0; i < VMSIM__COUNT(errnos); i++) {
        if (!strcmp(errnos[i].name, name))
            return errnos[i].number;
    }
    return 0;
}
