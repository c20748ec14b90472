/* SPDX-License-Identifier: MIT */
/* Files of src/report/assets that the library carries (cmake/embed.cmake makes them C): what a page of HTML needs to be
 * one file. uPlot draws the time series; it is Leon Sorokin's, under the MIT licence that stands beside it. */
#ifndef VMSIM__ASSETS_H
#define VMSIM__ASSETS_H
#include <stddef.h>

struct vmsim__asset {
    const char *text; /* a NUL behind it */
    size_t size;
};
extern const struct vmsim__asset vmsim__asset_page_css, vmsim__asset_base_js, vmsim__asset_page_js,
    vmsim__asset_compare_js, vmsim__asset_charts_js, vmsim__asset_uPlot_iife_min_js, vmsim__asset_uPlot_min_css;

#endif
