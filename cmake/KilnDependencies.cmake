# Every library comes from the distribution's packages; docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(LibArchive REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# Boost 1.81 is used as headers only, so its own package files are enough.
find_path(KILN_BOOST_INCLUDE boost/asio/awaitable.hpp REQUIRED)
file(STRINGS ${KILN_BOOST_INCLUDE}/boost/version.hpp kiln_boost_version REGEX "#define BOOST_LIB_VERSION")
if(NOT kiln_boost_version MATCHES "1_(8[1-9]|9[0-9])")
  message(FATAL_ERROR "Boost 1.81 or newer is needed (Debian: libboost1.81-dev); found ${kiln_boost_version}")
endif()

if(KILN_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
