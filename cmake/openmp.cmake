# openmp.cmake: sets CK_OPENMP_LIBRARY to the name of a runtime that links, or to nothing.
#
# CKernels calls the runtime's C entry points itself, so no -fopenmp and no FindOpenMP. Whether a name
# links is asked of the compiler driver: only it knows where GCC keeps its own libgomp, also when
# cross compiling. Debian calls LLVM's runtime omp5.
include(CheckCSourceCompiles)

set(CK_OPENMP_LIBRARY "")
if(CK_OPENMP)
  if(CK_OPENMP_RUNTIME STREQUAL "omp")
    set(candidates omp omp5 gomp)
  else()
    set(candidates gomp omp omp5)
  endif()
  foreach(name IN LISTS candidates)
    set(CMAKE_REQUIRED_LIBRARIES ${name})
    check_c_source_compiles("
      void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
      int omp_get_thread_num(void);
      static void member(void *data) { *(int *)data = omp_get_thread_num(); }
      int main(void) { int first = 0; GOMP_parallel(member, &first, 1, 0); return first; }"
      CK_LINKS_${name})
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(CK_LINKS_${name})
      set(CK_OPENMP_LIBRARY ${name})
      break()
    endif()
  endforeach()
endif()

if(CK_OPENMP_LIBRARY)
  message(STATUS "CKernels: threads by OpenMP, runtime ${CK_OPENMP_LIBRARY}")
elseif(CK_OPENMP)
  message(STATUS "CKernels: no OpenMP runtime found, the library will be serial")
elseif(APPLE)
  message(STATUS "CKernels: threads by libdispatch")
else()
  message(STATUS "CKernels: serial, as CK_OPENMP is off")
endif()
