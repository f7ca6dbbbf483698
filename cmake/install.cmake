# install.cmake: libraries, headers, `find_package(CKernels)` and `pkg-config ckernels`.
include(CMakePackageConfigHelpers)

install(TARGETS ckernels_static ckernels_shared EXPORT CKernelsTargets)
install(DIRECTORY "${kernels}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/ckernels"
  FILES_MATCHING PATTERN "*.h")

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/CKernels")
install(EXPORT CKernelsTargets NAMESPACE CKernels:: DESTINATION "${package_folder}")
write_basic_package_version_file(CKernelsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_SOURCE_DIR}/CKernelsConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/CKernelsConfigVersion.cmake" DESTINATION "${package_folder}")

# The prefix is found from where the .pc file lies, so an installed tree may be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pkgconfig_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  set(pkgconfig_prefix "\${pcfiledir}/${up}")
endif()
set(pkgconfig_private "-pthread -lm")
if(CK_OPENMP_LIBRARY)
  string(APPEND pkgconfig_private " -l${CK_OPENMP_LIBRARY}")
endif()
if(CK_OPENBLAS)
  string(APPEND pkgconfig_private " -lopenblas")
endif()
configure_file(ckernels.pc.in ckernels.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/ckernels.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
