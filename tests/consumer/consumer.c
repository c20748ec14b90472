/* SPDX-License-Identifier: MIT */
/* The smallest user of the installed library: versions of header and library agree, errors have texts. */
#include <stdio.h>
#include <string.h>

#include <vmsim/error.h>
#include <vmsim/version.h>

int main(void) {
    printf("vmsim %s, error %d: %s\n", vmsim_version(), VMSIM_EINVAL, vmsim_error_text(VMSIM_EINVAL));
    return strcmp(vmsim_version(), VMSIM_VERSION) != 0 || strcmp(vmsim_error_text(VMSIM_OK), "success") != 0;
}
