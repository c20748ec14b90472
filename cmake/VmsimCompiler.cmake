# SPDX-License-Identifier: MIT
# The language, the warnings and the code generation options that everything of vmsim is compiled with: one
# interface target, `vmsim_compiler`.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # __int128, statement attributes
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")

add_library(vmsim_compiler INTERFACE)
target_compile_options(vmsim_compiler INTERFACE -Wall -Wextra -Wshadow -Wconversion -Werror)
target_compile_definitions(vmsim_compiler INTERFACE _GNU_SOURCE)

if(VMSIM_SANITIZE)
    target_compile_options(vmsim_compiler INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
    target_link_options(vmsim_compiler INTERFACE -fsanitize=address,undefined)
endif()
if(VMSIM_COVERAGE)
    target_compile_options(vmsim_compiler INTERFACE --coverage -O0)
    target_link_options(vmsim_compiler INTERFACE --coverage)
endif()
if(VMSIM_LTO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
