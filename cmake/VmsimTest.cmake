# SPDX-License-Identifier: MIT

# Impossible sizes are a case to handle, not a fault, also where the sanitizer's allocator serves them.
set(VMSIM_TEST_ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1;UBSAN_OPTIONS=print_stacktrace=1")

# vmsim_test(NAME MODULES m... [SOURCE name] [LIBC] [TIMEOUT s] [ARGS a...])
#
# A cmocka program from tests/NAME.c (or tests/SOURCE.c) linked with the object files of the named modules, so that
# it sees their hidden functions; registered with CTest. It links jemalloc, or with LIBC does not.
function(vmsim_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 T "LIBC" "SOURCE;TIMEOUT" "MODULES;ARGS")
    if(NOT T_SOURCE)
        set(T_SOURCE ${NAME})
    endif()
    set(missing)
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/tests/${T_SOURCE}.c)
        list(APPEND missing tests/${T_SOURCE}.c)
    endif()
    foreach(module IN LISTS T_MODULES)
        if(NOT TARGET vmsim_${module})
            list(APPEND missing src/${module})
        endif()
    endforeach()
    if(missing)
        if(VMSIM_STRICT)
            message(FATAL_ERROR "test ${NAME}: missing ${missing}")
        endif()
        message(WARNING "test ${NAME} is left out: missing ${missing}")
        return()
    endif()

    add_executable(${NAME} ${PROJECT_SOURCE_DIR}/tests/${T_SOURCE}.c)
    foreach(module IN LISTS T_MODULES)
        target_sources(${NAME} PRIVATE $<TARGET_OBJECTS:vmsim_${module}>)
    endforeach()
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${NAME} PRIVATE vmsim_compiler vmsim_deps PkgConfig::CMOCKA)
    set(backend libc)
    if(NOT T_LIBC)
        target_link_libraries(${NAME} PRIVATE vmsim_jemalloc)
        if(NOT VMSIM_SANITIZE)
            set(backend jemalloc)
        endif()
    endif()
    target_compile_definitions(${NAME} PRIVATE VMSIM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                               VMSIM_BINARY_DIR="${PROJECT_BINARY_DIR}" TEST_BACKEND="${backend}")
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    add_test(NAME ${NAME} COMMAND ${NAME} ${T_ARGS} WORKING_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 120)
    endif()
    set_tests_properties(${NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} ENVIRONMENT "${VMSIM_TEST_ENVIRONMENT}")
endfunction()
