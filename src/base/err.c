/* SPDX-License-Identifier: MIT */
/* Names and texts of the errors, from the one table in vmsim/error.h, and the last error kept on a handle. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "vmsim/version.h"

const char *vmsim_version(void) {
    return VMSIM_VERSION;
}

const char *vmsim_error_name(int err) {
    switch (err) {
    case VMSIM_OK:
        return "VMSIM_OK";
#define ERROR_NAME(name, number, text)                                                                                 \
    case number:                                                                                                       \
        return "VMSIM_E" #name;
        VMSIM_ERRORS(ERROR_NAME)
#undef ERROR_NAME
    default:
        return "VMSIM_E?";
    }
}

const char *vmsim_error_text(int err) {
    switch (err) {
    case VMSIM_OK:
        return "success";
#define ERROR_TEXT(name, number, text)                                                                                 \
    case number:                                                                                                       \
        return text;
        VMSIM_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return "unknown error";
    }
}

int vmsim__err_set(struct vmsim__err *e, int code, const char *format, ...) {
    VMSIM__ASSERT(code < 0 && format);
    if (!e)
        return code;
    e->code = code;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    if (n < 0)
        e->text[0] = '\0';
    else if ((size_t)n >= sizeof e->text)
        strcpy(e->text + sizeof e->text - sizeof "...", "...");
    return code;
}

const char *vmsim__err_text(const struct vmsim__err *e) {
    return e->code ? e->text : "";
}
