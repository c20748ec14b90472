/* SPDX-License-Identifier: MIT */
/* `vmsim policy`: the policies that a machine can use, built in or from plugins.
 *
 * A machine is made for it, the default one, because that alone loads plugins, by the checks that a run would make:
 * what is listed here can be used, and what cannot is refused here in the same words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/policy_new.h"
#include "vmsim/policy.h"
#include "vmsim/scenario.h"

static const char *domain_name(enum vmsim_policy_domain domain) {
    return vmsim_policy_domain_at(domain)->name;
}

static int list(const struct vmsim_machine *m) {
    const char *origin;
    for (size_t i = 0; vmsim_machine_policy(m, i, &origin); i++) {
        const struct vmsim_policy *p = vmsim_machine_policy(m, i, NULL);
        printf("%-16s %-14s %s (%s)\n", domain_name(p->domain), p->name, p->doc, origin);
    }
    return EXIT_FINE;
}

/* "use" is a line to be copied: for a plugin with the path by which it was loaded, without which no scenario finds it.
 * */
static void show_one(const struct vmsim_policy *p, const char *origin) {
    printf("%s: %s\n  domain  %s\n  origin  %s\n", p->name, p->doc, domain_name(p->domain), origin);
    bool loaded = strchr(origin, '/') != NULL;
    printf("  use     policies: {%s: {%s%s%sname: %s}}\n", domain_name(p->domain), loaded ? "plugin: " : "",
           loaded ? origin : "", loaded ? ", " : "", p->name);
    for (const struct vmsim_param *q = p->params; q && q->name; q++)
        printf("  param   %s (default %s): %s\n", q->name, q->fallback ? q->fallback : "none", q->doc ? q->doc : "");
}

/* Names are those of a domain: one name may be in several (an LRU of TLBs, one of reclaim), and all are shown. */
static int show(const struct vmsim_machine *m, const char *name) {
    bool found = false;
    const char *origin;
    for (size_t i = 0; vmsim_machine_policy(m, i, &origin); i++) {
        const struct vmsim_policy *p = vmsim_machine_policy(m, i, NULL);
        if (strcmp(p->name, name))
            continue;
        show_one(p, origin);
        found = true;
    }
    return found ? EXIT_FINE : cli_fail(EXIT_USAGE, "policy", "there is no policy '%s': see `vmsim policy list`", name);
}

/* A plugin whose policy has the name of a built-in one would not load. */
static int begin(const struct vmsim_machine *m, const char *domain, const char *name, const char *directory) {
    const struct vmsim_policy *p;
    for (size_t i = 0; (p = vmsim_machine_policy(m, i, NULL)) != NULL; i++)
        if (!strcmp(p->name, name) && !strcmp(domain_name(p->domain), domain))
            return cli_fail(EXIT_USAGE, "policy", "there is a built-in policy %s of domain %s: take another name", name,
                            domain);
    return policy_new(domain, name, directory);
}

int cmd_policy(int argc, char **argv) {
    static const char usage[] =
        "Usage: vmsim policy list [PLUGIN.so...]\n       vmsim policy show NAME [PLUGIN.so...]\n"
        "       vmsim policy new DOMAIN NAME [DIRECTORY]\n\n"
        "Lists what a scenario's `policies:` can name, or one policy's parameters; plugins are loaded first, so this\n"
        "also tells whether a plugin can be loaded at all. `new` writes a policy to begin with to DIRECTORY (NAME), "
        "with\n"
        "its unit test, a scenario as a gate for CI and a CMakeLists.txt: it builds and passes as it is.\n\n"
        "Examples:\n"
        "  vmsim policy show srrip\n"
        "  vmsim policy list ./protect.so\n"
        "  vmsim policy new reclaim mine\n"
        "  vmsim run box.yaml --set policies.tlb_replacement=srrip\n";
    bool is_new = (argc == 4 || argc == 5) && !strcmp(argv[1], "new") && argv[2][0] != '-' && argv[3][0] != '-';
    bool is_list = argc >= 2 && !strcmp(argv[1], "list"), is_show = argc >= 3 && !strcmp(argv[1], "show");
    if (!is_list && !is_show && !is_new)
        return cli_usage("policy", usage, argc, argv);
    struct cli_input in = {0};
    struct vmsim_config *config = NULL;
    struct vmsim_machine *m = NULL;
    int status = EXIT_FINE;
    for (int i = is_list ? 2 : 3; !status && !is_new && i < argc; i++) {
        size_t size = strlen(argv[i]) + sizeof "machine.plugins[+]=";
        char *set = malloc(size);
        if (set)
            snprintf(set, size, "machine.plugins[+]=%s", argv[i]);
        if (!set || !cli_push(&in.sets, &in.set_count, set))
            status = cli_fail(EXIT_INTERNAL, "policy", "out of memory");
    }
    status = status ? status : cli_load(&in, &config);
    if (!status && vmsim_machine_create(config, &m)) {
        cli_print_errors(config);
        status = EXIT_USAGE;
    }
    if (!status)
        status = is_list   ? list(m)
                 : is_show ? show(m, argv[2])
                           : begin(m, argv[2], argv[3], argc == 5 ? argv[4] : argv[3]);
    vmsim_machine_destroy(m);
    vmsim_config_destroy(config);
    for (size_t i = 0; i < in.set_count; i++)
        free(in.sets[i]);
    cli_input_free(&in);
    return status;
}
