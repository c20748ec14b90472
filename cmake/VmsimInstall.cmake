# SPDX-License-Identifier: MIT
# What is installed, in four components that are packages of Debian, too (VmsimPackages.cmake):
#
#     library   libvmsim.so.0 and the presets that it looks up
#     dev       headers, static library, and the pkg-config and CMake package files
#     tools     the program with its manual pages, completions, recording plugin, documents and examples
#     python    the Python package
include(CMakePackageConfigHelpers)
set(docdir ${CMAKE_INSTALL_DATADIR}/doc/vmsim)

install(TARGETS vmsim EXPORT vmsimTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT library NAMELINK_COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/machines DESTINATION ${CMAKE_INSTALL_DATADIR}/vmsim COMPONENT library
        FILES_MATCHING PATTERN "*.yaml")
if(TARGET vmsim_static)
    install(TARGETS vmsim_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
endif()

if(TARGET vmsim_program)
    install(TARGETS vmsim_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
    file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/vmsim.1 ${PROJECT_SOURCE_DIR}/docs/man/*.1)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.bash COMPONENT tools
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME vmsim)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.fish COMPONENT tools
            DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME vmsim.fish)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.zsh COMPONENT tools
            DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _vmsim)
    install(FILES ${PROJECT_SOURCE_DIR}/docs/stats-schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/vmsim COMPONENT tools)
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
            DESTINATION ${docdir} COMPONENT tools)
    file(GLOB documents CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
    install(FILES ${documents} DESTINATION ${docdir}/docs COMPONENT tools)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples DESTINATION ${docdir} COMPONENT tools)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/vmsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
        FILES_MATCHING PATTERN "*.h")

# For every Python 3, in the place where Debian's looks; it finds the library of the same prefix.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/python/vmsim DESTINATION lib/python3/dist-packages COMPONENT python
        PATTERN "__pycache__" EXCLUDE)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/vmsim)
install(EXPORT vmsimTargets NAMESPACE vmsim:: DESTINATION ${package} COMPONENT dev)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/vmsimConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/vmsimConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vmsimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vmsimConfig.cmake ${PROJECT_BINARY_DIR}/vmsimConfigVersion.cmake
        DESTINATION ${package} COMPONENT dev)

configure_file(${PROJECT_SOURCE_DIR}/cmake/vmsim.pc.in ${PROJECT_BINARY_DIR}/vmsim.pc.configured @ONLY)
# The prefix is settled at install time (cmake --install --prefix), so vmsim.pc finds itself by its own place.
install(FILES ${PROJECT_BINARY_DIR}/vmsim.pc.configured DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev
        RENAME vmsim.pc)

# The build folder has the shape of an installation: what is built finds the presets beside itself, and who has its bin/
# in PATH can build a policy or a program at once, as CMake looks for packages beside the programs.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/vmsim ${PROJECT_BINARY_DIR}/lib/pkgconfig)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/machines ${PROJECT_BINARY_DIR}/share/vmsim/machines SYMBOLIC)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_INCLUDEDIR} SYMBOLIC)
configure_file(${PROJECT_BINARY_DIR}/vmsim.pc.configured ${PROJECT_BINARY_DIR}/lib/pkgconfig/vmsim.pc COPYONLY)
export(EXPORT vmsimTargets NAMESPACE vmsim:: FILE ${PROJECT_BINARY_DIR}/vmsimTargets.cmake) # vmsimConfig.cmake is there
