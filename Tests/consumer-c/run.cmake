# run.cmake: builds and runs the consumer in one way: find_package, fetch_content or pkg_config.
# cmake/tests.cmake calls it (cmake -P) with the variables used here.

function(step)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "that failed: ${result}")
  endif()
endfunction()

set(here "${CMAKE_CURRENT_LIST_DIR}")
set(build "${folder}/${way}")
file(REMOVE_RECURSE "${build}")
file(MAKE_DIRECTORY "${build}")

if(way STREQUAL "pkg_config")
  # Only the prefix is searched: a machine's own packages are for the machine, not for the target.
  set(ENV{PKG_CONFIG_PATH} "")
  set(ENV{PKG_CONFIG_LIBDIR} "${folder}/prefix/${libraries}/pkgconfig")
  separate_arguments(flags)
  set(mode_static --static)
  set(mode_shared)
  foreach(kind static shared)
    execute_process(COMMAND "${pkg_config}" ${mode_${kind}} --cflags --libs ckernels
      OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(answer)
    if(kind STREQUAL "static")
      list(TRANSFORM answer REPLACE "^-lckernels$" "${folder}/prefix/${libraries}/libckernels.a")
    endif()
    set(program "${build}/consumer_${kind}")
    step("${compiler}" ${flags} "-DVERSION=\"${version}\"" "${here}/main.c" -o "${program}" ${answer}
      "-Wl,-rpath,${folder}/prefix/${libraries}")
    step(${emulator} "${program}")
  endforeach()
  return()
endif()

# Without AVX-512's kernels fetch_content is done in half the time.
set(options "-DVERSION=${version}" "-DCMAKE_C_FLAGS=${flags}" -DCMAKE_BUILD_TYPE=Debug -DCK_AVX512=OFF)
if(toolchain)
  list(APPEND options "-DCMAKE_TOOLCHAIN_FILE=${toolchain}")
else()
  list(APPEND options "-DCMAKE_C_COMPILER=${compiler}")
endif()
if(way STREQUAL "fetch_content")
  list(APPEND options "-DCKERNELS_SOURCE=${here}/../..")
else()
  list(APPEND options "-DCKernels_ROOT=${folder}/prefix" -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=NEVER)
endif()
step("${CMAKE_COMMAND}" -S "${here}" -B "${build}" -G "${generator}" ${options})
step("${CMAKE_COMMAND}" --build "${build}")
step("${CMAKE_CTEST_COMMAND}" --test-dir "${build}" --output-on-failure)
