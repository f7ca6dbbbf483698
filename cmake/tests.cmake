# tests.cmake: what ctest runs: kernelcheck, threadcheck, every public header alone, and consumers of the package.

get_filename_component(tests "${CMAKE_CURRENT_SOURCE_DIR}/../Tests" ABSOLUTE)
add_subdirectory("${tests}/threadcheck" threadcheck)
if(CK_TSAN)
  return()
endif()
add_subdirectory("${tests}/kernelcheck" kernelcheck)
if(CK_FUZZ)
  add_subdirectory("${tests}/fuzz" fuzz)
endif()

# Headers are compiled by the strictest standard they claim: C11, and C++11 if there is a compiler.
include(CheckLanguage)
check_language(CXX)
set(strict -pedantic-errors -Wall -Wextra -Werror -fsyntax-only)
file(GLOB headers RELATIVE "${kernels}/include" CONFIGURE_DEPENDS "${kernels}/include/*.h")
foreach(header IN LISTS headers)
  add_test(NAME header.c.${header}
    COMMAND "${CMAKE_C_COMPILER}" -std=c11 ${strict} -x c "${kernels}/include/${header}")
  if(CMAKE_CXX_COMPILER)
    add_test(NAME header.c++.${header}
      COMMAND "${CMAKE_CXX_COMPILER}" -std=c++11 ${strict} -x c++ "${kernels}/include/${header}")
  endif()
endforeach()

# consumer.install fills a prefix; the other consumers are projects that use it, or this source tree.
set(consumer_folder "${CMAKE_CURRENT_BINARY_DIR}/consumer")
add_test(NAME consumer.install
  COMMAND "${CMAKE_COMMAND}" --install "${CMAKE_CURRENT_BINARY_DIR}" --prefix "${consumer_folder}/prefix")
set_tests_properties(consumer.install PROPERTIES FIXTURES_SETUP installed)
find_program(CK_PKG_CONFIG pkg-config)
mark_as_advanced(CK_PKG_CONFIG)
set(ways find_package fetch_content)
if(CK_PKG_CONFIG)
  list(APPEND ways pkg_config)
endif()
foreach(way IN LISTS ways)
  add_test(NAME consumer.${way} COMMAND "${CMAKE_COMMAND}"
    -D way=${way} -D "folder=${consumer_folder}" -D "version=${PROJECT_VERSION}"
    -D "compiler=${CMAKE_C_COMPILER}" -D "flags=${CMAKE_C_FLAGS}" -D "generator=${CMAKE_GENERATOR}"
    -D "toolchain=${CMAKE_TOOLCHAIN_FILE}" -D "emulator=${CMAKE_CROSSCOMPILING_EMULATOR}"
    -D "pkg_config=${CK_PKG_CONFIG}" -D "libraries=${CMAKE_INSTALL_LIBDIR}"
    -P "${tests}/consumer-c/run.cmake")
  set_tests_properties(consumer.${way} PROPERTIES FIXTURES_REQUIRED installed TIMEOUT 1500)
endforeach()
