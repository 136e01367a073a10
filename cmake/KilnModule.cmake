# kiln_module(core/oci SOURCES a.cc b.cc DEPS core/base … LIBS …)
#
# One static library per folder. DEPS name other folders, and only those that the arrows of
# tools/layers.txt allow (checked by the test `layers`); LIBS are libraries from outside.
# A module without sources yet is an interface library.
function(kiln_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  string(REPLACE "/" "_" target kiln_${name})
  set(scope PUBLIC)
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE_LIBS})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${target} ${scope} kiln_compiler ${ARG_LIBS})
  foreach(dep IN LISTS ARG_DEPS)
    string(REPLACE "/" "_" dep_target kiln_${dep})
    target_link_libraries(${target} ${scope} ${dep_target})
  endforeach()
endfunction()
