/* SPDX-License-Identifier: MIT */
/* Columns beside the chunks of frames: a table of chunks a column, itself made at the first use of the column. */
#include "zones/columns.h"

_Static_assert(VMSIM__COLUMNS == VMSIM__MEM_COLUMNS, "struct vmsim__mem has a place for each");

static const unsigned width[VMSIM__COLUMNS] = {8, 4, 8}; /* bytes a frame */

/* In step with chunks of frames: a frame's chunk and its place there are the column's, too. */
static size_t chunks(const struct vmsim__mem *mem) {
    return ((size_t)mem->frames.end + mem->frames.mask) >> mem->frames.shift;
}

static size_t chunk_bytes(const struct vmsim__mem *mem, enum vmsim__column column) {
    return ((size_t)mem->frames.mask + 1) * width[column];
}

/* What was never written reads as 0, without memory for it. */
uint64_t vmsim__column_read(const struct vmsim__mem *mem, enum vmsim__column column, vmsim__pfn pfn) {
    VMSIM__ASSERT(column < VMSIM__COLUMNS && pfn < mem->frames.end);
    void *const *table = mem->column[column];
    const void *chunk = table ? table[pfn >> mem->frames.shift] : NULL;
    if (!chunk)
        return 0;
    const size_t at = pfn & mem->frames.mask;
    return width[column] == 4 ? ((const uint32_t *)chunk)[at] : ((const uint64_t *)chunk)[at];
}

/* The chunk of a frame, made if it is not there; NULL: no host memory. */
static void *make_chunk(struct vmsim__mem *mem, enum vmsim__column column, vmsim__pfn pfn) {
    if (!mem->column[column])
        mem->column[column] = vmsim__calloc(mem->alloc, chunks(mem), sizeof(void *));
    if (!mem->column[column])
        return NULL;
    void **slot = &mem->column[column][pfn >> mem->frames.shift];
    if (!*slot)
        *slot = vmsim__calloc(mem->alloc, 1, chunk_bytes(mem, column));
    return *slot;
}

/* False: no host memory, and nothing has changed. Zeroes are not worth a chunk. */
bool vmsim__column_write(struct vmsim__mem *mem, enum vmsim__column column, vmsim__pfn pfn, uint64_t value) {
    VMSIM__ASSERT(column < VMSIM__COLUMNS && pfn < mem->frames.end);
    VMSIM__ASSERT(width[column] == 8 || value <= UINT32_MAX);
    if (!value && !vmsim__column_read(mem, column, pfn))
        return true;
    void *chunk = make_chunk(mem, column, pfn);
    if (!chunk)
        return false;
    const size_t at = pfn & mem->frames.mask;
    if (width[column] == 4)
        ((uint32_t *)chunk)[at] = (uint32_t)value;
    else
        ((uint64_t *)chunk)[at] = value;
    VMSIM__ASSERT(vmsim__column_read(mem, column, pfn) == value);
    return true;
}

void vmsim__columns_fini(struct vmsim__mem *mem) {
    for (unsigned c = 0; c < VMSIM__COLUMNS; c++) {
        for (size_t i = 0; mem->column[c] && i < chunks(mem); i++)
            vmsim__free(mem->alloc, mem->column[c][i], chunk_bytes(mem, (enum vmsim__column)c));
        if (mem->column[c])
            vmsim__free(mem->alloc, mem->column[c], chunks(mem) * sizeof(void *));
        mem->column[c] = NULL;
    }
}
