# SPDX-License-Identifier: MIT
# What vmsim links: `vmsim_deps` (the library and every test) and `vmsim_jemalloc` (programs only).
#
# The library takes jemalloc through weak references and never links it: Debian's libjemalloc uses static TLS and
# so cannot be loaded by dlopen, which is how Python opens libvmsim. A program that links it gets it. A sanitized
# build leaves jemalloc out, so that the sanitizer sees every block.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(VMSIM_DEPS REQUIRED IMPORTED_TARGET yaml-0.1 libzstd libxxhash libarchive jansson)
pkg_check_modules(VMSIM_JEMALLOC REQUIRED jemalloc)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

pkg_check_modules(VMSIM_PROGRAM REQUIRED IMPORTED_TARGET sqlite3 yaml-0.1 ncurses jansson) # the program's own, beside the library

add_library(vmsim_deps INTERFACE)
target_link_libraries(vmsim_deps INTERFACE PkgConfig::VMSIM_DEPS Threads::Threads m ${CMAKE_DL_LIBS})

add_library(vmsim_jemalloc INTERFACE)
if(NOT VMSIM_SANITIZE)
    target_link_libraries(vmsim_jemalloc INTERFACE -Wl,--push-state,--no-as-needed -ljemalloc -Wl,--pop-state)
endif()
