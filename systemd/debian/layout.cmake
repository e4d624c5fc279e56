# Run by CPack on the staged files: below the prefix /usr, Debian's configuration is /etc.
if(EXISTS "${CPACK_TEMPORARY_DIRECTORY}/usr/etc")
  file(RENAME "${CPACK_TEMPORARY_DIRECTORY}/usr/etc" "${CPACK_TEMPORARY_DIRECTORY}/etc")
endif()
