# Debian's cross-compiler for arm64, with the headers and libraries of KILN_SYSROOT (tools/image/sysroot.py arm64).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++-12)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# The compiler has its own C library, so KILN_SYSROOT is no --sysroot: it only holds what Kiln is built upon.
set(KILN_SYSROOT "$ENV{KILN_SYSROOT}" CACHE PATH "Debian's packages for arm64, unpacked")
if(NOT IS_DIRECTORY "${KILN_SYSROOT}/usr/include")
  message(FATAL_ERROR "KILN_SYSROOT is not set to what `tools/image/sysroot.py arm64` prints")
endif()
set(ENV{KILN_SYSROOT} ${KILN_SYSROOT}) # For CMake's trial compilations, which read this file again.
set(CMAKE_FIND_ROOT_PATH ${KILN_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(kiln_libraries ${KILN_SYSROOT}/usr/lib/aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} ${kiln_libraries}/pkgconfig:${KILN_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${KILN_SYSROOT})
set(CMAKE_CXX_FLAGS_INIT
  "-isystem ${KILN_SYSROOT}/usr/include -isystem ${KILN_SYSROOT}/usr/include/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${kiln_libraries} -Wl,-rpath-link,${kiln_libraries}")
