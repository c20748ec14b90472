/* SPDX-License-Identifier: MIT */
/* What can be known to be wrong with a scenario before it runs, beyond the bounds of single values: told with the place
 * in the file. All functions add to the configuration's errors and return 0, VMSIM_ECONFIG or VMSIM_ENOMEM. */
#ifndef VMSIM__VALIDATE_H
#define VMSIM__VALIDATE_H
#include "config/config.h"
#include "scenario/scenario_spec.h"

/* Values of `machine:` that do not go together. */
int vmsim__machine_validate(struct vmsim_config *config, const struct vmsim__machine_spec *machine);
/* Names in programs and expectations: regions, files, CPUs (of `cpus`), markers, barriers, errnos. */
int vmsim__workload_validate(struct vmsim_config *config, const struct vmsim__scenario_spec *spec, unsigned cpus);
/* Tells why a machine could not be made, `text` being its error, at the value that it is about. */
int vmsim__machine_complain(struct vmsim_config *config, const struct vmsim__scenario_spec *spec, const char *text);

#endif
