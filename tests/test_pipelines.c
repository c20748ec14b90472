/* SPDX-License-Identifier: MIT */
/* The pipelines that docs/ci.md gives to begin with are YAML, and run what they say: `vmsim test` with JUnit's file. */
#include "helpers.h"

#include <yaml.h>

#define PIPELINES VMSIM_SOURCE_DIR "/docs/examples/"

/* Whether a scalar below the node holds `words`. */
static bool holds(yaml_document_t *d, const yaml_node_t *n, const char *words) {
    if (n->type == YAML_SCALAR_NODE)
        return strstr((const char *)n->data.scalar.value, words) != NULL;
    if (n->type == YAML_SEQUENCE_NODE) {
        for (const yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
            if (holds(d, yaml_document_get_node(d, *i), words))
                return true;
        }
        return false;
    }
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        if (holds(d, yaml_document_get_node(d, p->value), words))
            return true;
    }
    return false;
}

static bool has_key(yaml_document_t *d, const yaml_node_t *n, const char *key) {
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        if (!strcmp((const char *)yaml_document_get_node(d, p->key)->data.scalar.value, key))
            return true;
    }
    return false;
}

static void check(const char *name, const char *key) {
    char path[512];
    yaml_parser_t parser;
    yaml_document_t document;
    size_t size;
    snprintf(path, sizeof path, "%s%s", PIPELINES, name);
    char *text = test_read_file(path, &size);
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &document))
        fail_msg("%s:%zu: %s", name, parser.problem_mark.line + 1, parser.problem);
    yaml_node_t *root = yaml_document_get_root_node(&document);
    assert_int_equal(root->type, YAML_MAPPING_NODE);
    assert_true(has_key(&document, root, key));
    assert_true(holds(&document, root, "vmsim test scenarios --junit scenarios.xml -o runs"));
    assert_true(holds(&document, root, "vmsim report"));
    assert_true(holds(&document, root, "ctest --test-dir \"$policy/build\" --output-on-failure"));
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    free(text);
}

static void the_pipeline_of_github_is_yaml(void **state) {
    (void)state;
    check("github-actions.yml", "jobs");
}

static void the_pipeline_of_gitlab_is_yaml(void **state) {
    (void)state;
    check("gitlab-ci.yml", "scenarios");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipeline_of_github_is_yaml),
        cmocka_unit_test(the_pipeline_of_gitlab_is_yaml),
    };
    return cmocka_run_group_tests_name("pipelines", tests, NULL, NULL);
}
