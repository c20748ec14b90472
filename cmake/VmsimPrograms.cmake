# SPDX-License-Identifier: MIT
# Benchmarks and examples: one program a C file.

# vmsim_bench(NAME [MODULES m...]): bench/NAME.c with the objects of the modules (without MODULES: of all), so that it
# may measure hidden functions, too.
function(vmsim_bench NAME)
    cmake_parse_arguments(PARSE_ARGV 1 B "" "" "MODULES")
    set(modules ${B_MODULES})
    if(NOT modules)
        get_property(modules GLOBAL PROPERTY VMSIM_MODULES)
    endif()
    add_executable(${NAME} ${PROJECT_SOURCE_DIR}/bench/${NAME}.c)
    foreach(module IN LISTS modules)
        target_sources(${NAME} PRIVATE $<TARGET_OBJECTS:vmsim_${module}>)
    endforeach()
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/bench)
    target_link_libraries(${NAME} PRIVATE vmsim_compiler vmsim_deps vmsim_jemalloc)
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()

# vmsim_example(NAME): examples/NAME.c as a user would build it, and a test that runs it.
function(vmsim_example NAME)
    add_executable(${NAME} ${PROJECT_SOURCE_DIR}/examples/${NAME}.c)
    target_link_libraries(${NAME} PRIVATE vmsim_compiler vmsim vmsim_jemalloc)
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
    add_test(NAME example_${NAME} COMMAND ${NAME} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/examples)
    set_tests_properties(example_${NAME} PROPERTIES TIMEOUT 120 ENVIRONMENT "${VMSIM_TEST_ENVIRONMENT}")
endfunction()

# vmsim_plugin(NAME): examples/NAME.c as a policy to load at run time; it sees the public headers and links nothing.
function(vmsim_plugin NAME)
    add_library(${NAME} MODULE ${PROJECT_SOURCE_DIR}/examples/${NAME}.c)
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${NAME} PRIVATE vmsim_compiler)
    set_target_properties(${NAME} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
endfunction()

# vmsim_scenario(NAME): a test that runs examples/NAME.yaml; its run directory is build/.../examples/NAME.
function(vmsim_scenario NAME)
    if(TARGET vmsim_program)
        add_test(NAME scenario_${NAME}
                 COMMAND vmsim_program run ${PROJECT_SOURCE_DIR}/examples/${NAME}.yaml -o ${PROJECT_BINARY_DIR}/examples/${NAME})
        set_tests_properties(scenario_${NAME} PROPERTIES TIMEOUT 120 ENVIRONMENT "${VMSIM_TEST_ENVIRONMENT}")
    endif()
endfunction()
