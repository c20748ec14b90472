/* SPDX-License-Identifier: MIT */
/* The domain of readahead policies: its row, and its built-in policies. */
#ifndef VMSIM__READAHEAD_POLICIES_H
#define VMSIM__READAHEAD_POLICIES_H
#include "base/policy_registry.h"
#include "base/util.h"

extern const struct vmsim__policy_domain vmsim__readahead_domain;
extern const struct vmsim_readahead_policy vmsim__readahead_linux, vmsim__readahead_none, vmsim__readahead_fixed;

#endif
