# `cmake --install build/release` and the Debian package (`./dev package`). Everything that is not built stands in server/package.
# /etc, the unit and the user do not follow the prefix: systemd and operators look for them in one place only. A staged
# installation takes DESTDIR along.
include(GNUInstallDirs)

set(PACKAGE_FILES ${CMAKE_SOURCE_DIR}/server/package)
set(PACKAGE_BUILT ${CMAKE_BINARY_DIR}/package)

# gzip -n leaves names and times out, so that the same sources give the same package.
set(COMPRESSED)
foreach(page man/synclined.8 man/syncline.1 man/syncline.yaml.5 changelog)
    get_filename_component(name ${page} NAME)
    add_custom_command(
        OUTPUT ${PACKAGE_BUILT}/${name}.gz
        COMMAND gzip -9nc ${PACKAGE_FILES}/${page} > ${PACKAGE_BUILT}/${name}.gz
        DEPENDS ${PACKAGE_FILES}/${page})
    list(APPEND COMPRESSED ${PACKAGE_BUILT}/${name}.gz)
endforeach()
add_custom_target(package_files ALL DEPENDS ${COMPRESSED})

install(TARGETS synclined syncline RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PACKAGE_BUILT}/synclined.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${PACKAGE_BUILT}/syncline.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PACKAGE_BUILT}/syncline.yaml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${PACKAGE_FILES}/copyright ${PACKAGE_BUILT}/changelog.gz
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/syncline)
install(FILES ${PACKAGE_FILES}/syncline.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME syncline)
install(FILES ${PACKAGE_FILES}/lintian-overrides
        DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME syncline)
install(FILES ${PACKAGE_FILES}/syncline.yaml DESTINATION /etc/syncline)
# A unit names its program by the whole path, which is not known before the prefix of the installation is.
install(CODE "set(SYNCLINE_PROGRAM \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/synclined)
    configure_file(${PACKAGE_FILES}/syncline.service.in ${PACKAGE_BUILT}/syncline.service @ONLY)")
install(FILES ${PACKAGE_BUILT}/syncline.service ${PACKAGE_FILES}/syncline.socket
        DESTINATION /lib/systemd/system)
install(FILES ${PACKAGE_FILES}/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME syncline.conf)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME syncline)
set(CPACK_PACKAGE_CONTACT "The Syncline maintainers <maintainers@syncline.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "CRDT sync server with its command line")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Apps and browser tabs connect over one WebSocket and edit documents whose
fields are CRDTs (counters, sets, registers, maps); they work offline, and
everybody always converges. What is acknowledged is on the disk.
.
This package has the hub (synclined), its systemd unit, and the command line
(syncline). The JavaScript client is an npm package.")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
# libwebsockets loads its event loop by name, so no linker knows of it. sysusers makes the user.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "libwebsockets-evlib-uv, systemd-standalone-sysusers | systemd")
# Authorities, by which the targets of webhooks, and hubs with TLS, are checked.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "sqlite3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PACKAGE_FILES}/conffiles ${PACKAGE_FILES}/postinst ${PACKAGE_FILES}/prerm ${PACKAGE_FILES}/postrm)
include(CPack)
