/* SPDX-License-Identifier: MIT */
/* Readers of facts (see phases_facts.h). A capture's delta line is "<source> <counter> <before> <after> <delta>". */
#include "phases_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t fact_get(const struct facts *f, const char *name, bool *found) {
    for (size_t i = 0; i < f->count; i++) {
        if (!strcmp(f->at[i].name, name)) {
            if (found)
                *found = true;
            return f->at[i].value;
        }
    }
    if (found)
        *found = false;
    return 0;
}

void fact_add(struct facts *f, const char *name, int64_t value) {
    for (size_t i = 0; i < f->count; i++) {
        if (!strcmp(f->at[i].name, name)) {
            f->at[i].value += value;
            return;
        }
    }
    if (f->count == FACTS_MAX) {
        fprintf(stderr, "more than %d facts\n", FACTS_MAX);
        abort();
    }
    snprintf(f->at[f->count].name, FACT_NAME, "%s", name);
    f->at[f->count++].value = value;
}

static bool begins_with_one(const char *name, const char *const *words) {
    for (; words && *words; words++) {
        if (!strncmp(name, *words, strlen(*words)))
            return true;
    }
    return words == NULL;
}

void facts_read_lines(struct facts *f, const char *prefix, const char *text, const char *const *only) {
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char word[48], name[FACT_NAME];
        long long value;
        if (sscanf(line, "%47[^ :\t\n]%*[: \t]%lld", word, &value) != 2 || !begins_with_one(word, only))
            continue;
        snprintf(name, sizeof name, "%s.%s", prefix, word);
        fact_add(f, name, value);
    }
}

void facts_read_zoneinfo(struct facts *f, const char *text) {
    static const char *const not_counters[] = {"protection", "cpu", "batch", "high", "nr_free_pages", NULL};
    char zone[32] = "";
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char word[48], name[FACT_NAME];
        unsigned node;
        long long value;
        if (sscanf(line, "Node %u, zone %15s", &node, word) == 2) {
            snprintf(zone, sizeof zone, "N%u.%.15s", node, word);
            continue;
        }
        bool unused = sscanf(line, " pages free %lld", &value) == 1;
        if (!unused && sscanf(line, " %47[a-zA-Z_0-9]%*[: ]%lld", word, &value) != 2)
            continue;
        if (unused)
            strcpy(word, "free");
        else if (begins_with_one(word, not_counters))
            continue;
        snprintf(name, sizeof name, "zone.%s.%s", zone, strcmp(word, "count") ? word : "pcp_count");
        fact_add(f, name, value);
    }
}

void facts_subtract(struct facts *out, const struct facts *after, const struct facts *before) {
    out->count = 0;
    for (size_t i = 0; i < after->count; i++)
        fact_add(out, after->at[i].name, after->at[i].value - fact_get(before, after->at[i].name, NULL));
    for (size_t i = 0; i < before->count; i++) {
        bool found;
        fact_get(after, before->at[i].name, &found);
        if (!found)
            fact_add(out, before->at[i].name, -before->at[i].value);
    }
}

void outcome_add(struct outcomes *o, const char *key, const char *text) {
    struct outcome *at = realloc(o->at, (o->count + 1) * sizeof *at);
    if (!at)
        abort();
    o->at = at;
    snprintf(at[o->count].key, sizeof at->key, "%.95s", key);
    snprintf(at[o->count++].text, sizeof at->text, "%s", text);
}

void outcome_overcommit(struct outcomes *o, unsigned mode, enum overcommit what, int64_t value, int64_t committed) {
    static const char *const names[] = {"CommitLimit_kB", "largest mapping", "4x NORESERVE", "4x PROT_READ"};
    char key[64], text[32];
    bool strict = mode == 2 && what == OVERCOMMIT_LARGEST;
    snprintf(key, sizeof key, "mode %u: %s%s", mode, names[what], strict ? " + committed" : "");
    if (what == OVERCOMMIT_LIMIT || what == OVERCOMMIT_LARGEST)
        snprintf(text, sizeof text, "%lld", (long long)(value + (strict ? committed : 0)));
    else
        snprintf(text, sizeof text, "%s", value ? "ok" : "refused");
    outcome_add(o, key, text);
}

bool outcome_add_vma(struct outcomes *o, const char *line) {
    unsigned long long start, end;
    char access[8];
    if (!o->count || sscanf(line, "%llx-%llx %7s", &start, &end, access) != 3 || start >> 40 == 0 || start >> 42)
        return false;
    char *text = o->at[o->count - 1].text;
    size_t n = strlen(text);
    snprintf(text + n, sizeof o->at->text - n, "%s%llx-%llx %s", n ? ", " : "", start, end, access);
    return true;
}

/* "mode 0: largest single RW private mapping 52682 pages (...)" and the other lines of the search. */
static bool read_overcommit(struct capture_phases *c, const char *line) {
    unsigned mode;
    long long value, committed;
    char word[24];
    if (sscanf(line, "mode %u CommitLimit_kB %lld Committed_AS_kB %lld", &mode, &value, &committed) == 3) {
        outcome_overcommit(&c->outcomes, mode, OVERCOMMIT_LIMIT, value, 0);
        c->committed = committed / 4;
    } else if (sscanf(line, "mode %u: 4x NORESERVE %23s", &mode, word) == 2) {
        outcome_overcommit(&c->outcomes, mode, OVERCOMMIT_NORESERVE, !strcmp(word, "ok"), 0);
    } else if (sscanf(line, "mode %u: 4x PROT_READ %23s", &mode, word) == 2) {
        outcome_overcommit(&c->outcomes, mode, OVERCOMMIT_READ_ONLY, !strcmp(word, "ok"), 0);
    } else if (sscanf(line, "mode %u: largest single RW private mapping %lld", &mode, &value) == 2 ||
               sscanf(line, "mode %u: %lld pages (4x)", &mode, &value) == 2) {
        outcome_overcommit(&c->outcomes, mode, OVERCOMMIT_LARGEST, value, c->committed);
    } else {
        return false;
    }
    return true;
}

const char *outcome_get(const struct outcomes *o, const char *key) {
    for (size_t i = 0; i < o->count; i++) {
        if (!strcmp(o->at[i].key, key))
            return o->at[i].text;
    }
    return NULL;
}

void outcome_pool(struct outcomes *o, const char *when, const uint64_t pages[4]) {
    char key[128], text[120];
    snprintf(key, sizeof key, "pool: %s", when);
    snprintf(text, sizeof text, "Total %llu Free %llu Rsvd %llu Surp %llu", (unsigned long long)pages[0],
             (unsigned long long)pages[1], (unsigned long long)pages[2], (unsigned long long)pages[3]);
    outcome_add(o, key, text);
}

/* "hugetlb after child cow    Total 8 Free 0 Rsvd 0 Surp 0" and "touch 8 -> signal 7 si_code 2". */
static bool read_hugetlb(struct capture_phases *c, const char *line) {
    unsigned long long n[4];
    const char *numbers = strstr(line, " Total ");
    char key[96];
    unsigned page, signal, code;
    if (sscanf(line, "touch %u -> signal %u si_code %u", &page, &signal, &code) == 3) {
        snprintf(key, sizeof key, "touch %u", page);
        outcome_add(&c->outcomes, key, signal == 7 && code == 2 ? "SIGBUS" : "another signal");
        return true;
    }
    if (strncmp(line, "hugetlb ", 8) != 0 || !numbers ||
        sscanf(numbers, " Total %llu Free %llu Rsvd %llu Surp %llu", &n[0], &n[1], &n[2], &n[3]) != 4)
        return false;
    const char *end = numbers;
    while (end > line + 8 && end[-1] == ' ')
        end--;
    snprintf(key, sizeof key, "%.*s", (int)(end - line - 8), line + 8);
    outcome_pool(&c->outcomes, key, (const uint64_t[]){n[0], n[1], n[2], n[3]});
    return true;
}

void facts_read_group(struct facts *f, unsigned look, const char *title, const char *file, const char *line) {
    char key[48], name[FACT_NAME];
    long long value;
    if (!strncmp(line, "hierarchical", 12))
        return;
    if (sscanf(line, "%47s %lld", key, &value) == 2)
        snprintf(name, sizeof name, "cgroup.%u.%.24s.%s.%s", look, title, file, key);
    else if (sscanf(line, "%lld", &value) == 1)
        snprintf(name, sizeof name, "cgroup.%u.%.24s.%s", look, title, file);
    else
        return;
    for (char *c = name; *c; c++) /* globs have no blanks */
        *c = *c == ' ' ? '_' : *c;
    fact_add(f, name, value);
}

/* "memcg after oom:" and below it "  memory.stat pgscan 123". */
static bool read_group(struct capture_phases *c, const char *line, char *title) {
    char file[32];
    int skip;
    if (sscanf(line, "memcg %63[^:\n]:", title) == 1) {
        c->looks++;
        return true;
    }
    if (sscanf(line, "  memory.%22s %n", file + 7, &skip) != 1)
        return false;
    memcpy(file, "memory.", 7);
    facts_read_group(c->groups, c->looks, title, file, line + skip);
    return true;
}

/* "N0.DMA32.boost 0": of the watermarks of a zone. */
static bool read_zone(struct capture_phases *c, const char *line) {
    char zone[24], word[16], value[24], key[64];
    if (sscanf(line, "N%23[0-9A-Za-z.] %23[0-9]", zone, value) != 2 || !strrchr(zone, '.'))
        return false;
    snprintf(word, sizeof word, "%.15s", strrchr(zone, '.') + 1);
    if (strcmp(word, "boost") != 0 && strcmp(word, "min") != 0 && strcmp(word, "high") != 0)
        return false;
    snprintf(key, sizeof key, "zone N%s", zone);
    outcome_add(&c->outcomes, key, value);
    return true;
}

/* "status sig 9 (9=OOM killed)"; "kill order (1=A 2=B 3=C): 231; ..." and "scenario 0 order 2341 (..." after a phase;
 * before one "child A pid 156 pages 3292 adj 0 oom_score 714" and "scenario 0 child A pages 3072 adj 500 oom_score 9".
 */
static bool read_end(struct capture_phases *c, const char *line) {
    char key[64], text[16];
    const char *score = strstr(line, " oom_score "), *child = strstr(line, "child ");
    if (sscanf(line, "status sig %15[0-9]", text) == 1)
        snprintf(key, sizeof key, "signal after phase %zu", c->count);
    else if (sscanf(line, "kill order (%*[^)]): %15[0-9]", text) == 1 ||
             sscanf(line, "kill order %15[0-9]", text) == 1 || sscanf(line, "scenario %*d order %15[0-9]", text) == 1)
        snprintf(key, sizeof key, "order of deaths in phase %zu", c->count);
    else if (score && child && sscanf(score, " oom_score %15[0-9]", text) == 1)
        snprintf(key, sizeof key, "oom_score of %c before phase %zu", child[6], c->count + 1);
    else
        return false;
    outcome_add(&c->outcomes, key, text);
    return true;
}

/* "  read 4 -> cached: 0-27" below "trace NAME"; "first read of 2 pages at 0 -> cached: 0-3"; "mincore cached: 0-511"
 * after a phase; "mmap len 0   -> -1 errno 22 Invalid argument" and "munmap unmapped ok -> 0" or "-> ok". */
static bool read_outcome(struct capture_phases *c, const char *line, char *trace) {
    char key[96], word[200];
    int errno_number, at;
    const char *arrow = strstr(line, " ->"), *cached = strstr(line, " cached: ");
    if (read_end(c, line) || read_zone(c, line) || read_group(c, line, trace))
        return true;
    if (sscanf(line, "nr_hugepages got %199s", word) == 1) {
        outcome_add(&c->outcomes, "nr_hugepages", word);
        return true;
    }
    if (sscanf(line, "trace %63s", trace) == 1 || read_overcommit(c, line) || read_hugetlb(c, line))
        return true;
    if (sscanf(line, "maps after %79[^\n]", word) == 1) { /* "maps after munmap 20..23:", and a line a VMA */
        snprintf(key, sizeof key, "maps after %.*s", (int)strlen(word) - 1, word);
        outcome_add(&c->outcomes, key, "");
        return true;
    }
    if (sscanf(line, "where %63[^:]: %199[^\n]", key, word) ==
        2) { /* "where BIND 1: n=256 N1=256 none=0 first16: 1 1" */
        char unique[sizeof key + 32];
        snprintf(unique, sizeof unique, "where %s after phase %zu", key, c->count);
        outcome_add(&c->outcomes, unique, word);
        return true;
    }
    if (sscanf(line, "numa_maps %199[^\n]", word) == 1) {
        snprintf(key, sizeof key, "numa_maps after phase %zu", c->count);
        outcome_add(&c->outcomes, key, word);
        return true;
    }
    if (!strncmp(line, "  1", 3) && outcome_add_vma(&c->outcomes, line))
        return true;
    if (cached) {
        if (!strncmp(line, "mincore", 7))
            snprintf(key, sizeof key, "after phase %zu", c->count);
        else if (sscanf(line, " read %d", &at) == 1)
            snprintf(key, sizeof key, "%.40s: read %d", trace, at);
        else
            snprintf(key, sizeof key, "%.*s", (int)(arrow ? arrow - line : 0), line);
        snprintf(word, sizeof word, "%.*s", (int)strcspn(cached + 9, "\n"), cached + 9);
        outcome_add(&c->outcomes, key, word);
        return true;
    }
    if (!arrow || *line == ' ')
        return false;
    size_t length = (size_t)(arrow - line);
    while (length && line[length - 1] == ' ')
        length--;
    snprintf(key, sizeof key, "%.*s", (int)length, line);
    if (sscanf(arrow, " -> -1 errno %d", &errno_number) == 1)
        snprintf(word, sizeof word, "errno %d", errno_number);
    else
        snprintf(word, sizeof word, "ok");
    outcome_add(&c->outcomes, key, word);
    return true;
}

static bool begin_phase(struct capture_phases *c, const char *line) {
    struct phase p = {0};
    if (sscanf(line, "--- phase %u: %159[^\n]", &p.number, p.title) < 1)
        return false;
    struct phase *at = realloc(c->at, (c->count + 1) * sizeof *at);
    p.deltas = calloc(1, sizeof *p.deltas);
    p.again = calloc(1, sizeof *p.again);
    if (!at || !p.deltas || !p.again)
        abort();
    c->at = at;
    c->at[c->count++] = p;
    return true;
}

/* "Node 0, zone DMA32 15 23 ..." of /proc/buddyinfo, as the first phase begins. */
static void read_blocks(struct facts *before, const char *line) {
    char zone[16], name[FACT_NAME];
    unsigned node;
    int at = 0, skip;
    long long blocks;
    if (sscanf(line, "Node %u, zone %15s%n", &node, zone, &at) < 2 || strchr(line, '.'))
        return;
    snprintf(name, sizeof name, "blocks.N%u.%s.0", node, zone);
    bool told;
    fact_get(before, name, &told);
    for (unsigned order = 0; !told && sscanf(line + at, "%lld%n", &blocks, &skip) == 1; order++, at += skip) {
        snprintf(name, sizeof name, "blocks.N%u.%s.%u", node, zone, order);
        fact_add(before, name, blocks);
    }
}

bool capture_phases_read(const char *path, struct capture_phases *out) {
    static const char *const sources[] = {"vmstat ", "meminfo_kB ", "status_kB ", "rollup_kB ", "zone ", NULL};
    char line[4096], source[24], counter[48], name[FACT_NAME];
    char trace[64] = "";
    long long before, after, delta;
    FILE *f = fopen(path, "r");
    *out = (struct capture_phases){.groups = calloc(1, sizeof *out->groups)};
    if (!out->groups)
        abort();
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        if (*line == '#')
            sscanf(line, "# %*s write n=%" SCNu64 " pages", &out->written);
        if (sscanf(line, "free N0 %" SCNu64 " N1 %" SCNu64, &out->node_free[0], &out->node_free[1]) == 2)
            continue;
        if (!out->count)
            read_blocks(&out->before, line);
        if (begin_phase(out, line) || *line == '#' || read_outcome(out, line, trace) || !out->count)
            continue;
        struct facts *d = out->at[out->count - 1].deltas;
        if (sscanf(line, "rusage minflt %lld majflt %lld", &before, &after) == 2) {
            fact_add(d, "rusage.minflt", before);
            fact_add(d, "rusage.majflt", after);
        } else if (sscanf(line, "child minflt %lld", &delta) == 1) {
            fact_add(d, "rusage.child_minflt", delta);
        } else if (begins_with_one(line, sources) &&
                   sscanf(line, "%23s %47s %lld %lld %lld", source, counter, &before, &after, &delta) == 5) {
            snprintf(name, sizeof name, "%s.%s", source, counter);
            fact_add(d, name, delta);
            bool told;
            fact_get(&out->before, name, &told);
            if (!told)
                fact_add(&out->before, name, before);
        }
    }
    fclose(f);
    for (size_t i = 0; i < out->count; i++)
        *out->at[i].again = *out->at[i].deltas;
    return true;
}

static struct phase *numbered(struct capture_phases *c, unsigned number) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->at[i].number == number)
            return &c->at[i];
    }
    return NULL;
}

/* One line: shape, workload, phase, source, counter, delta of one boot, of the other, text. */
void capture_phases_again(struct capture_phases *c, const char *path, const char *shape, const char *workload) {
    char line[4096], begin[256], source[24], counter[48], name[FACT_NAME];
    FILE *f = fopen(path, "r");
    int length = snprintf(begin, sizeof begin, "%.120s\t%.120s\t", shape, workload);
    while (f && fgets(line, sizeof line, f)) {
        unsigned phase;
        long long a, b;
        if (strncmp(line, begin, (size_t)length) ||
            sscanf(line + length, "%u %23s %47s %lld %lld", &phase, source, counter, &a, &b) != 5)
            continue;
        struct phase *p = numbered(c, phase);
        snprintf(name, sizeof name, "%s.%s", source, counter);
        if (p && a != b)
            fact_add(p->again, name, b - a);
    }
    if (f)
        fclose(f);
}

void capture_phases_free(struct capture_phases *c) {
    for (size_t i = 0; i < c->count; i++) {
        free(c->at[i].deltas);
        free(c->at[i].again);
    }
    free(c->at);
    free(c->groups);
    free(c->outcomes.at);
}
