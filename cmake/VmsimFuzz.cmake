# SPDX-License-Identifier: MIT
option(VMSIM_FUZZ "Build the fuzzers (clang only)" OFF)

# vmsim_fuzzer(NAME MODULES m...): a libFuzzer program from tests/NAME.c and the sources of the named modules, all with
# coverage feedback and sanitizers.
function(vmsim_fuzzer NAME)
    cmake_parse_arguments(PARSE_ARGV 1 F "" "" "MODULES")
    if(NOT VMSIM_FUZZ)
        return()
    endif()
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "VMSIM_FUZZ needs clang")
    endif()
    set(sources ${PROJECT_SOURCE_DIR}/tests/${NAME}.c)
    foreach(module IN LISTS F_MODULES)
        file(GLOB module_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/*.c)
        list(APPEND sources ${module_sources})
    endforeach()
    add_executable(${NAME} ${sources})
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/tests)
    target_compile_options(${NAME} PRIVATE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
    target_link_options(${NAME} PRIVATE -fsanitize=fuzzer,address,undefined)
    target_link_libraries(${NAME} PRIVATE vmsim_compiler vmsim_deps)
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endfunction()
