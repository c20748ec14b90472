/* SPDX-License-Identifier: MIT */
/* The commit that was built. In a file of its own: nothing else is compiled anew when it changes. */
#include <commit.h> /* made by cmake/commit.cmake */

#include "vmsim/version.h"

const char *vmsim_commit(void) {
    return VMSIM_COMMIT;
}
