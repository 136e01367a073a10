# What `cmake --install` puts where, in two components:
#   runtime      the programs kiln and kiln-controller
#   development  core/ as a library: static libraries, headers, find_package(kiln); docs/library.md
# Nothing installed names this checkout or the prefix, so the prefix may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY KILN_CORE_MODULES)
get_property(private_headers GLOBAL PROPERTY KILN_PRIVATE_HEADERS)

install(TARGETS kiln kiln-controller RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)

# kiln_core_base is kiln::core_base for users.
foreach(target IN ITEMS kiln_usage kiln_core LISTS modules)
  string(REGEX REPLACE "^kiln_" "" export_name ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${export_name})
endforeach()
install(TARGETS kiln_usage kiln_core ${modules} EXPORT kiln-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kiln)
install(EXPORT kiln-targets NAMESPACE kiln:: DESTINATION ${package_dir} COMPONENT development)

set(excluded "")
foreach(header IN LISTS private_headers)
  string(REPLACE "." "\\." pattern ${header})
  list(APPEND excluded REGEX "/${pattern}$" EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/core DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kiln
  COMPONENT development FILES_MATCHING PATTERN "*.h" ${excluded})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/kiln-config.cmake.in
  ${PROJECT_BINARY_DIR}/kiln-config.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/kiln-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/kiln-config.cmake ${PROJECT_BINARY_DIR}/kiln-config-version.cmake
  DESTINATION ${package_dir} COMPONENT development)

foreach(component IN ITEMS runtime development)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}
    COMPONENT ${component})
endforeach()
