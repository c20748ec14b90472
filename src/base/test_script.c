/* SPDX-License-Identifier: MIT */
/* Reading the words of scripts, and telling which of them did not hold. */
#include "base/test_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool read_word(const char **at, struct vmsim__script_word *w) {
    char *end;
    if (**at == '!' || **at == '?')
        w->before = *(*at)++;
    if (!is_digit(**at))
        return false;
    w->page = strtoull(*at, &end, 10);
    if (*end == '@') {
        if (!is_digit(end[1]))
            return false;
        w->pc = strtoull(end + 1, &end, 10);
    }
    if (*end == '+' || *end == '-')
        w->after = *end++;
    if (w->after == '-' && *end == '?') {
        w->any = true;
        end++;
    } else if (w->after == '-' && is_digit(*end)) {
        w->victim = strtoull(end, &end, 10);
    } else if (w->after == '-' && w->before != '?') {
        return false;
    }
    *at = end;
    w->length = (int)(end - w->text);
    return *end == ' ' || *end == '\n' || !*end;
}

int vmsim__script_next(const char **at, struct vmsim__script_word *w, struct vmsim__err *err) {
    *at += strspn(*at, " \n");
    *w = (struct vmsim__script_word){.text = *at, .number = w->number + 1};
    if (!**at)
        return 0;
    if (read_word(at, w))
        return 1;
    return vmsim__err_set(err, VMSIM_EINVAL, "word %u of the script cannot be read: %.20s", w->number, w->text);
}

int vmsim__script_probed(const struct vmsim__script_word *w, bool held, struct vmsim__err *err) {
    VMSIM__ASSERT(w->before == '?');
    if (held == (w->after != '-'))
        return 0;
    return vmsim__err_set(err, VMSIM_ECHECK, "%.*s: the page is %s", w->length, w->text, held ? "held" : "not held");
}

int vmsim__script_judge(const struct vmsim__script_word *w, enum vmsim_test_outcome got, uint64_t victim,
                        struct vmsim__err *err) {
    static const char *const what[] = {"hit", "missed, nothing went", "missed", "failed"};
    enum vmsim_test_outcome want = w->after == '+' ? VMSIM_TEST_HIT : w->after ? VMSIM_TEST_EVICT : VMSIM_TEST_FILL;
    VMSIM__ASSERT(!w->before && (unsigned)got < VMSIM__COUNT(what));
    if (got == want && (got != VMSIM_TEST_EVICT || w->any || victim == w->victim))
        return 0;
    if (got == VMSIM_TEST_EVICT)
        return vmsim__err_set(err, VMSIM_ECHECK, "%.*s: it missed, and page %llu went", w->length, w->text,
                              (unsigned long long)victim);
    return vmsim__err_set(err, VMSIM_ECHECK, "%.*s: it %s", w->length, w->text, what[got]);
}

int vmsim__script_tell(const struct vmsim__err *err, int code, char *why, size_t size) {
    if (why && size)
        snprintf(why, size, "%s", code ? err->text : "");
    return code;
}
