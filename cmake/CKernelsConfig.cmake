# CKernelsConfig.cmake: gives CKernels::static, CKernels::shared and CKernels::CKernels (the static one).
include(CMakeFindDependencyMacro)
set(CMAKE_THREAD_PREFER_PTHREAD ON)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/CKernelsTargets.cmake")
if(NOT TARGET CKernels::CKernels)
  add_library(CKernels::CKernels ALIAS CKernels::static)
endif()
