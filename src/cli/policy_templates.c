/* SPDX-License-Identifier: MIT */
/* What `vmsim policy new` writes: for each domain that vmsim/testing.h can test, a policy that works, a test of it and
 * a scenario. They are to be changed by whoever asked for them, so they show how and leave out what is not needed. */
#include "cli/policy_new.h"

#include <stddef.h>

#define HEAD(what)                                                                                                     \
    "/* %n: " what "\n"                                                                                                \
    " *\n"                                                                                                             \
    " * The hooks and what they may ask of vmsim are told in vmsim/policy.h, which is all that this file needs. */\n"  \
    "#define VMSIM_PLUGIN\n"                                                                                           \
    "#include <vmsim/policy.h>\n"                                                                                      \
    "\n"

#define TAIL                                                                                                           \
    "\n"                                                                                                               \
    "static const struct vmsim_policy *const policies[] = {&%i.policy, NULL};\n"                                       \
    "\n"                                                                                                               \
    "const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {\n"                                                   \
    "    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, \"%n\", policies};\n"             \
    "    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;\n"                                                      \
    "}\n"

#define TEST_HEAD(harness)                                                                                             \
    "/* Unit tests of %n.c. The path of the plugin is the program's argument. */\n"                                    \
    "#include <setjmp.h>\n"                                                                                            \
    "#include <stdarg.h>\n"                                                                                            \
    "#include <stddef.h>\n"                                                                                            \
    "#include <stdint.h>\n"                                                                                            \
    "\n"                                                                                                               \
    "#include <cmocka.h>\n"                                                                                            \
    "#include <vmsim/testing.h>\n"                                                                                     \
    "\n"                                                                                                               \
    "static const char *plugin = \"./%n.so\";\n"                                                                       \
    "\n"                                                                                                               \
    "static struct " harness " *open_%i(void) {\n"                                                                     \
    "    char why[256];\n"                                                                                             \
    "    struct " harness " *t;\n"                                                                                     \
    "    struct " harness "_options o = {.size = sizeof o, "

#define TEST_OPEN(harness)                                                                                             \
    "};\n"                                                                                                             \
    "    if (" harness "_create(&t, &o, why, sizeof why))\n"                                                           \
    "        fail_msg(\"%%s\", why);\n"                                                                                \
    "    return t;\n"                                                                                                  \
    "}\n"                                                                                                              \
    "\n"                                                                                                               \
    "static void expect(struct " harness " *t, const char *script) {\n"                                                \
    "    char why[256];\n"                                                                                             \
    "    if (" harness "_expect(t, script, why, sizeof why))\n"                                                        \
    "        fail_msg(\"%%s\", why);\n"                                                                                \
    "}\n"                                                                                                              \
    "\n"

#define TEST_MAIN(first)                                                                                               \
    "\n"                                                                                                               \
    "int main(int argc, char **argv) {\n"                                                                              \
    "    const struct CMUnitTest tests[] = {\n"                                                                        \
    "        cmocka_unit_test(" first "),\n"                                                                           \
    "    };\n"                                                                                                         \
    "    if (argc > 1)\n"                                                                                              \
    "        plugin = argv[1];\n"                                                                                      \
    "    return cmocka_run_group_tests_name(\"%n\", tests, NULL, NULL);\n"                                             \
    "}\n"

#define SCENARIO_MACHINE                                                                                               \
    "vmsim: 1\n"                                                                                                       \
    "machine:\n"                                                                                                       \
    "  cpus: 1\n"                                                                                                      \
    "  nodes: [{memory: 256MiB}]\n"                                                                                    \
    "  transparent_hugepage: never\n"

#define SCENARIO_WORKLOAD                                                                                              \
    "workload:\n"                                                                                                      \
    "  tasks:\n"                                                                                                       \
    "    - name: hot\n"                                                                                                \
    "      program:\n"                                                                                                 \
    "        - mmap: {as: heap, length: 32MiB}\n"                                                                      \
    "        - touch: {region: heap, write: 100%%}\n"                                                                  \
    "        - touch: {region: heap, pattern: zipf, count: 200000}\n"                                                  \
    "expect:\n"                                                                                                        \
    "  - {counter: tasks.hot.minflt, equals: 8192}\n"

/* ---- tlb_replacement ---- */

static const char replacement_policy[] = HEAD("which entry of a full TLB set goes. For now the one that was used "
                                              "longest ago.") "struct state {\n"
                                                              "    const struct vmsim_policy_services *services;\n"
                                                              "    uint64_t *searches; /* a counter of our own: "
                                                              "policies.tlb_replacement.%n.searches in reports */\n"
                                                              "};\n"
                                                              "\n"
                                                              "static int create(const struct vmsim_policy_services "
                                                              "*services, const struct vmsim_tlb_geometry *geometry,\n"
                                                              "                  const void *params, void **context) "
                                                              "{\n"
                                                              "    (void)geometry, (void)params;\n"
                                                              "    struct state *s = "
                                                              "services->allocate(services->host, sizeof *s);\n"
                                                              "    if (!s)\n"
                                                              "        return -1; /* no memory */\n"
                                                              "    *context = s;\n"
                                                              "    s->services = services;\n"
                                                              "    s->searches = services->counter(services->host, "
                                                              "\"searches\");\n"
                                                              "    return s->searches ? 0 : -1;\n"
                                                              "}\n"
                                                              "\n"
                                                              "static void destroy(void *context) {\n"
                                                              "    struct state *s = context;\n"
                                                              "    s->services->release(s->services->host, s, sizeof "
                                                              "*s);\n"
                                                              "}\n"
                                                              "\n"
                                                              "static uint32_t victim(void *context, const struct "
                                                              "vmsim_tlb_set *set) {\n"
                                                              "    struct state *s = context;\n"
                                                              "    uint32_t oldest = set->first;\n"
                                                              "    for (uint32_t w = set->first; w < set->first + "
                                                              "set->ways; w++)\n"
                                                              "        oldest = set->last_use[w] < "
                                                              "set->last_use[oldest] ? w : oldest;\n"
                                                              "    ++*s->searches;\n"
                                                              "    return oldest;\n"
                                                              "}\n"
                                                              "\n"
                                                              "static const struct vmsim_tlb_replacement_policy %i = "
                                                              "{.policy = {.size = sizeof %i,\n"
                                                              "                                                       "
                                                              ".abi = VMSIM_POLICY_ABI,\n"
                                                              "                                                       "
                                                              ".domain = VMSIM_POLICY_TLB_REPLACEMENT,\n"
                                                              "                                                       "
                                                              ".name = \"%n\",\n"
                                                              "                                                       "
                                                              ".doc = \"What it does, in a line.\"},\n"
                                                              "                                            .create = "
                                                              "create,\n"
                                                              "                                            .destroy = "
                                                              "destroy,\n"
                                                              "                                            .victim = "
                                                              "victim};\n" TAIL;

static const char replacement_test[] =
    TEST_HEAD("vmsim_test_tlb") ".ways = 4, .policy = \"%n\", .plugin = plugin" TEST_OPEN(
        "vmsim_test_tlb") "static void the_entry_that_was_used_longest_ago_goes(void **state) {\n"
                          "    (void)state;\n"
                          "    struct vmsim_test_tlb *t = open_%i();\n"
                          "    expect(t, \"0 1 2 3 0+ 4-1 5-2\"); /* 4-1: page 4 misses, page 1 goes */\n"
                          "    assert_int_equal(vmsim_test_tlb_check(t, NULL, 0), 0);\n"
                          "    assert_int_equal(vmsim_test_tlb_destroy(t), 0);\n"
                          "}\n" TEST_MAIN("the_entry_that_was_used_longest_ago_goes");

static const char replacement_scenario[] =
    "# The gate: what the policy has to reach. Run from here: vmsim run %n.yaml\n" SCENARIO_MACHINE "policies:\n"
    "  tlb_replacement: {plugin: build/%n.so, name: %n}\n" SCENARIO_WORKLOAD
    "  - {counter: policies.tlb_replacement.%n.fallbacks, equals: 0}\n"
    "  - {counter: policies.tlb_replacement.%n.searches, min: 1}\n";

/* ---- tlb_prefetch ---- */

static const char prefetch_policy[] =
    HEAD("which pages a TLB miss also fetches. For now the next one.") "static uint32_t miss(void *context, const "
                                                                       "struct vmsim_tlb_miss *miss, uint64_t *pages, "
                                                                       "uint32_t limit) {\n"
                                                                       "    (void)context;\n"
                                                                       "    if (!limit)\n"
                                                                       "        return 0;\n"
                                                                       "    pages[0] = miss->page + miss->page_pages;\n"
                                                                       "    return 1;\n"
                                                                       "}\n"
                                                                       "\n"
                                                                       "static const struct vmsim_tlb_prefetch_policy "
                                                                       "%i = {.policy = {.size = sizeof %i,\n"
                                                                       "                                               "
                                                                       "     .abi = VMSIM_POLICY_ABI,\n"
                                                                       "                                               "
                                                                       "     .domain = VMSIM_POLICY_TLB_PREFETCH,\n"
                                                                       "                                               "
                                                                       "     .name = \"%n\",\n"
                                                                       "                                               "
                                                                       "     .doc = \"What it does, in a line.\"},\n"
                                                                       "                                         .miss "
                                                                       "= miss};\n" TAIL;

static const char prefetch_test[] =
    TEST_HEAD("vmsim_test_tlb") ".ways = 4, .policy = \"lru\", .plugin = plugin, .prefetch = \"%n\"" TEST_OPEN(
        "vmsim_test_tlb") "static void the_next_page_comes_too(void **state) {\n"
                          "    (void)state;\n"
                          "    struct vmsim_test_tlb *t = open_%i();\n"
                          "    expect(t, \"1 0 !0 !1 0 ?1 1+\"); /* ?1: is page 1 held? Only what was used once is "
                          "there "
                          "to fetch. */\n"
                          "    assert_int_equal(vmsim_test_tlb_check(t, NULL, 0), 0);\n"
                          "    assert_int_equal(vmsim_test_tlb_destroy(t), 0);\n"
                          "}\n" TEST_MAIN("the_next_page_comes_too");

static const char prefetch_scenario[] =
    "# The gate: what the policy has to reach. Run from here: vmsim run %n.yaml\n" SCENARIO_MACHINE "policies:\n"
    "  tlb_prefetch: {plugin: build/%n.so, name: %n}\n" SCENARIO_WORKLOAD
    "  - {counter: policies.tlb_prefetch.%n.fallbacks, equals: 0}\n"
    "  - {counter: tlb.cpu0.prefetch_filled, min: 1}\n";

/* ---- reclaim ---- */

static const char reclaim_policy[] =
    HEAD("which folios leave memory. For now the one that came first, unless it was used since: a "
         "clock.") "struct state {\n"
                   "    const struct vmsim_reclaim_services *s;\n"
                   "    uint64_t *spared; /* a counter of our own: policies.reclaim.%n.spared in "
                   "reports */\n"
                   "    uint32_t list;    /* newest at the head */\n"
                   "};\n"
                   "\n"
                   "static int create(const struct vmsim_reclaim_services *s, const struct "
                   "vmsim_reclaim_scope *scope, const void "
                   "*params,\n"
                   "                  void **context) {\n"
                   "    (void)scope, (void)params;\n"
                   "    struct state *x = s->common->allocate(s->common->host, sizeof *x);\n"
                   "    if (!x)\n"
                   "        return -1; /* no memory */\n"
                   "    *context = x;\n"
                   "    x->s = s;\n"
                   "    x->list = s->list_create(s->host);\n"
                   "    x->spared = s->common->counter(s->common->host, \"spared\");\n"
                   "    return x->list && x->spared ? 0 : -1;\n"
                   "}\n"
                   "\n"
                   "static void destroy(void *context) {\n"
                   "    struct state *x = context;\n"
                   "    x->s->common->release(x->s->common->host, x, sizeof *x);\n"
                   "}\n"
                   "\n"
                   "static void folio_added(void *context, vmsim_folio folio, const struct "
                   "vmsim_folio_access *access) {\n"
                   "    const struct state *x = context;\n"
                   "    (void)access;\n"
                   "    x->s->list_add(x->s->host, x->list, folio, false);\n"
                   "}\n"
                   "\n"
                   "/* Proposes from the tail; a folio that was used becomes the newest. */\n"
                   "static uint32_t evict(void *context, struct vmsim_reclaim_request *request) {\n"
                   "    const struct state *x = context;\n"
                   "    uint32_t n = 0;\n"
                   "    vmsim_folio at = x->s->list_end(x->s->host, x->list, true);\n"
                   "    while (at && n < request->wanted) {\n"
                   "        vmsim_folio next = x->s->list_step(x->s->host, at, false);\n"
                   "        if (x->s->young(x->s->host, at, true)) {\n"
                   "            x->s->list_move(x->s->host, x->list, at, false);\n"
                   "            ++*x->spared;\n"
                   "            next = next ? next : at;\n"
                   "        } else {\n"
                   "            request->folio[n++] = at;\n"
                   "        }\n"
                   "        at = next;\n"
                   "    }\n"
                   "    return n;\n"
                   "}\n"
                   "\n"
                   "static const struct vmsim_reclaim_policy %i = {.policy = {.size = sizeof %i,\n"
                   "                                               .abi = VMSIM_POLICY_ABI,\n"
                   "                                               .domain = VMSIM_POLICY_RECLAIM,\n"
                   "                                               .name = \"%n\",\n"
                   "                                               .doc = \"What it does, in a "
                   "line.\"},\n"
                   "                                    .create = create,\n"
                   "                                    .destroy = destroy,\n"
                   "                                    .folio_added = folio_added,\n"
                   "                                    .evict = evict};\n" TAIL;

static const char reclaim_test[] =
    TEST_HEAD("vmsim_test_reclaim") ".frames = 4, .policy = \"%n\", .plugin = plugin" TEST_OPEN(
        "vmsim_test_reclaim") "static void what_was_used_is_spared_once(void **state) {\n"
                              "    (void)state;\n"
                              "    uint64_t spared;\n"
                              "    struct vmsim_test_reclaim *t = open_%i();\n"
                              "    expect(t, \"0 1 2 3 0+ 4-1 5-2 6-3 7-0\"); /* 4-1: page 4 misses, page 1 goes */\n"
                              "    assert_int_equal(vmsim_test_reclaim_counter(t, \"spared\", &spared), 0);\n"
                              "    assert_int_equal(spared, 1);\n"
                              "    assert_int_equal(vmsim_test_reclaim_check(t, NULL, 0), 0);\n"
                              "    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);\n"
                              "}\n" TEST_MAIN("what_was_used_is_spared_once");

static const char reclaim_scenario[] =
    "# The gate: what the policy has to reach. Twice through 8 MiB with room for 4: everything that comes makes\n"
    "# something go. Run from here: vmsim run %n.yaml\n"
    "machine:\n"
    "  nodes: [{memory: 64MiB}]\n"
    "  transparent_hugepage: never\n"
    "  swap: [{size: 64MiB}]\n"
    "  resident_folios: 1024 # pure: so many pages, and every reference told; without it, memory is the bound\n"
    "policies:\n"
    "  reclaim: {plugin: build/%n.so, name: %n}\n"
    "workload:\n"
    "  tasks:\n"
    "    - name: main\n"
    "      program:\n"
    "        - mmap: {as: heap, length: 8MiB}\n"
    "        - repeat: {times: 2, steps: [{touch: {region: heap, write: 1}}]}\n"
    "expect:\n"
    "  - {counter: policies.reclaim.%n.fallbacks, equals: 0}\n"
    "  - {counter: policies.reclaim.%n.victims, min: 3000}\n"
    "  - {counter: vmstat.pswpin, min: 1}\n";

const struct policy_template policy_templates[] = {
    {"tlb_replacement", replacement_policy, replacement_test, replacement_scenario},
    {"tlb_prefetch", prefetch_policy, prefetch_test, prefetch_scenario},
    {"reclaim", reclaim_policy, reclaim_test, reclaim_scenario},
    {NULL, NULL, NULL, NULL},
};
