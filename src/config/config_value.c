/* SPDX-License-Identifier: MIT */
/* Single values: text -> C value with every check of its parameter, and back to the canonical text. The same two
 * functions serve files, --set, defaults, the resolved configuration and the generated references, so what is
 * printed is what is read.
 *
 * Ratios are millionths in an integer: "0.25" and "25%" are both 250000. A digit that would be lost is an error. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/config_impl.h"

enum { MILLION = 1000000, SHOWN = 60 };

static const struct type_info {
    const char *name, *expects;
    size_t size; /* of the C value; 0: not one value */
    bool scalar, number;
} types[] = {
    [VMSIM_PARAM_BOOL] = {"boolean", "true or false", sizeof(bool), true, false},
    [VMSIM_PARAM_UINT] = {"integer", "a whole number", sizeof(uint64_t), true, true},
    [VMSIM_PARAM_INT] = {"signed integer", "a whole number", sizeof(int64_t), true, true},
    [VMSIM_PARAM_SIZE] = {"size", "a size such as 64KiB", sizeof(uint64_t), true, true},
    [VMSIM_PARAM_TIME] = {"time", "a time such as 250us", sizeof(uint64_t), true, true},
    [VMSIM_PARAM_STRING] = {"text", "a text", sizeof(const char *), true, false},
    [VMSIM_PARAM_ENUM] = {"word", "a word", sizeof(int), true, false},
    [VMSIM_PARAM_LIST] = {"list", "a list", sizeof(struct vmsim_param_list), false, false},
    [VMSIM_PARAM_STRUCT] = {"section", "a mapping", 0, false, false},
    [VMSIM_PARAM_STRUCT_LIST] = {"list of sections", "a list", sizeof(struct vmsim_param_list), false, false},
    [VMSIM_PARAM_MAP] = {"map", "a mapping of names to values", sizeof(struct vmsim_param_list), false, false},
    [VMSIM_PARAM_ADDRESS] = {"address", "an address such as 0x1000", sizeof(uint64_t), true, true},
    [VMSIM_PARAM_RATIO] = {"ratio", "a ratio such as 0.25 or 25%", sizeof(uint64_t), true, true},
    [VMSIM_PARAM_STRUCT_MAP] = {"map of sections", "a mapping of names to sections", sizeof(struct vmsim_param_list),
                                false, false},
    [VMSIM_PARAM_VARIANT_LIST] = {"list of steps", "a list", sizeof(struct vmsim_param_list), false, false},
    [VMSIM_PARAM_NODE] = {"free form", "anything", sizeof(const struct vmsim__node *), false, false},
};

/* Scalars are one word of YAML; others have parts that are bound one by one. */
bool vmsim__param_is_scalar(enum vmsim_param_type type) {
    VMSIM__ASSERT(type < VMSIM__COUNT(types));
    return types[type].scalar;
}

size_t vmsim__param_size(enum vmsim_param_type type) {
    VMSIM__ASSERT(type < VMSIM__COUNT(types));
    return types[type].size;
}

/* For messages: "expected a size such as 64KiB, got ...". */
const char *vmsim__param_expects(const struct vmsim_param *p) {
    VMSIM__ASSERT(p->type < VMSIM__COUNT(types));
    return types[p->type].expects;
}

const char *vmsim__param_type_name(const struct vmsim_param *p) {
    return types[p->type].name;
}

/* min and max both 0 say "unbounded"; a signed parameter may well end at 0, so there one bound makes both count. */
static bool has_lower(const struct vmsim_param *p, enum vmsim_param_type type) {
    return type == VMSIM_PARAM_INT ? p->min || p->max : p->min > 0;
}

static bool has_upper(const struct vmsim_param *p, enum vmsim_param_type type) {
    return type == VMSIM_PARAM_INT ? p->min || p->max : p->max > 0;
}

/* Shortest form: at most six decimals, no trailing zeros. Integer arithmetic: what is printed reads back as the same
 * millionths. */
static char *format_ratio(uint64_t v, char *text, size_t size) {
    VMSIM__ASSERT(size > 8);
    snprintf(text, size, "%" PRIu64 ".%06" PRIu64, v / MILLION, v % MILLION);
    size_t n = strlen(text);
    while (n && text[n - 1] == '0')
        text[--n] = '\0';
    if (n && text[n - 1] == '.')
        text[n - 1] = '\0';
    return text;
}

/* As it would be written in a file, so that what is printed can be read back as the same value. */
static char *format_number(enum vmsim_param_type type, uint64_t v, char *text, size_t size) {
    VMSIM__ASSERT(type < VMSIM__COUNT(types));
    switch (type) {
    case VMSIM_PARAM_SIZE:
        return vmsim__format_size(v, text, size);
    case VMSIM_PARAM_TIME:
        return vmsim__format_time(v, text, size);
    case VMSIM_PARAM_RATIO:
        return format_ratio(v, text, size);
    case VMSIM_PARAM_ADDRESS:
        snprintf(text, size, "0x%" PRIx64, v);
        return text;
    case VMSIM_PARAM_INT:
        snprintf(text, size, "%" PRId64, (int64_t)v);
        return text;
    default:
        snprintf(text, size, "%" PRIu64, v);
        return text;
    }
}

char *vmsim__param_bounds(const struct vmsim_param *p, enum vmsim_param_type type, char *text, size_t size) {
    VMSIM__ASSERT(size > 0);
    char low[64], high[64];
    format_number(type, p->min, low, sizeof low);
    format_number(type, p->max, high, sizeof high);
    bool lower = has_lower(p, type), upper = has_upper(p, type);
    if (upper)
        snprintf(text, size, "%s to %s", low, high);
    else if (lower)
        snprintf(text, size, "at least %s", low);
    else if (size)
        text[0] = '\0';
    return text;
}

/* Digits shift left through `scale`, the weight of the last digit in millionths: "0.25" is 0, 2 and 5 at 1000000,
 * 100000 and 10000. A digit with no weight left must be 0. */
static bool parse_ratio(const char *text, uint64_t *value, const char **why) {
    VMSIM__ASSERT(text && value && why);
    uint64_t v = 0, scale = MILLION;
    size_t length = strlen(text), digits = 0;
    bool percent = length && text[length - 1] == '%', fraction = false;
    scale = percent ? MILLION / 100 : MILLION;
    for (const char *t = text; t < text + length - percent; t++) {
        if (*t == '.' && !fraction && digits) {
            fraction = true;
            continue;
        }
        if (*t < '0' || *t > '9')
            return *why = "not a number", false;
        if (fraction && *t == '0' && scale == 1)
            continue;
        if (fraction && scale == 1)
            return *why = "finer than a millionth", false;
        scale /= fraction ? 10 : 1;
        digits++;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(*t - '0'), &v))
            return *why = "too large", false;
    }
    if (!digits)
        return *why = "not a number", false;
    return __builtin_mul_overflow(v, scale, value) ? (*why = "too large", false) : true;
}

/* Addresses are read as sizes are: 0x1000, 4KiB and 4096 are one. */
static bool parse_number(enum vmsim_param_type type, const char *text, uint64_t *v, const char **why) {
    VMSIM__ASSERT(types[type].number && text);
    int64_t number = 0;
    bool ok;
    switch (type) {
    case VMSIM_PARAM_SIZE:
    case VMSIM_PARAM_ADDRESS:
        return vmsim__parse_size(text, v, why);
    case VMSIM_PARAM_TIME:
        return vmsim__parse_time(text, v, why);
    case VMSIM_PARAM_RATIO:
        return parse_ratio(text, v, why);
    case VMSIM_PARAM_INT:
        ok = vmsim__parse_int(text, &number, why);
        *v = (uint64_t)number;
        return ok;
    default:
        return vmsim__parse_uint(text, v, why);
    }
}

/* Bounds of an INT are stored as the bits of an int64_t. A maximum of 0 stands for none. */
static bool in_bounds(const struct vmsim_param *p, uint64_t v) {
    VMSIM__ASSERT(types[p->type].number);
    if (p->type == VMSIM_PARAM_INT)
        return !has_upper(p, p->type) || ((int64_t)v >= (int64_t)p->min && (int64_t)v <= (int64_t)p->max);
    return v >= p->min && (!p->max || v <= p->max);
}

/* The start of `text`, for a message of limited length. Cut between characters: half of a UTF-8 sequence would spoil a
 * terminal. */
static const char *shown(const char *text, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 4);
    size_t n = strlen(text);
    if (n < size)
        return text;
    for (n = size - 4; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    snprintf(buffer, size, "%.*s...", (int)n, text);
    return buffer;
}

/* Unit, then bounds, then form: the first that does not fit is told, in the unit in which it was written. */
static bool store_number(const struct vmsim_param *p, const char *text, void *out, char *why, size_t size) {
    VMSIM__ASSERT(p && text && out);
    uint64_t v = 0;
    const char *reason = "";
    char word[SHOWN], limits[128];
    if (!parse_number(p->type, text, &v, &reason)) {
        snprintf(why, size, "expected %s, got '%s' (%s)", types[p->type].expects, shown(text, word, sizeof word),
                 reason);
        return false;
    }
    if (!in_bounds(p, v)) {
        bool share = p->type == VMSIM_PARAM_RATIO && !strchr(text, '%');
        snprintf(why, size, "'%s' is out of bounds (%s%s)", shown(text, word, sizeof word),
                 vmsim__param_bounds(p, p->type, limits, sizeof limits), share ? "; percent need their sign" : "");
        return false;
    }
    if ((p->flags & VMSIM_PARAM_POW2) && !vmsim__is_pow2(v)) {
        snprintf(why, size, "'%s' is not a power of two", shown(text, word, sizeof word));
        return false;
    }
    memcpy(out, &v, sizeof v);
    return true;
}

/* YAML 1.1 has a dozen spellings of a boolean and readers differ on them; two are taken, the others get a hint. */
static bool store_bool(const char *text, void *out, char *why, size_t size) {
    VMSIM__ASSERT(text && out);
    bool v = !strcmp(text, "true");
    char word[SHOWN];
    if (v || !strcmp(text, "false")) {
        memcpy(out, &v, sizeof v);
        return true;
    }
    const char *yes[] = {"yes", "on", "1", "True", "TRUE", "y", "Yes", "On", NULL};
    const char *no[] = {"no", "off", "0", "False", "FALSE", "n", "No", "Off", NULL};
    const char *meant = "";
    for (size_t i = 0; yes[i]; i++)
        meant = !strcmp(text, yes[i])  ? " (did you mean 'true'?)"
                : !strcmp(text, no[i]) ? " (did you mean 'false'?)"
                                       : meant;
    snprintf(why, size, "expected true or false, got '%s'%s", shown(text, word, sizeof word), meant);
    return false;
}

/* The message lists the choices and then the closest; it may be cut by `size`, never overrun. */
static bool store_enum(const struct vmsim_param *p, const char *text, void *out, char *why, size_t size) {
    VMSIM__ASSERT(p->choices && text && out);
    for (int i = 0; p->choices[i]; i++) {
        if (strcmp(text, p->choices[i]) != 0)
            continue;
        memcpy(out, &i, sizeof i);
        return true;
    }
    char word[SHOWN];
    size_t n = (size_t)snprintf(why, size, "'%s' is not one of", shown(text, word, sizeof word));
    for (size_t i = 0; p->choices[i] && n < size; i++)
        n += (size_t)snprintf(why + n, size - n, "%s %s", i ? "," : "", p->choices[i]);
    const char *close = vmsim__closest(text, p->choices, sizeof *p->choices);
    if (close && n < size)
        snprintf(why + n, size - n, " (did you mean '%s'?)", close);
    return false;
}

/* A text is not copied: it belongs to the configuration's arena, as the value does. */
bool vmsim__param_parse(const struct vmsim_param *p, const char *text, void *out, char *why, size_t size) {
    VMSIM__ASSERT(p && text && out);
    if (types[p->type].number)
        return store_number(p, text, out, why, size);
    if (p->type == VMSIM_PARAM_BOOL)
        return store_bool(text, out, why, size);
    if (p->type == VMSIM_PARAM_ENUM)
        return store_enum(p, text, out, why, size);
    if (p->type != VMSIM_PARAM_STRING) {
        snprintf(why, size, "expected %s, got one value", types[p->type].expects);
        return false;
    }
    if (!vmsim__is_one_line(text)) {
        snprintf(why, size, "a control character in a text (names and paths have none)");
        return false;
    }
    memcpy(out, &text, sizeof text);
    return true;
}

/* An enum out of range cannot come from a file: it is the caller's struct that is wrong. */
char *vmsim__param_format(const struct vmsim_param *p, const void *value, char *text, size_t size) {
    VMSIM__ASSERT(p && value && size > 0);
    const char *s = "";
    if (types[p->type].number) {
        uint64_t v;
        memcpy(&v, value, sizeof v);
        return format_number(p->type, v, text, size);
    }
    if (p->type == VMSIM_PARAM_BOOL) {
        s = *(const bool *)value ? "true" : "false";
    } else if (p->type == VMSIM_PARAM_ENUM) {
        int v;
        memcpy(&v, value, sizeof v);
        s = p->choices[v];
    } else if (p->type == VMSIM_PARAM_STRING) {
        memcpy(&s, value, sizeof s);
    }
    snprintf(text, size, "%s", s ? s : "");
    return text;
}

/* Linear: a table has some dozen entries, and only cold paths look names up. */
const struct vmsim_param *vmsim__param_find(const struct vmsim_param *table, const char *name, size_t length) {
    for (; table && table->name; table++)
        if (!strncmp(table->name, name, length) && !table->name[length])
            return table;
    return NULL;
}

const struct vmsim_param *vmsim__param_shorthand(const struct vmsim_param *table) {
    for (; table && table->name; table++)
        if (table->flags & VMSIM_PARAM_SHORTHAND)
            return table;
    return NULL;
}

const struct vmsim_variant *vmsim__variant_find(const struct vmsim_variant *variants, const char *tag, size_t length) {
    VMSIM__ASSERT(variants && tag);
    for (; variants->tag; variants++)
        if (!strncmp(variants->tag, tag, length) && !variants->tag[length])
            return variants;
    return NULL;
}

struct vmsim_param vmsim__param_element(const struct vmsim_param *list) {
    if (list->element == VMSIM_PARAM_LIST)
        return list->fields[0];
    struct vmsim_param element = *list;
    element.type = list->element;
    element.offset = 0;
    return element;
}

bool vmsim__param_is_directive(const struct vmsim_param *table, const char *key) {
    return (!strcmp(key, "preset") || !strcmp(key, "include")) && !vmsim__param_find(table, key, strlen(key));
}
