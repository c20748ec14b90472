/* SPDX-License-Identifier: MIT */
/* Texts: reading a file under a limit, its lines, and whether its bytes are characters at all.
 *
 * A file's size is asked before it is opened for reading, so that a wrong argument (a trace, a disk image) costs
 * nothing; what has no size (a pipe) is read up to the limit. The bytes are checked here and not by libyaml, because
 * here every bad byte has a line and a column. Columns count characters, from 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_impl.h"

/* Some editors begin a file with this mark; it is no part of the first line. */
#define UTF8_BOM "\xef\xbb\xbf"

static struct vmsim__place whole(const struct vmsim__source *s) {
    return (struct vmsim__place){.source = s};
}

static struct vmsim__source *new_source(struct vmsim_config *c, const char *name) {
    VMSIM__ASSERT(name);
    struct vmsim__source *s = vmsim__arena_alloc(&c->arena, 1, sizeof *s);
    if (s)
        s->name = vmsim__arena_copy(&c->arena, name, strlen(name));
    if (!s || !s->name)
        return NULL;
    s->order = c->sources++;
    return s;
}

/* Bytes of the line break at `t`, or 0. YAML 1.1 has five of them. */
static size_t break_size(const char *t, const char *end) {
    const unsigned char *s = (const unsigned char *)t;
    if (*s == '\r')
        return t + 1 < end && s[1] == '\n' ? 2 : 1;
    if (*s == '\n')
        return 1;
    if (end - t >= 2 && s[0] == 0xc2 && s[1] == 0x85)
        return 2;
    return end - t >= 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9) ? 3 : 0;
}

/* Two passes: counting first keeps the index in one piece. */
static bool index_lines(struct vmsim_config *c, struct vmsim__source *s) {
    size_t count = 1;
    const char *end = s->text + s->size;
    for (const char *t = s->text; t < end;) {
        size_t n = break_size(t, end);
        count += n > 0;
        t += n ? n : 1;
    }
    uint32_t *lines = vmsim__arena_alloc(&c->arena, count, sizeof *lines);
    if (!lines)
        return false;
    lines[0] = s->size >= 3 && !memcmp(s->text, UTF8_BOM, 3) ? 3 : 0;
    s->lines = lines;
    s->line_count = 1;
    for (const char *t = s->text; t < end;) {
        size_t n = break_size(t, end);
        t += n ? n : 1;
        if (n)
            lines[s->line_count++] = (uint32_t)(t - s->text);
    }
    return true;
}

/* Many files, each within the limit. Texts in memory do not count: whoever made them had room for them. */
static bool check_total(struct vmsim_config *c, const struct vmsim__source *s, size_t size) {
    c->text_bytes += size;
    if (c->text_bytes <= CONFIG_TOTAL_LIMIT)
        return true;
    vmsim__diag_add(c, VMSIM_ELIMIT, whole(s), "more than %u MiB in all files together (the limit)",
                    CONFIG_TOTAL_LIMIT >> 20);
    return false;
}

static int too_big(struct vmsim_config *c, const struct vmsim__source *s) {
    return vmsim__diag_add(c, VMSIM_ELIMIT, whole(s), "larger than %u MiB (the limit of a configuration file)",
                           CONFIG_FILE_LIMIT >> 20);
}

struct vmsim__source *vmsim__source_text(struct vmsim_config *c, const char *name, const char *text, size_t size) {
    VMSIM__ASSERT(name && (text || !size));
    struct vmsim__source *s = new_source(c, name);
    if (!s)
        return NULL;
    if (size > CONFIG_FILE_LIMIT) {
        too_big(c, s);
        return NULL;
    }
    s->text = vmsim__arena_copy(&c->arena, text, size);
    s->size = size;
    return s->text && index_lines(c, s) ? s : NULL;
}

/* Reads until the end or one byte beyond the limit. 0 or an errno. */
static int read_all(int fd, char *buffer, size_t room, size_t *size) {
    VMSIM__ASSERT(fd >= 0 && buffer);
    for (*size = 0; *size < room;) {
        ssize_t n = read(fd, buffer + *size, room - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (!n)
            break;
        *size += (size_t)n;
    }
    return 0;
}

/* Fills `s` from an open file. False after an error, or without memory. */
/* One byte more than the limit (or than the size that was told) shows that there is more. */
static bool fill(struct vmsim_config *c, struct vmsim__source *s, int fd, const struct stat *st) {
    VMSIM__ASSERT(fd >= 0);
    size_t room = S_ISREG(st->st_mode) ? (size_t)st->st_size + 1 : (size_t)CONFIG_FILE_LIMIT + 1;
    char *buffer = vmsim__arena_alloc(&c->arena, room + 1, 1);
    if (!buffer)
        return false;
    size_t size;
    int failed = read_all(fd, buffer, room, &size);
    if (failed || size > CONFIG_FILE_LIMIT) {
        if (failed)
            vmsim__diag_add(c, VMSIM_EIO, whole(s), "cannot be read (%s)", strerrordesc_np(failed));
        else
            too_big(c, s);
        return false;
    }
    if (!check_total(c, s, size + sizeof *s))
        return false;
    buffer[size] = '\0';
    s->text = buffer;
    s->size = size;
    return index_lines(c, s);
}

/* Whether one of the including files is this one, whatever it is called there. */
static bool includes_itself(const struct vmsim__source *s) {
    for (const struct vmsim__source *p = s->parent; p; p = p->parent)
        if (p->is_file && p->inode == s->inode && p->device == s->device && s->inode)
            return true;
    return false;
}

/* What a file is, is asked before it is opened: a pipe or a device would be read for ever, or wait. By device and inode
 * a file is known under any of its names, so that no detour hides that it includes itself. */
static bool open_and_fill(struct vmsim_config *c, struct vmsim__source *s, const char *path) {
    VMSIM__ASSERT(path);
    struct vmsim__place at = whole(s);
    struct stat st;
    if (stat(path, &st)) {
        vmsim__diag_add(c, errno == ENOENT ? VMSIM_ENOENT : VMSIM_EIO, at, "cannot be opened (%s)",
                        strerrordesc_np(errno));
        return false;
    }
    s->device = st.st_dev;
    s->inode = st.st_ino;
    if (includes_itself(s)) {
        vmsim__diag_add(c, VMSIM_ECONFIG, at, "includes itself");
        return false;
    }
    if (S_ISDIR(st.st_mode)) {
        vmsim__diag_add(c, VMSIM_EIO, at, "is a directory, not a file");
        return false;
    }
    if (s->parent && !S_ISREG(st.st_mode)) {
        vmsim__diag_add(c, VMSIM_EIO, at, "is not a regular file (a pipe may be given, but not included)");
        return false;
    }
    if (S_ISREG(st.st_mode) && st.st_size > CONFIG_FILE_LIMIT) {
        too_big(c, s);
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        vmsim__diag_add(c, VMSIM_EIO, at, "cannot be opened (%s)", strerrordesc_np(errno));
        return false;
    }
    bool ok = fill(c, s, fd, &st);
    close(fd);
    return ok;
}

struct vmsim__source *vmsim__source_file(struct vmsim_config *c, const char *path, const struct vmsim__place *from) {
    VMSIM__ASSERT(path);
    struct vmsim__source *s = new_source(c, path);
    if (!s)
        return NULL;
    s->is_file = true;
    if (from) {
        s->parent = from->source;
        s->parent_line = from->line;
        s->parent_column = from->column;
    }
    s->foreign = from && vmsim__source_is_foreign(c, s);
    return open_and_fill(c, s, path) ? s : NULL;
}

/* Strictly, as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. Two readers that forgive
 * differently would read two files. */
size_t vmsim__utf8_size(const char *text, size_t left, unsigned *point) {
    VMSIM__ASSERT(left > 0);
    const unsigned char *s = (const unsigned char *)text;
    unsigned c = s[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (!n || n > left)
        return 0;
    *point = n == 1 ? c : c & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (s[i] & 0x3fu);
    }
    if ((n == 3 && *point < 0x800) || (n == 4 && *point < 0x10000) || *point > 0x10ffff)
        return 0;
    return *point >= 0xd800 && *point < 0xe000 ? 0 : n;
}

/* Texts are names and paths, which stand in reports and messages as they are. */
bool vmsim__is_one_line(const char *text) {
    VMSIM__ASSERT(text);
    const unsigned char *s = (const unsigned char *)text;
    while (*s >= 0x20 && *s != 0x7f && !(*s == 0xc2 && s[1] < 0xa0))
        s++;
    return !*s;
}

/* The characters that a YAML stream may hold. */
static bool is_yaml_char(unsigned c) {
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0x7f) || c == 0x85 ||
           (c >= 0xa0 && c != 0xfffe && c != 0xffff && c != 0xfeff);
}

static int bad_byte(struct vmsim_config *c, const struct vmsim__place *at, size_t length, unsigned point) {
    const unsigned char *s = (const unsigned char *)at->source->text;
    if (!length && at->line == 1 && at->column == 1 && s[0] >= 0xfe)
        return vmsim__diag_add(c, VMSIM_ESYNTAX, *at, "not UTF-8 (it looks like UTF-16; save the file as UTF-8)");
    if (!length)
        return vmsim__diag_add(c, VMSIM_ESYNTAX, *at, "a byte that is not UTF-8 (save the file as UTF-8)");
    return vmsim__diag_add(c, VMSIM_ESYNTAX, *at, "a control character, U+%04X (a text file has none)", point);
}

/* Before libyaml sees it: a byte that is no text gets its line and column here, where libyaml would speak of a stream.
 * */
int vmsim__source_check(struct vmsim_config *c, const struct vmsim__source *s) {
    const unsigned char *t = (const unsigned char *)s->text, *end = t + s->size;
    struct vmsim__place at = {.source = s, .line = 1, .column = 1, .length = 1};
    if (s->size >= 3 && !memcmp(t, UTF8_BOM, 3))
        t += 3;
    while (t < end) {
        unsigned point = 0;
        size_t n = vmsim__utf8_size((const char *)t, (size_t)(end - t), &point);
        if (!n || !is_yaml_char(point))
            return bad_byte(c, &at, n, point);
        size_t b = break_size((const char *)t, (const char *)end);
        at.line += b > 0;
        at.column = b ? 1 : at.column + 1;
        t += b ? b : n;
    }
    return 0;
}

const char *vmsim__path_beside(struct vmsim_config *c, const struct vmsim__source *source, const char *path) {
    const char *slash = source && source->is_file ? strrchr(source->name, '/') : NULL;
    if (path[0] == '/' || !slash)
        return vmsim__arena_copy(&c->arena, path, strlen(path));
    return vmsim__arena_printf(&c->arena, "%.*s/%s", (int)(slash - source->name), source->name, path);
}
