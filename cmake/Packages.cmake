# Installation, and the Debian packages that `cpack -G DEB` creates from it: layernas-controller,
# layernas-worker, layernas-trainer and layernas (the client). scripts/package does everything.
include(GNUInstallDirs)

set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
set(man ${PROJECT_BINARY_DIR}/man)
set(completions ${PROJECT_BINARY_DIR}/completions)
set(scripts ${PROJECT_BINARY_DIR}/debian)

# layernas_package(<component> <package> <summary> [<dependency>…]): a package with the program of
# the same name. The further arguments are its dependencies besides the libraries that the program
# is linked with.
function(layernas_package component package summary)
  string(TOUPPER ${component} upper)
  install(TARGETS ${package} RUNTIME COMPONENT ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/${package} RENAME copyright COMPONENT ${component})
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION ${summary} PARENT_SCOPE)
  list(JOIN ARGN ", " depends)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS ${depends} PARENT_SCOPE)
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
endfunction()

# layernas_man_page(<component> <what the program is>): the manual page that help2man creates from
# the program's --help. It is in section 8, because layernas-worker(1) is the page of `layernas
# worker`.
find_program(LAYERNAS_HELP2MAN help2man)
function(layernas_man_page component what)
  if(LAYERNAS_HELP2MAN)
    set(program layernas-${component})
    add_custom_command(OUTPUT ${man}/${program}.8
      COMMAND ${LAYERNAS_HELP2MAN} --no-info --section 8 --name ${what} --output ${man}/${program}.8 $<TARGET_FILE:${program}>
      DEPENDS ${program} VERBATIM)
    add_custom_target(${program}-man ALL DEPENDS ${man}/${program}.8)
    install(FILES ${man}/${program}.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT ${component})
  endif()
endfunction()

# layernas_conffiles(<component> <file>…): installs files of deploy/debian/etc as /etc/layernas/….
# An upgrade keeps the changes of an administrator. `control` contains the component's other scripts
# for dpkg.
function(layernas_conffiles component)
  string(TOUPPER ${component} upper)
  list(TRANSFORM ARGN PREPEND /etc/layernas/ OUTPUT_VARIABLE installed)
  list(JOIN installed "\n" lines)
  file(WRITE ${scripts}/${component}/conffiles "${lines}\n")
  list(TRANSFORM ARGN PREPEND ${debian}/etc/ OUTPUT_VARIABLE sources)
  install(FILES ${sources} DESTINATION /etc/layernas COMPONENT ${component})
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA ${scripts}/${component}/conffiles ${control} PARENT_SCOPE)
endfunction()

# layernas_service(<component> <folder>… [KEPT <folder>…]): the package's systemd unit, and dpkg
# scripts that manage its user, its folders and the service. Purging the package deletes the folders
# except for the KEPT ones.
function(layernas_service component)
  set(PACKAGE layernas-${component})
  cmake_parse_arguments(PARSE_ARGV 1 service "" "" "KEPT")
  list(JOIN service_UNPARSED_ARGUMENTS " " PURGED_FOLDERS)
  list(JOIN service_KEPT " " KEPT_FOLDERS)
  set(control)
  foreach(script IN ITEMS postinst prerm postrm)
    configure_file(${debian}/${script}.in ${scripts}/${component}/${script} @ONLY)
    list(APPEND control ${scripts}/${component}/${script})
  endforeach()
  set(control ${control} PARENT_SCOPE)
  install(FILES ${PROJECT_SOURCE_DIR}/deploy/systemd/${PACKAGE}.service DESTINATION lib/systemd/system COMPONENT ${component})
endfunction()

set(CPACK_COMPONENTS_ALL)

layernas_package(client layernas "neural-architecture-search service: command line")
set(control)
layernas_conffiles(client client.yaml)
install(DIRECTORY ${man}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT client FILES_MATCHING PATTERN *.1)

add_custom_command(OUTPUT ${completions}/layernas ${completions}/_layernas ${completions}/layernas.fish
  COMMAND layernas completion bash > ${completions}/layernas
  COMMAND layernas completion zsh > ${completions}/_layernas
  COMMAND layernas completion fish > ${completions}/layernas.fish
  DEPENDS layernas VERBATIM)
file(MAKE_DIRECTORY ${completions})
add_custom_target(layernas-completions ALL
  DEPENDS ${completions}/layernas ${completions}/_layernas ${completions}/layernas.fish)
install(FILES ${completions}/layernas DESTINATION share/bash-completion/completions COMPONENT client)
install(FILES ${completions}/_layernas DESTINATION share/zsh/vendor-completions COMPONENT client)
install(FILES ${completions}/layernas.fish DESTINATION share/fish/vendor_completions.d COMPONENT client)

layernas_package(controller layernas-controller "neural-architecture-search service: controller" adduser)
layernas_man_page(controller "runs the searches of layernas")
layernas_service(controller /var/lib/layernas/controller KEPT /var/lib/layernas/backups)
layernas_conffiles(controller controller.yaml controller.env)

layernas_package(worker layernas-worker "neural-architecture-search service: worker" adduser)
layernas_man_page(worker "evaluates architectures for a layernas controller")
layernas_service(worker /var/lib/layernas/worker /var/cache/layernas/worker)
layernas_conffiles(worker worker.yaml worker.env)
# Only recommended, because the worker can also start a user's own trainer.
set(CPACK_DEBIAN_WORKER_PACKAGE_RECOMMENDS layernas-trainer)

if(TARGET layernas-trainer)
  # Torch works with any BLAS, but by default installs one that is several times slower.
  layernas_package(trainer layernas-trainer "neural-architecture-search service: trainer" libopenblas0-pthread)
  layernas_man_page(trainer "trains and measures architectures for layernas-worker")
endif()

# Builds everything that goes into the packages.
add_custom_target(packaged DEPENDS layernas-completions)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  foreach(target IN ITEMS layernas-${component} layernas-${component}-man)
    if(TARGET ${target})
      add_dependencies(packaged ${target})
    endif()
  endforeach()
endforeach()

set(CPACK_PACKAGE_NAME layernas)
set(CPACK_PACKAGE_CONTACT "layernas maintainers <layernas@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "neural-architecture-search service")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
