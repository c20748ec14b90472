# SPDX-License-Identifier: MIT
# Headers, library, program with its manual page and bash completion, machine presets, and the pkg-config and CMake
# package files.
include(CMakePackageConfigHelpers)

install(TARGETS vmsim EXPORT vmsimTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET vmsim_program)
    install(TARGETS vmsim_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES ${PROJECT_SOURCE_DIR}/docs/vmsim.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.bash
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME vmsim)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.fish
            DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME vmsim.fish)
    install(FILES ${PROJECT_SOURCE_DIR}/tools/vmsim-completion.zsh
            DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _vmsim)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/vmsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/machines DESTINATION ${CMAKE_INSTALL_DATADIR}/vmsim
        FILES_MATCHING PATTERN "*.yaml")

# For every Python 3, in the place where Debian's looks; it finds the library of the same prefix.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/python/vmsim DESTINATION lib/python3/dist-packages
        PATTERN "__pycache__" EXCLUDE)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/vmsim)
install(EXPORT vmsimTargets NAMESPACE vmsim:: DESTINATION ${package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/vmsimConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/vmsimConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vmsimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vmsimConfig.cmake ${PROJECT_BINARY_DIR}/vmsimConfigVersion.cmake
        DESTINATION ${package})

configure_file(${PROJECT_SOURCE_DIR}/cmake/vmsim.pc.in ${PROJECT_BINARY_DIR}/vmsim.pc.configured @ONLY)
# The prefix is settled at install time (cmake --install --prefix), so vmsim.pc finds itself by its own place.
install(FILES ${PROJECT_BINARY_DIR}/vmsim.pc.configured DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        RENAME vmsim.pc)

# The build folder has the shape of an installation, so that what is built finds the presets beside itself.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/vmsim)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/machines ${PROJECT_BINARY_DIR}/share/vmsim/machines SYMBOLIC)
