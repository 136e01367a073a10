# kiln_module(core/oci SOURCES a.cc b.cc DEPS core/base … LIBS … PRIVATE_HEADERS c.h …)
#
# One static library per folder. DEPS name other folders, and only those that the arrows of
# tools/layers.txt allow (checked by the test `layers`); LIBS are libraries from outside.
# A module without sources yet is an interface library.
#
# The modules of core/ are what KilnInstall.cmake installs, with all their headers but
# PRIVATE_HEADERS: those that only .cc files of core/ include.

# Used as headers, in .cc files: whoever links the installed library needs none of them.
set(KILN_HEADER_ONLY nlohmann_json::nlohmann_json CLI11::CLI11)

function(kiln_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS;PRIVATE_HEADERS" ${ARGN})
  string(REPLACE "/" "_" target kiln_${name})
  set(scope PUBLIC)
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    foreach(lib IN LISTS ARG_PRIVATE_LIBS)
      if(lib IN_LIST KILN_HEADER_ONLY)
        set(lib $<BUILD_INTERFACE:${lib}>)
      endif()
      target_link_libraries(${target} PRIVATE ${lib})
    endforeach()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${target} ${scope} kiln_usage $<BUILD_INTERFACE:kiln_compiler> ${ARG_LIBS})
  foreach(dep IN LISTS ARG_DEPS)
    string(REPLACE "/" "_" dep_target kiln_${dep})
    target_link_libraries(${target} ${scope} ${dep_target})
  endforeach()

  foreach(header IN LISTS ARG_PRIVATE_HEADERS)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${header})
      message(FATAL_ERROR "kiln_module(${name}): there is no ${header} to be private")
    endif()
    set_property(GLOBAL APPEND PROPERTY KILN_PRIVATE_HEADERS ${name}/${header})
  endforeach()
  if(name MATCHES "^core/")
    set_property(GLOBAL APPEND PROPERTY KILN_CORE_MODULES ${target})
  endif()
endfunction()
