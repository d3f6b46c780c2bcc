# All targets are created with these functions: warnings are errors, and include paths start at the
# project's root.

set(LAYERNAS_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# GCC 12 wrongly warns about overlapping copies in its own std::string (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND LAYERNAS_WARNINGS -Wno-restrict)
endif()

# Debian's gRPC and RocksDB are not instrumented, so ThreadSanitizer reports false races in them
# (tests/tsan.supp).
set(LAYERNAS_TSAN_OPTIONS "TSAN_OPTIONS=ignore_noninstrumented_modules=1 suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")

# layernas_library(<name> SOURCES … DEPS … [PRIVATE_DEPS …]): creates the library layernas_<name>
# with the alias layernas::<name>.
function(layernas_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(arg_SOURCES)
    add_library(layernas_${name} STATIC ${arg_SOURCES})
    target_compile_options(layernas_${name} PRIVATE ${LAYERNAS_WARNINGS})
    set(scope PUBLIC)
  else()
    add_library(layernas_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(layernas::${name} ALIAS layernas_${name})
  target_include_directories(layernas_${name} ${scope} ${PROJECT_SOURCE_DIR})
  target_link_libraries(layernas_${name} ${scope} ${arg_DEPS})
  if(arg_PRIVATE_DEPS)
    target_link_libraries(layernas_${name} PRIVATE ${arg_PRIVATE_DEPS})
  endif()
endfunction()

# layernas_binary(<name> SOURCES … DEPS …): creates the program <name> in bin/.
function(layernas_binary name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE ${LAYERNAS_WARNINGS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
endfunction()

# layernas_test(<name> SOURCES … DEPS …): creates the GoogleTest program <name>, which is one CTest
# test.
function(layernas_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  # The tested code is optimised as usual. Compiling the tests with less optimisation saves more
  # time than running them loses.
  target_compile_options(${name} PRIVATE ${LAYERNAS_WARNINGS} $<$<CONFIG:Release>:-O1>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 ENVIRONMENT "${LAYERNAS_TSAN_OPTIONS}")
endfunction()

# layernas_fuzzer(<name> MUTATIONS <number> DEPS …): creates the fuzz target <name>.cc. Without
# libFuzzer it is one CTest test that replays corpus/<name> and that number of mutations of it.
function(layernas_fuzzer name)
  cmake_parse_arguments(arg "" "MUTATIONS" "DEPS" ${ARGN})
  add_executable(${name} ${name}.cc)
  # Both the target and the runner define functions that libFuzzer calls.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz UNITY_BUILD OFF)
  target_compile_options(${name} PRIVATE ${LAYERNAS_WARNINGS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} layernas::base)
  if(LAYERNAS_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name} ${arg_MUTATIONS})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS fuzz ENVIRONMENT "${LAYERNAS_TSAN_OPTIONS}")
  endif()
endfunction()

# layernas_embed(<library> <name> <file>…): adds the files' concatenated texts to layernas_<library>
# as `extern const char <name>[]`.
function(layernas_embed library name)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.cc)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE inputs)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DINPUTS=${inputs}" -DOUTPUT=${output} -DNAME=${name} -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    VERBATIM)
  target_sources(layernas_${library} PRIVATE ${output})
endfunction()
