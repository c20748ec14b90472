/* SPDX-License-Identifier: MIT */
/* Tables -> JSON schema (draft 2020-12), for editors and for checks before vmsim is at hand.
 *
 * Each table becomes one entry of $defs, so nested steps refer to themselves. Where presets can fill in keys
 * (sections), nothing is required; elements of lists, which no preset completes, require what they must have.
 *
 * A schema accepts everything that vmsim accepts, and as little else as it can say: numbers have bounds, texts with
 * units only a pattern, and what concerns several values is left to vmsim. */
#include <string.h>

#include "config/config_impl.h"

struct json {
    struct vmsim__textbuf *b;
    unsigned depth;
    bool first; /* nothing stands yet in the innermost object or array */
    bool after_key;
};

/* What stands before any value but that of a key: a comma unless it is the first, and the next line. */
static void begin_value(struct json *j) {
    if (!j->after_key) {
        vmsim__textbuf_puts(j->b, j->first ? "\n" : ",\n");
        vmsim__textbuf_fill(j->b, ' ', (size_t)j->depth * 2);
    }
    j->after_key = j->first = false;
}

static void open(struct json *j, char bracket) {
    begin_value(j);
    vmsim__textbuf_add(j->b, &bracket, 1);
    j->depth++;
    j->first = true;
}

/* Empty objects and arrays stand on one line. */
static void close(struct json *j, char bracket) {
    j->depth--;
    if (!j->first) {
        vmsim__textbuf_puts(j->b, "\n");
        vmsim__textbuf_fill(j->b, ' ', (size_t)j->depth * 2);
    }
    vmsim__textbuf_add(j->b, &bracket, 1);
    j->first = false;
}

static void raw(struct json *j, const char *text) {
    begin_value(j);
    vmsim__textbuf_puts(j->b, text);
}

static void string(struct json *j, const char *text) {
    begin_value(j);
    vmsim__textbuf_quote(j->b, text);
}

static void key(struct json *j, const char *name) {
    string(j, name);
    vmsim__textbuf_puts(j->b, ": ");
    j->after_key = true;
}

static void pair(struct json *j, const char *name, const char *text) {
    key(j, name);
    string(j, text);
}

static void raw_pair(struct json *j, const char *name, const char *text) {
    key(j, name);
    raw(j, text);
}

/* As JSON writes numbers: 007 and 1. are texts. */
static bool is_number(const char *s) {
    size_t n = strspn(s, "0123456789");
    bool leading_zero = s[0] == '0' && n > 1;
    if (!n || leading_zero || !s[n])
        return n && !leading_zero;
    return s[n] == '.' && s[n + 1] && !s[n + 1 + strspn(s + n + 1, "0123456789")];
}

/* Words that YAML readers take for numbers or booleans are allowed as both. */
static bool is_json_word(const char *s) {
    return is_number(s) || !strcmp(s, "true") || !strcmp(s, "false");
}

/* The reference to a table's definition: "#/$defs/machine.nodes". */
static void definition_name(const struct vmsim__table *t, char *name) {
    for (const char *s = t->title; *s; s++)
        if (*s != '[' && *s != ']' && *s != '*')
            *name++ = *s == '/' || *s == '~' || *s == '%' || *s == ' ' ? '_' : *s;
    *name = '\0';
}

/* A step without fields has no table: nothing, or an empty mapping. */
static void reference(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *fields) {
    const struct vmsim__table *table = vmsim__tables_find(t, fields);
    char name[sizeof table->title + 16] = "#/$defs/";
    if (!table) {
        raw_pair(j, "type", "[\"object\", \"null\"]");
        raw_pair(j, "maxProperties", "0");
        return;
    }
    definition_name(table, name + strlen(name));
    pair(j, "$ref", name);
}

/* Numbers of sizes and addresses are bytes here; texts with units are checked by their pattern only. */
static void bounds(struct json *j, const struct vmsim_param *p, const char *low, const char *high) {
    char text[64];
    struct vmsim_param number = {.type = p->type == VMSIM_PARAM_INT ? VMSIM_PARAM_INT : VMSIM_PARAM_UINT};
    bool both = p->type == VMSIM_PARAM_INT && (p->min || p->max);
    if (p->min || both)
        raw_pair(j, low, vmsim__param_format(&number, &p->min, text, sizeof text));
    if (p->max || both)
        raw_pair(j, high, vmsim__param_format(&number, &p->max, text, sizeof text));
}

/* The type as YAML readers see it: `64KiB` is a string there, 65536 is none, and both are sizes. */
static void scalar(struct json *j, const struct vmsim_param *p) {
    switch (p->type) {
    case VMSIM_PARAM_BOOL:
        pair(j, "type", "boolean");
        break;
    case VMSIM_PARAM_UINT:
    case VMSIM_PARAM_INT:
        pair(j, "type", "integer");
        bounds(j, p, "minimum", "maximum");
        break;
    case VMSIM_PARAM_SIZE:
    case VMSIM_PARAM_ADDRESS:
        raw_pair(j, "type", "[\"integer\", \"string\"]");
        pair(j, "pattern", "^(0[xX][0-9a-fA-F]+|[0-9]+(\\.[0-9]+)?) ?([KMGTPkmgtp]|B|kB|[KMGTP]iB)?$");
        bounds(j, p, "minimum", "maximum");
        break;
    case VMSIM_PARAM_TIME:
        raw_pair(j, "type", "[\"integer\", \"string\"]");
        pair(j, "pattern", "^(0|[0-9]+(\\.[0-9]+)? ?(ns|us|ms|s|min|h))$");
        raw_pair(j, "maximum", "0");
        break;
    case VMSIM_PARAM_RATIO:
        raw_pair(j, "type", "[\"number\", \"string\"]");
        pair(j, "pattern", "^[0-9]+(\\.[0-9]+)?%?$");
        break;
    case VMSIM_PARAM_ENUM:
        key(j, "enum");
        open(j, '[');
        for (size_t i = 0; p->choices[i]; i++) {
            string(j, p->choices[i]);
            if (is_json_word(p->choices[i]))
                raw(j, p->choices[i]);
        }
        close(j, ']');
        break;
    default:
        raw_pair(j, "type", "[\"string\", \"number\", \"boolean\"]");
    }
}

/* What editors show beside the key; defaults are told in the table's own form. */
static void annotate(struct json *j, const struct vmsim_param *p) {
    if (p->doc)
        pair(j, "description", p->doc);
    if (!p->fallback)
        return;
    key(j, "default");
    if (p->type != VMSIM_PARAM_STRING && is_json_word(p->fallback))
        raw(j, p->fallback);
    else
        string(j, p->fallback);
}

/* `"required": [...]` of the table's own keys, or of one directive that can give them. */
static void require(struct json *j, const struct vmsim_param *fields, const char *directive) {
    key(j, "required");
    open(j, '[');
    for (const struct vmsim_param *p = directive ? NULL : fields; p && p->name; p++)
        if (vmsim__param_is_required(p))
            string(j, p->name);
    if (directive)
        string(j, directive);
    close(j, ']');
}

/* An element of a list: the definition, and what it must have or take in (which a shorthand, no object, need not). */
static void element(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *fields) {
    const char *ways[] = {NULL, "preset", "include"};
    bool required = false;
    for (const struct vmsim_param *p = fields; p && p->name; p++)
        required |= vmsim__param_is_required(p);
    open(j, '{');
    reference(j, t, fields);
    if (required) {
        key(j, "anyOf");
        open(j, '[');
        for (size_t i = 0; i < VMSIM__COUNT(ways); i++) {
            open(j, '{');
            require(j, fields, ways[i]);
            close(j, '}');
        }
        close(j, ']');
    }
    close(j, '}');
}

/* A step may be a bare word when all its fields have defaults. */
static bool can_be_bare(const struct vmsim_variant *v) {
    for (const struct vmsim_param *p = v->fields; p && p->name; p++)
        if (vmsim__param_is_required(p))
            return false;
    return true;
}

/* A step is a bare word, or a mapping with one key, its verb. */
static void steps(struct json *j, const struct vmsim__tables *t, const struct vmsim_variant *variants) {
    open(j, '{');
    key(j, "anyOf");
    open(j, '[');
    open(j, '{');
    key(j, "enum");
    open(j, '[');
    for (const struct vmsim_variant *v = variants; v->tag; v++)
        if (can_be_bare(v))
            string(j, v->tag);
    close(j, ']');
    close(j, '}');
    open(j, '{');
    pair(j, "type", "object");
    raw_pair(j, "minProperties", "1");
    raw_pair(j, "maxProperties", "1");
    raw_pair(j, "additionalProperties", "false");
    key(j, "properties");
    open(j, '{');
    for (const struct vmsim_variant *v = variants; v->tag; v++) {
        key(j, v->tag);
        element(j, t, v->fields);
    }
    close(j, '}');
    close(j, '}');
    close(j, ']');
    close(j, '}');
}

static void contents(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *p);

/* An empty key is an empty list, as YAML writes it: null. */
static void list(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *p) {
    raw_pair(j, "type", "[\"array\", \"null\"]");
    if (p->type != VMSIM_PARAM_LIST)
        bounds(j, p, "minItems", "maxItems");
    key(j, "items");
    if (p->type == VMSIM_PARAM_VARIANT_LIST) {
        steps(j, t, p->variants);
    } else if (p->type == VMSIM_PARAM_STRUCT_LIST) {
        element(j, t, p->fields);
    } else {
        struct vmsim_param inner = vmsim__param_element(p);
        open(j, '{');
        contents(j, t, &inner);
        close(j, '}');
    }
}

static void map(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *p) {
    raw_pair(j, "type", "[\"object\", \"null\"]");
    bounds(j, p, "minProperties", "maxProperties");
    key(j, "additionalProperties");
    if (p->type == VMSIM_PARAM_STRUCT_MAP)
        element(j, t, p->fields);
    else
        raw(j, "{\"type\": [\"string\", \"number\", \"boolean\"]}");
}

/* What a parameter may hold, as the members of an open object. */
static void contents(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *p) {
    VMSIM__ASSERT(p);
    if (vmsim__param_is_scalar(p->type)) {
        scalar(j, p);
    } else if (p->type == VMSIM_PARAM_STRUCT) {
        reference(j, t, p->fields);
    } else if (p->type == VMSIM_PARAM_MAP || p->type == VMSIM_PARAM_STRUCT_MAP) {
        map(j, t, p);
    } else if (p->type != VMSIM_PARAM_NODE) {
        list(j, t, p);
    }
}

/* Known to the engine and not to the tables. */
static void directives(struct json *j, const struct vmsim_param *fields) {
    VMSIM__ASSERT(fields);
    if (vmsim__param_is_directive(fields, "preset")) {
        key(j, "preset");
        raw(j, "{\"type\": \"string\", \"description\": \"A file of the preset directories that lies beneath this "
               "section\"}");
    }
    if (vmsim__param_is_directive(fields, "include")) {
        key(j, "include");
        raw(j,
            "{\"type\": [\"string\", \"array\"], \"items\": {\"type\": \"string\"}, \"description\": \"Files that lie "
            "beneath this section\"}");
    }
}

/* A table as the members of an open object. */
static void table(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *fields) {
    VMSIM__ASSERT(fields);
    raw_pair(j, "type", "[\"object\", \"null\"]");
    raw_pair(j, "additionalProperties", "false");
    key(j, "properties");
    open(j, '{');
    directives(j, fields);
    for (const struct vmsim_param *p = fields; p->name; p++) {
        key(j, p->name);
        open(j, '{');
        contents(j, t, p);
        annotate(j, p);
        close(j, '}');
    }
    close(j, '}');
}

/* An object, or with a shorthand the one value that stands for it. */
static void definition(struct json *j, const struct vmsim__tables *t, const struct vmsim_param *fields) {
    VMSIM__ASSERT(fields);
    const struct vmsim_param *shorthand = vmsim__param_shorthand(fields);
    open(j, '{');
    if (!shorthand) {
        table(j, t, fields);
        close(j, '}');
        return;
    }
    key(j, "anyOf");
    open(j, '[');
    open(j, '{');
    table(j, t, fields);
    close(j, '}');
    open(j, '{');
    contents(j, t, shorthand);
    close(j, '}');
    close(j, ']');
    close(j, '}');
}

int vmsim__schema_write(const struct vmsim_param *root, struct vmsim__alloc *alloc, struct vmsim__textbuf *b) {
    VMSIM__ASSERT(root && alloc && b);
    struct vmsim__tables t = {0};
    struct json j = {.b = b, .after_key = true};
    int err = vmsim__tables_collect(alloc, root, &t);
    open(&j, '{');
    pair(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    pair(&j, "title", "vmsim configuration");
    table(&j, &t, root);
    key(&j, "$defs");
    open(&j, '{');
    for (size_t i = 1; i < t.count; i++) {
        char name[sizeof t.at[i].title + 16];
        definition_name(&t.at[i], name);
        key(&j, name);
        definition(&j, &t, t.at[i].fields);
    }
    close(&j, '}');
    close(&j, '}');
    vmsim__textbuf_puts(b, "\n");
    vmsim__vec_fini(alloc, &t);
    return err;
}
