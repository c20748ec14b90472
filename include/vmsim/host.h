/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_HOST_H
#define VMSIM_HOST_H
/**
 * @file host.h
 * @brief Real machines: write down what describes a host's memory system, and make a machine description of it.
 *
 *     vmsim_host_capture("box", NULL, why, sizeof why);                 on the host: a folder of small text files
 *     vmsim_host_import("box", "box.yaml", NULL, why, sizeof why);      anywhere: a machine for vmsim_config_load_file
 *     vmsim_host_import(NULL, "here.yaml", NULL, why, sizeof why);      both at once, for this host
 *
 * docs/capture-format.md says what the folder holds. A description takes over what firmware and administrator decided
 * (memory map, nodes, distances, CPUs, boot options, sysctls) and the frames that the kernel kept for itself; what the
 * kernel's memory manager derives from these, the simulated one derives, too.
 */
#include <stddef.h>

#include "vmsim/error.h"

VMSIM_BEGIN_DECLS

/** Receives one line about `file` of the capture: that it is missing or damaged, and what is taken instead. */
typedef void vmsim_host_note_fn(void *context, const char *file, const char *text);

/** Flags of struct vmsim_host_options. */
enum vmsim_host_flags {
    VMSIM_HOST_NO_SYSCTL = 1 /**< import: leave out all sysctls, also those that an administrator has changed */
};

/** How to capture or import; all zero but `size` is the default. */
struct vmsim_host_options {
    size_t size;              /**< sizeof(struct vmsim_host_options) */
    unsigned flags;           /**< of ::vmsim_host_flags */
    vmsim_host_note_fn *note; /**< called for every note, in a fixed order; may be NULL */
    void *context;            /**< handed to `note` */
};

/**
 * Writes what describes this host's memory system into a folder, which is made if need be; files in it are replaced.
 * Needs no privileges: what they would show is noted, and listed in `missing.txt` of the folder.
 * @param options may be NULL.
 * @param why receives one line on failure, cut to `size` bytes; may be NULL with `size` 0.
 * @return 0, VMSIM_EIO (the folder cannot be written), VMSIM_ENOMEM, VMSIM_EINVAL.
 */
int vmsim_host_capture(const char *directory, const struct vmsim_host_options *options, char *why, size_t size);

/**
 * Makes a machine description of a capture. The same capture gives the same bytes.
 * @param directory of the capture; NULL: this host, now.
 * @param output the YAML file to write, replaced at once; NULL: only look whether it can be done.
 * @param options may be NULL.
 * @param why receives one line on failure; may be NULL with `size` 0.
 * @return 0; VMSIM_ENOENT (no such folder), VMSIM_EFORMAT (too little is known, or it contradicts itself),
 * VMSIM_ENOSYS (a machine that is not modelled), VMSIM_EIO, VMSIM_ENOMEM, VMSIM_EINVAL.
 */
int vmsim_host_import(const char *directory, const char *output, const struct vmsim_host_options *options, char *why,
                      size_t size);

/**
 * Writes a file of the host as vmsim writes its own (traces, descriptions, pages): what bore the name is replaced at
 * once when all is written, and stays as it was if that fails. Character devices and pipes are written to; links,
 * directories and block devices are refused. For programs over this library, whose users name files.
 * @param bytes what the file is to hold; may be NULL with `length` 0.
 * @param why receives one line on failure; may be NULL with `size` 0.
 * @return 0, VMSIM_EIO, VMSIM_ENOMEM, VMSIM_EINVAL (no name, an empty one, no bytes).
 */
int vmsim_host_write(const char *path, const void *bytes, size_t length, char *why, size_t size);

VMSIM_END_DECLS

#endif
