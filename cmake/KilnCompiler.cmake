# Language level, warnings (all errors), sanitizers and ccache, the same for every target of ours.
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev CACHE STRING "" FORCE)
endif()
# Dev: quick to compile, still fast enough to run every test; assertions stay on.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
if(KILN_SANITIZE AND NOT KILN_SANITIZE MATCHES "fuzzer")
  # At -O1 g++ 12 takes two to three times as long for a file with sanitizers in it.
  set(CMAKE_CXX_FLAGS_DEV "-O0 -g1" CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG -ffunction-sections -fdata-sections" CACHE STRING "" FORCE)
set(CMAKE_EXE_LINKER_FLAGS_RELEASE "-Wl,--gc-sections -s" CACHE STRING "" FORCE)

# What everybody needs who includes our headers, users of the installed library too.
add_library(kiln_usage INTERFACE)
target_compile_features(kiln_usage INTERFACE cxx_std_20)
target_include_directories(kiln_usage INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/kiln>)
# Asio and Beast are compiled once, in core/base and core/http/beast, not in every file that names
# them. What they declare follows these three, so they must be the same in every file of a program.
target_compile_definitions(kiln_usage INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)

# Our own rules, which stay in this tree.
add_library(kiln_compiler INTERFACE)
target_link_libraries(kiln_compiler INTERFACE kiln_usage)
target_compile_options(kiln_compiler INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
  -fstack-protector-strong -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
# g++ 12 reports these wrongly inside inlined std::string, variant and coroutine frame code at -O1 and above.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(kiln_compiler INTERFACE
    -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
    -Wno-stringop-overread -Wno-dangling-pointer -Wno-mismatched-new-delete)
endif()
target_compile_definitions(kiln_compiler INTERFACE KILN_VERSION="${PROJECT_VERSION}")

if(KILN_SANITIZE)
  set(kiln_sanitize ${KILN_SANITIZE})
  string(REPLACE "fuzzer," "fuzzer-no-link," kiln_sanitize ${kiln_sanitize})
  target_compile_options(kiln_compiler INTERFACE
    -fsanitize=${kiln_sanitize} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(kiln_compiler INTERFACE -fsanitize=${kiln_sanitize})
  if(KILN_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(kiln_compiler INTERFACE -Wno-tsan)
  endif()
endif()

# Objects are shared between checkouts: paths are made relative to the checkout before hashing.
find_program(KILN_CCACHE ccache)
if(KILN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${KILN_CCACHE})
endif()
