# SPDX-License-Identifier: MIT
option(VMSIM_FUZZ "Build the fuzzers (clang only)" OFF)

# vmsim_fuzzer(NAME MODULES m... [STEPS n] [SEEDS file...]): the fuzz target tests/NAME.c.
#
# A test of that name makes STEPS changes to the target's seeds and the files SEEDS (tests/fuzz_main.c), the same for the
# same VMSIM_SEED. With VMSIM_FUZZ also NAME_libfuzzer, with coverage feedback and sanitizers; tools/fuzz runs them.
function(vmsim_fuzzer NAME)
    cmake_parse_arguments(PARSE_ARGV 1 F "" "STEPS" "MODULES;SEEDS")
    if(F_MODULES STREQUAL all)
        get_property(F_MODULES GLOBAL PROPERTY VMSIM_MODULES)
    endif()
    vmsim_test(${NAME} TIMEOUT 300 EXTRA fuzz_main.c MODULES ${F_MODULES} ARGS ${F_STEPS} ${F_SEEDS})
    if(NOT VMSIM_FUZZ)
        return()
    endif()
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "VMSIM_FUZZ needs clang")
    endif()
    set(sanitizers address,undefined)
    if(NOT TARGET vmsim_fuzz_objects) # every module once, whatever a target needs
        get_property(modules GLOBAL PROPERTY VMSIM_MODULES)
        list(TRANSFORM modules REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/\\1/*.c")
        file(GLOB sources CONFIGURE_DEPENDS ${modules})
        add_library(vmsim_fuzz_objects OBJECT ${sources})
        target_include_directories(vmsim_fuzz_objects PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
        target_compile_options(vmsim_fuzz_objects PRIVATE -O1 -g -fsanitize=fuzzer-no-link,${sanitizers}
                               -fno-sanitize-recover=all)
        target_link_libraries(vmsim_fuzz_objects PRIVATE vmsim_compiler vmsim_deps)
    endif()
    set(fuzzer ${NAME}_libfuzzer)
    add_executable(${fuzzer} ${PROJECT_SOURCE_DIR}/tests/${NAME}.c $<TARGET_OBJECTS:vmsim_fuzz_objects>)
    target_include_directories(${fuzzer} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${fuzzer} PRIVATE VMSIM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_compile_options(${fuzzer} PRIVATE -O1 -g -fsanitize=fuzzer,${sanitizers} -fno-sanitize-recover=all)
    target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer,${sanitizers})
    target_link_libraries(${fuzzer} PRIVATE vmsim_compiler vmsim_deps PkgConfig::CMOCKA)
    set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endfunction()
