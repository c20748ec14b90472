/* SPDX-License-Identifier: MIT */
/* A run as one list of names with values, which is what a comparison goes through (see run_compare.h).
 *
 *     stats.json     -> "run.virtual_time_ns" 4039142217, "time.kernel: page faults" 45094300, "vmstat.pgfault" 81920
 * ... resolved.yaml  -> "machine.nodes[0].memory" "256MiB", "workload.tasks[1].program[0].mmap.length" "160MiB" ... */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/util.h"
#include "report/run_compare.h"

/* ---- numbers ---- */

/* json_object_set_new takes the value over, also when it fails. */
static bool put(json_t *flat, const char *prefix, const char *key, const json_t *value) {
    char name[600];
    int length = snprintf(name, sizeof name, "%s%s", prefix, key);
    if (!json_is_integer(value) || (size_t)length >= sizeof name)
        return true;
    return !json_object_set_new(flat, name, json_integer(json_integer_value(value)));
}

json_t *vmsim__run_numbers(const struct vmsim_run *run) {
    json_t *flat = json_object();
    const char *key;
    const json_t *value, *row;
    size_t i;
    bool fine = flat != NULL;
    json_object_foreach(json_object_get(run->stats, "run"), key, value) fine = fine && put(flat, "run.", key, value);
    json_array_foreach(json_object_get(run->stats, "where_the_time_went"), i, row) fine =
        fine && put(flat, "time.", vmsim__json_text(row, "what"), json_object_get(row, "time_ns"));
    json_object_foreach(json_object_get(run->stats, "counters"), key, value) fine = fine && put(flat, "", key, value);
    if (fine)
        return flat;
    json_decref(flat);
    return NULL;
}

/* ---- settings ---- */

/* A walk of a YAML document: where it is, and what it finds. */
struct walk {
    yaml_document_t document;
    json_t *flat;
    char path[1024];
    bool failed;
};

static void walk_node(struct walk *w, int index, size_t length);

static void walk_sequence(struct walk *w, const yaml_node_t *node, size_t length) {
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (size_t i = 0; item + i < node->data.sequence.items.top; i++) {
        int more = snprintf(w->path + length, sizeof w->path - length, "[%zu]", i);
        if ((size_t)more < sizeof w->path - length)
            walk_node(w, item[i], length + (size_t)more);
    }
}

static void walk_mapping(struct walk *w, const yaml_node_t *node, size_t length) {
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&w->document, p->key);
        if (!key || key->type != YAML_SCALAR_NODE)
            continue;
        int more = snprintf(w->path + length, sizeof w->path - length, "%s%s", length ? "." : "",
                            (const char *)key->data.scalar.value);
        if ((size_t)more < sizeof w->path - length)
            walk_node(w, p->value, length + (size_t)more);
    }
}

/* resolved.yaml has no aliases, so the depth of a walk is that of the text, which libyaml bounds. */
static void walk_node(struct walk *w, int index, size_t length) {
    const yaml_node_t *node = yaml_document_get_node(&w->document, index);
    if (!node || w->failed)
        return;
    w->path[length] = '\0';
    if (node->type == YAML_SEQUENCE_NODE)
        walk_sequence(w, node, length);
    else if (node->type == YAML_MAPPING_NODE)
        walk_mapping(w, node, length);
    else if (json_object_set_new_nocheck(
                 w->flat, w->path,
                 json_stringn_nocheck((const char *)node->data.scalar.value, node->data.scalar.length)))
        w->failed = true;
}

json_t *vmsim__run_settings(const struct vmsim_run *run) {
    struct walk w = {.flat = json_object()};
    yaml_parser_t parser;
    if (!w.flat || !yaml_parser_initialize(&parser)) {
        json_decref(w.flat);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)vmsim__textbuf_text(&run->resolved),
                                 run->resolved.count);
    if (yaml_parser_load(&parser, &w.document)) { /* what is no YAML any more has no settings to compare */
        const yaml_node_t *root = yaml_document_get_root_node(&w.document);
        if (root)
            walk_node(&w, 1, 0);
        yaml_document_delete(&w.document);
    } else {
        w.failed = parser.error == YAML_MEMORY_ERROR;
    }
    yaml_parser_delete(&parser);
    if (!w.failed)
        return w.flat;
    json_decref(w.flat);
    return NULL;
}
