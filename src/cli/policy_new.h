/* SPDX-License-Identifier: MIT */
/* `vmsim policy new`: a policy to begin with, and what a CI needs to try it. */
#ifndef VMSIM_POLICY_NEW_H
#define VMSIM_POLICY_NEW_H

/* What is written for one domain. In the texts, `%n` is the policy's name, `%i` a C identifier made of it, `%%` a sign.
 */
struct policy_template {
    const char *domain;
    const char *policy, *test, *scenario;
};
/* Ended by one without a domain. */
extern const struct policy_template policy_templates[];

/* Writes NAME.c, test_NAME.c, NAME.yaml and CMakeLists.txt to `directory`, which is made if need be; nothing that is
 * there is overwritten. An exit status. */
int policy_new(const char *domain, const char *name, const char *directory);

#endif
