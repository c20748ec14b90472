# SPDX-License-Identifier: MIT
# Packages of Debian: `cpack --config build/release/CPackConfig.cmake -B DIR` makes one of each component (VmsimInstall.cmake).
# What libraries they need is found out by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vmsim)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "vmsim")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL library dev tools python)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE gzip)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib) # libvmsim.so.0 is named by hand

set(same "libvmsim0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libvmsim0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "Simulator of a machine's memory: the library
 TLBs, page tables in hardware formats, and a memory manager that behaves as Linux's.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libvmsim-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${same}")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libyaml-dev, libzstd-dev, libxxhash-dev, libarchive-dev, libjansson-dev") # static
set(CPACK_COMPONENT_DEV_DESCRIPTION "Simulator of a machine's memory: headers and static library")
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME vmsim)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "${same}")
set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS qemu-user)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION "Simulator of a machine's memory: the program
 Records programs, replays them on machines that are described in YAML, and reports what those would have done.")
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-vmsim)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "libvmsim0 (>= ${PROJECT_VERSION}), python3-cffi")
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "python3-numpy, python3-pandas")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION "Simulator of a machine's memory: Python package")
include(CPack)
