/* SPDX-License-Identifier: MIT */
/* What a runtime finds that reads the kernel's object by itself, as Go's and musl's do. */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static const char *base;

static void dynamic(const Elf64_Dyn *d) {
    int hash = 0, gnu_hash = 0, versym = 0, verdef = 0, names = 0, symbols = 0;
    for (; d->d_tag; d++) {
        hash += d->d_tag == DT_HASH;
        gnu_hash += d->d_tag == DT_GNU_HASH;
        versym += d->d_tag == DT_VERSYM;
        names += d->d_tag == DT_STRTAB;
        symbols += d->d_tag == DT_SYMTAB;
        if (d->d_tag == DT_VERDEF) {
            verdef++;
            const Elf64_Verdef *v = (const void *)(base + d->d_un.d_ptr);
            for (;; v = (const void *)((const char *)v + v->vd_next)) {
                printf("version %u hash %#x\n", v->vd_ndx, v->vd_hash);
                if (!v->vd_next)
                    break;
            }
        }
    }
    printf("a hash table %d, versym %d, verdef %d, names %d, symbols %d\n", hash || gnu_hash, versym, verdef, names,
           symbols);
}

int main(void) {
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (!base)
        return puts("none"), 0;
    const Elf64_Ehdr *h = (const void *)base;
    const Elf64_Phdr *p = (const void *)(base + h->e_phoff);
    for (unsigned i = 0; i < h->e_phnum; i++) {
        if (p[i].p_type == PT_DYNAMIC)
            dynamic((const void *)(base + p[i].p_offset));
        if (p[i].p_type == PT_NOTE) {
            const Elf64_Nhdr *n = (const void *)(base + p[i].p_offset);
            printf("note of %s\n", (const char *)(n + 1));
        }
    }
    printf("sections %d\n", h->e_shnum > 0);
    return 0;
}
