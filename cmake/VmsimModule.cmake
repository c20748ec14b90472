# SPDX-License-Identifier: MIT
# Modules, the library made of them, and the program.

# Objects of src/NAME/*.c as the object library `vmsim_NAME`.
function(vmsim_module NAME)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${NAME}/*.c)
    add_library(vmsim_${NAME} OBJECT ${sources})
    target_include_directories(vmsim_${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_compile_options(vmsim_${NAME} PRIVATE -fPIC -fvisibility=hidden -fno-plt)
    target_link_libraries(vmsim_${NAME} PRIVATE vmsim_compiler vmsim_deps)
    set_property(GLOBAL APPEND PROPERTY VMSIM_MODULES ${NAME})
endfunction()

# Every folder of src/ but the program's: by its own CMakeLists.txt if it has one, else as a plain module when it
# holds C files.
function(vmsim_all_modules)
    file(GLOB folders CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/src/*)
    list(SORT folders)
    foreach(folder IN LISTS folders)
        file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.c)
        if(folder STREQUAL cli)
            continue()
        elseif(EXISTS ${PROJECT_SOURCE_DIR}/src/${folder}/CMakeLists.txt)
            add_subdirectory(${PROJECT_SOURCE_DIR}/src/${folder})
        elseif(sources)
            vmsim_module(${folder})
        endif()
    endforeach()
    # The commit, looked up at each build: generated/commit.h changes only when it does.
    set(commit ${PROJECT_BINARY_DIR}/generated/commit.h)
    add_custom_target(vmsim_commit COMMAND ${CMAKE_COMMAND} -DOUT=${commit} -DSOURCE=${PROJECT_SOURCE_DIR}
                      -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake BYPRODUCTS ${commit} VERBATIM)
    add_dependencies(vmsim_base vmsim_commit)
    target_include_directories(vmsim_base PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()

# libvmsim.so.0: all modules; only what include/vmsim/ declares leaves it (src/libvmsim.map).
function(vmsim_library)
    get_property(modules GLOBAL PROPERTY VMSIM_MODULES)
    set(map ${PROJECT_SOURCE_DIR}/src/libvmsim.map)
    add_library(vmsim SHARED)
    foreach(module IN LISTS modules)
        target_sources(vmsim PRIVATE $<TARGET_OBJECTS:vmsim_${module}>)
    endforeach()
    set_target_properties(vmsim PROPERTIES LINKER_LANGUAGE C VERSION ${PROJECT_VERSION} SOVERSION 0
                          LINK_DEPENDS ${map})
    target_link_options(vmsim PRIVATE -Wl,--version-script=${map} -Wl,--as-needed)
    if(NOT VMSIM_SANITIZE) # clang's sanitizers are in the program that loads the library
        target_link_options(vmsim PRIVATE -Wl,--no-undefined)
    endif()
    target_link_libraries(vmsim PRIVATE $<BUILD_INTERFACE:vmsim_compiler> $<BUILD_INTERFACE:vmsim_deps>)
    target_include_directories(vmsim INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

# libvmsim.a: the same objects for who links them in; what they need stands in vmsim.pc.
function(vmsim_static_library)
    get_property(modules GLOBAL PROPERTY VMSIM_MODULES)
    add_library(vmsim_static STATIC)
    foreach(module IN LISTS modules)
        target_sources(vmsim_static PRIVATE $<TARGET_OBJECTS:vmsim_${module}>)
    endforeach()
    set_target_properties(vmsim_static PROPERTIES OUTPUT_NAME vmsim LINKER_LANGUAGE C)
endfunction()

# The vmsim program: sees the public headers and its own ("cli/x.h" through a link), nothing else of src/.
function(vmsim_program)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.c)
    if(NOT sources)
        return()
    endif()
    set(own ${PROJECT_BINARY_DIR}/cli-include)
    file(MAKE_DIRECTORY ${own})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/cli ${own}/cli SYMBOLIC)
    add_executable(vmsim_program ${sources})
    set_target_properties(vmsim_program PROPERTIES OUTPUT_NAME vmsim BUILD_RPATH_USE_ORIGIN ON
                          INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    target_include_directories(vmsim_program PRIVATE ${own})
    target_link_libraries(vmsim_program PRIVATE vmsim_compiler vmsim vmsim_jemalloc PkgConfig::VMSIM_PROGRAM m)
endfunction()
