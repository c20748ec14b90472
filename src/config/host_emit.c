/* SPDX-License-Identifier: MIT */
/* A machine description as YAML text: each value with the place it came from behind it. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/host_import.h"
#include "vmsim/version.h"

/* Text of a comment: other people's bytes, made printable and short. */
static void comment(struct vmsim__textbuf *b, const char *text) {
    VMSIM__ASSERT(text);
    vmsim__textbuf_puts(b, " # ");
    for (size_t n = 0; *text && n < 200; text++, n++) {
        char c = *text;
        vmsim__textbuf_add(b, c >= ' ' && c <= '~' ? &c : "?", 1);
    }
    vmsim__textbuf_puts(b, "\n");
}

static void size_text(struct vmsim__textbuf *b, uint64_t bytes) {
    char text[32];
    vmsim__textbuf_puts(b, vmsim__format_size(bytes, text, sizeof text));
}

static void head(const struct vmsim__import *im, struct vmsim__textbuf *b) {
    vmsim__textbuf_puts(b, "# A machine imported from a capture; behind each value: where it came from.\n"
                           "# Zones, watermarks, reserves and defaults are not here: the machine derives them.\n");
    for (size_t i = 0; i < im->capture->notes.count; i++) {
        vmsim__textbuf_printf(b, "# %s:", im->capture->notes.at[i].file);
        char line[600];
        snprintf(line, sizeof line, "%s", im->capture->notes.at[i].text);
        for (char *p = line; *p; p++)
            *p = *p >= ' ' && *p <= '~' ? *p : '?';
        vmsim__textbuf_printf(b, " %s\n", line);
    }
    vmsim__textbuf_puts(b, "vmsim: 1\nmachine:\n");
}

static void range_line(struct vmsim__textbuf *b, const char *indent, const struct vmsim__import_range *r) {
    vmsim__textbuf_printf(b, "%s- {start: 0x%llx, size: ", indent, (unsigned long long)r->range.start);
    size_text(b, r->range.size);
    vmsim__textbuf_printf(b, "%s%s}", r->range.hotplug ? ", hotplug: true" : "",
                          r->range.reserved ? ", reserved: true" : "");
    comment(b, r->origin);
}

static void number_list(struct vmsim__textbuf *b, const char *key, const uint64_t *at, size_t count) {
    VMSIM__ASSERT(key && (at || !count));
    vmsim__textbuf_printf(b, "%s: [", key);
    for (size_t i = 0; i < count; i++)
        vmsim__textbuf_printf(b, "%s%llu", i ? ", " : "", (unsigned long long)at[i]);
    vmsim__textbuf_puts(b, "]");
}

static void reserved(struct vmsim__textbuf *b, const struct vmsim__import_node *n) {
    static const char *const names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable"};
    if (n->reserved.count)
        vmsim__textbuf_puts(b, "      reserved:\n");
    for (size_t i = 0; i < n->reserved.count; i++) {
        const struct vmsim__reserve_spec *r = &n->reserved.at[i];
        vmsim__textbuf_printf(b, "        - {zone: %s, size: ", names[r->zone]);
        size_text(b, r->size);
        if (r->boot_use) {
            vmsim__textbuf_puts(b, ", boot_use: ");
            size_text(b, r->boot_use);
        }
        if (r->cma) {
            vmsim__textbuf_puts(b, ", cma: ");
            size_text(b, r->cma);
        }
        if (r->boost) {
            vmsim__textbuf_puts(b, ", boost: ");
            size_text(b, r->boost);
        }
        vmsim__textbuf_puts(b, "}");
        comment(b, n->reserved_origin.at[i]);
    }
}

static void node(const struct vmsim__import *im, struct vmsim__textbuf *b, unsigned i) {
    const struct vmsim__import_node *n = &im->nodes[i];
    char text[64];
    vmsim__textbuf_puts(b, "    - ");
    number_list(b, "cpus", n->cpus.at, n->cpus.count);
    snprintf(text, sizeof text, "node_node%u_cpulist.txt", i);
    comment(b, n->cpus.count ? text : "none named");
    if (n->memory) {
        vmsim__textbuf_puts(b, "      memory: ");
        size_text(b, n->memory);
        comment(b, "proc_meminfo.txt: MemTotal");
    }
    if (n->ranges.count)
        vmsim__textbuf_puts(b, "      ranges:\n");
    for (size_t k = 0; k < n->ranges.count; k++)
        range_line(b, "        ", &n->ranges.at[k]);
    if (n->distances.count) {
        vmsim__textbuf_puts(b, "      ");
        number_list(b, "distances", n->distances.at, n->distances.count);
        snprintf(text, sizeof text, "node_node%u_distance.txt", i);
        comment(b, text);
    }
    reserved(b, n);
}

static void option(const struct vmsim__import *im, struct vmsim__textbuf *b, const char *key, const char *value,
                   bool quoted) {
    VMSIM__ASSERT(key && value);
    vmsim__textbuf_printf(b, "  %s: ", key);
    if (quoted)
        vmsim__textbuf_quote(b, value);
    else
        vmsim__textbuf_puts(b, value);
    char text[128];
    snprintf(text, sizeof text, "%s: kernel command line", im->cmdline_origin ? im->cmdline_origin : "");
    comment(b, text);
}

static void pool(const struct vmsim__import *im, struct vmsim__textbuf *b, const struct vmsim__hugetlb_spec *p) {
    char text[128];
    vmsim__textbuf_printf(b, "    - {pages: %llu", (unsigned long long)p->pages);
    if (p->size) {
        vmsim__textbuf_puts(b, ", size: ");
        size_text(b, p->size);
    }
    if (p->on_node)
        vmsim__textbuf_printf(b, ", node: %llu", (unsigned long long)p->node);
    vmsim__textbuf_puts(b, "}");
    snprintf(text, sizeof text, "%s: kernel command line", im->cmdline_origin ? im->cmdline_origin : "");
    comment(b, text);
}

/* Boot parameters alone that were given: a default that is written down would look as if somebody had chosen it. */
static void options(const struct vmsim__import *im, struct vmsim__textbuf *b) {
    const struct vmsim__mem_spec *s = &im->spec;
    char number[40];
    if (s->kernelcore)
        option(im, b, "kernelcore", s->kernelcore, true);
    if (s->movablecore)
        option(im, b, "movablecore", s->movablecore, true);
    if (s->vmalloc) {
        snprintf(number, sizeof number, "%lluKiB", (unsigned long long)s->vmalloc >> 10);
        option(im, b, "vmalloc", number, false);
    }
    if (s->highmem_given) {
        snprintf(number, sizeof number, "%lluKiB", (unsigned long long)s->highmem >> 10);
        option(im, b, "highmem", number, false);
    }
    if (s->movable_node)
        option(im, b, "movable_node", "true", false);
    if (s->transparent_hugepage != VMSIM__THP_ALWAYS)
        option(im, b, "transparent_hugepage", vmsim__thp_mode_names[s->transparent_hugepage], false);
    snprintf(number, sizeof number, "%lluKiB", (unsigned long long)s->default_hugepagesz >> 10);
    if (s->default_hugepagesz)
        option(im, b, "default_hugepagesz", number, false);
    const struct vmsim__hugetlb_spec *pools = s->hugetlb.data;
    if (s->hugetlb.count)
        vmsim__textbuf_puts(b, "  hugetlb:\n");
    for (size_t i = 0; i < s->hugetlb.count; i++)
        pool(im, b, &pools[i]);
}

static void processor(const struct vmsim__import *im, struct vmsim__textbuf *b) {
    if (im->preset) {
        vmsim__textbuf_printf(b, "  preset: %s", im->preset);
        comment(b, im->preset_origin);
    }
    vmsim__textbuf_printf(b, "  arch: %s", vmsim__import_format(im));
    comment(b, im->la57 ? "proc_cpuinfo.txt: la57, 57 bits of virtual address" : im->arch_origin);
    if (im->no_hardware_flags) {
        vmsim__textbuf_printf(b, "  hardware_flags: none");
        comment(b, im->preset_origin);
    }
    vmsim__textbuf_printf(b, "  kernel: \"%s\"", im->spec.kernel);
    comment(b, im->kernel_comment);
    if (im->nr_cpus) {
        vmsim__textbuf_printf(b, "  cpus: %llu", (unsigned long long)im->nr_cpus);
        comment(b, im->cpus_origin);
    }
}

/* A file for people to go on with: every line has behind it where its value was read, and what is Linux' own default is
 * left out. */
void vmsim__import_emit(const struct vmsim__import *im, struct vmsim__textbuf *b) {
    VMSIM__ASSERT(im && b);
    head(im, b);
    processor(im, b);
    options(im, b);
    if (im->spec.initrd) {
        vmsim__textbuf_puts(b, "  initrd: ");
        size_text(b, im->spec.initrd);
        comment(b, "dmesg_mm.txt: Freeing initrd memory");
    }
    if (im->map.count)
        vmsim__textbuf_puts(b, "  memory_map:\n");
    for (size_t i = 0; i < im->map.count; i++)
        range_line(b, "    ", &im->map.at[i]);
    vmsim__textbuf_puts(b, "  nodes:\n");
    for (unsigned n = 0; n < im->nr_nodes; n++)
        node(im, b, n);
    if (im->vvar_pages) {
        vmsim__textbuf_printf(b, "  memory_manager: {vvar_pages: %llu}", (unsigned long long)im->vvar_pages);
        comment(b, "proc_self_maps.txt: [vvar]");
    }
    if (im->sysctls.count)
        vmsim__textbuf_puts(b, "  sysctl:\n");
    for (size_t i = 0; i < im->sysctls.count; i++) {
        const struct vmsim__import_sysctl *s = &im->sysctls.at[i];
        vmsim__textbuf_printf(b, "    %s: ", s->name);
        vmsim__textbuf_quote(b, s->value);
        comment(b, s->origin);
    }
}
