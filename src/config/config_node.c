/* SPDX-License-Identifier: MIT */
/* Trees of nodes: growing, looking up, copying, merging. All memory is the arena's; arrays grow by doubling and leave
 * their old halves there, which costs at most the tree once more. */
#include <string.h>

#include "config/config_impl.h"

/* FNV-1a. Compared before the bytes are; never an order. */
static uint32_t hash_key(const char *key) {
    uint32_t h = 2166136261u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619u;
    return h;
}

/* The limit is on all nodes ever made by one configuration: copies for aliases and merged files count, so no way of
 * multiplying a small text gets past it. */
struct vmsim__node *vmsim__node_new(struct vmsim_config *c, enum vmsim__node_kind kind, struct vmsim__place place) {
    if (c->nodes >= CONFIG_NODE_LIMIT) {
        vmsim__diag_add(c, VMSIM_ELIMIT, place, "more than %d values in all (the limit)", CONFIG_NODE_LIMIT);
        return NULL;
    }
    struct vmsim__node *n = vmsim__arena_alloc(&c->arena, 1, sizeof *n);
    if (!n)
        return NULL;
    c->nodes++;
    n->kind = kind;
    n->place = place;
    return n;
}

struct vmsim__node *vmsim__node_scalar(struct vmsim_config *c, struct vmsim__place place, const char *text) {
    struct vmsim__node *n = vmsim__node_new(c, NODE_SCALAR, place);
    if (n)
        n->text = vmsim__arena_copy(&c->arena, text, strlen(text));
    return n && n->text ? n : NULL;
}

/* The old array stays in the arena until the end: trees are built once, and doubled a few times. */
static bool grow(struct vmsim_config *c, struct vmsim__node *n, void **at, size_t element) {
    VMSIM__ASSERT(n->count <= n->capacity);
    if (n->count < n->capacity)
        return true;
    size_t capacity = n->capacity ? n->capacity * 2 : 4;
    void *bigger = vmsim__arena_alloc(&c->arena, capacity, element);
    if (!bigger)
        return false;
    if (n->count)
        memcpy(bigger, *at, n->count * element);
    *at = bigger;
    n->capacity = capacity;
    return true;
}

/* Only the loader reads heights (to refuse an alias that would nest too deep); later merges may leave them too low. */
static void account(struct vmsim__node *parent, const struct vmsim__node *child) {
    if (child->height + 1 > parent->height)
        parent->height = (unsigned short)(child->height + 1);
}

bool vmsim__node_push(struct vmsim_config *c, struct vmsim__node *sequence, struct vmsim__node *item) {
    VMSIM__ASSERT(sequence->kind == NODE_SEQUENCE && item);
    if (!grow(c, sequence, (void **)&sequence->items, sizeof *sequence->items))
        return false;
    sequence->items[sequence->count++] = item;
    account(sequence, item);
    return true;
}

/* Key limits: lookups are linear, which is fastest for the dozen keys of a real section, and a key must fit into what
 * libyaml takes for an implicit key even when every byte of it is escaped in a dump. */
bool vmsim__node_put(struct vmsim_config *c, struct vmsim__node *mapping, const char *key, struct vmsim__place place,
                     struct vmsim__node *value) {
    VMSIM__ASSERT(mapping->kind == NODE_MAPPING && key && value);
    if (strlen(key) > CONFIG_KEY_BYTES) {
        vmsim__diag_add(c, VMSIM_ELIMIT, place, "a key of more than %d bytes (the limit)", CONFIG_KEY_BYTES);
        return false;
    }
    if (mapping->count >= CONFIG_KEY_LIMIT) {
        vmsim__diag_add(c, VMSIM_ELIMIT, place, "more than %d keys in one mapping (the limit)", CONFIG_KEY_LIMIT);
        return false;
    }
    if (!grow(c, mapping, (void **)&mapping->entries, sizeof *mapping->entries))
        return false;
    mapping->entries[mapping->count++] = (struct vmsim__entry){key, hash_key(key), place, value};
    account(mapping, value);
    return true;
}

struct vmsim__entry *vmsim__node_find(const struct vmsim__node *mapping, const char *key) {
    if (!mapping || mapping->kind != NODE_MAPPING)
        return NULL;
    uint32_t hash = hash_key(key);
    for (size_t i = 0; i < mapping->count; i++) {
        struct vmsim__entry *e = &mapping->entries[i];
        if (e->hash == hash && !strcmp(e->key, key))
            return e;
    }
    return NULL;
}

struct vmsim__node *vmsim__node_get(const struct vmsim__node *mapping, const char *key) {
    struct vmsim__entry *e = vmsim__node_find(mapping, key);
    return e ? e->value : NULL;
}

/* Keeps the order of the others: it is the order of the dump of raw parts. */
void vmsim__node_remove(struct vmsim__node *mapping, const char *key) {
    VMSIM__ASSERT(mapping->kind == NODE_MAPPING);
    struct vmsim__entry *e = vmsim__node_find(mapping, key);
    if (!e)
        return;
    size_t after = (size_t)(mapping->entries + mapping->count - (e + 1));
    memmove(e, e + 1, after * sizeof *e);
    mapping->count--;
}

size_t vmsim__node_count(const struct vmsim__node *n) {
    size_t count = 1;
    for (size_t i = 0; n->kind == NODE_SEQUENCE && i < n->count; i++)
        count += vmsim__node_count(n->items[i]);
    for (size_t i = 0; n->kind == NODE_MAPPING && i < n->count; i++)
        count += vmsim__node_count(n->entries[i].value);
    return count;
}

unsigned vmsim__node_height(const struct vmsim__node *n) {
    unsigned highest = 0;
    for (size_t i = 0; n->kind != NODE_SCALAR && i < n->count; i++) {
        unsigned h = 1 + vmsim__node_height(n->kind == NODE_SEQUENCE ? n->items[i] : n->entries[i].value);
        highest = h > highest ? h : highest;
    }
    return highest;
}

/* Scalars share their text, which never changes; places stay those of the original, so that an error in a value that
 * was reached by an alias points at the text to mend. */
struct vmsim__node *vmsim__node_copy(struct vmsim_config *c, const struct vmsim__node *n) {
    struct vmsim__node *copy = vmsim__node_new(c, n->kind, n->place);
    if (!copy)
        return NULL;
    copy->plain = n->plain;
    if (n->kind == NODE_SCALAR)
        copy->text = n->text;
    for (size_t i = 0; n->kind == NODE_SEQUENCE && i < n->count; i++) {
        struct vmsim__node *item = vmsim__node_copy(c, n->items[i]);
        if (!item || !vmsim__node_push(c, copy, item))
            return NULL;
    }
    for (size_t i = 0; n->kind == NODE_MAPPING && i < n->count; i++) {
        const struct vmsim__entry *e = &n->entries[i];
        struct vmsim__node *value = vmsim__node_copy(c, e->value);
        if (!value || !vmsim__node_put(c, copy, e->key, e->place, value))
            return NULL;
    }
    return copy;
}

/* The result is `under` with the keys of `over`, so that keys keep the order of the file that had them first. Lists
 * replace, mappings merge: an element has no name by which one could be matched with another. */
struct vmsim__node *vmsim__node_merge(struct vmsim_config *c, struct vmsim__node *under, struct vmsim__node *over) {
    if (!under || !over)
        return over ? over : under;
    if (under->kind != NODE_MAPPING || over->kind != NODE_MAPPING)
        return over;
    for (size_t i = 0; i < over->count; i++) {
        struct vmsim__entry *mine = &over->entries[i], *theirs = vmsim__node_find(under, mine->key);
        if (!theirs) {
            if (!vmsim__node_put(c, under, mine->key, mine->place, mine->value))
                return NULL;
            continue;
        }
        theirs->value = vmsim__node_merge(c, theirs->value, mine->value);
        theirs->place = mine->place;
        if (!theirs->value)
            return NULL;
    }
    under->place = over->place;
    return under;
}

bool vmsim__node_is_null(const struct vmsim__node *n) {
    VMSIM__ASSERT(n->kind != NODE_SCALAR || n->text);
    if (n->kind != NODE_SCALAR || !n->plain)
        return false;
    return !n->text[0] || !strcmp(n->text, "~") || !strcmp(n->text, "null");
}

const char *vmsim__node_what(const struct vmsim__node *n) {
    if (n->kind != NODE_SCALAR)
        return n->kind == NODE_SEQUENCE ? "a list" : "a mapping";
    return vmsim__node_is_null(n) ? "nothing" : "one value";
}
