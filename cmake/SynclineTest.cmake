# syncline_add_test(NAME n SOURCES … LIBRARIES … [LABELS …]): a Criterion test under ctest.
#
# Criterion prints leaks and reports of UBSan and passes all the same, so ctest looks for them
# itself. Under ThreadSanitizer its runner cannot start, and a plain one takes its place. Its
# assertions do not pass -Wconversion.
function(syncline_add_test)
    cmake_parse_arguments(TEST "" "NAME" "SOURCES;LIBRARIES;LABELS" ${ARGN})
    add_executable(${TEST_NAME} ${TEST_SOURCES})
    if(SYNCLINE_SANITIZE STREQUAL "thread")
        target_sources(${TEST_NAME} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support/plain_criterion.c)
    endif()
    target_link_libraries(${TEST_NAME} PRIVATE ${TEST_LIBRARIES} PkgConfig::CRITERION)
    syncline_set_up_test(${TEST_NAME} "${TEST_LABELS}" -j2)
endfunction()

# The same for a program that brings its own main(), which ends with 0 for success.
function(syncline_add_program_test)
    cmake_parse_arguments(TEST "" "NAME" "SOURCES;LIBRARIES;LABELS;ARGUMENTS" ${ARGN})
    add_executable(${TEST_NAME} ${TEST_SOURCES})
    target_link_libraries(${TEST_NAME} PRIVATE ${TEST_LIBRARIES})
    syncline_set_up_test(${TEST_NAME} "${TEST_LABELS}" ${TEST_ARGUMENTS})
endfunction()

# syncline_add_fuzzer(NAME n SOURCES … LIBRARIES …): LLVMFuzzerTestOneInput under libFuzzer in the
# preset `fuzz`, where `./dev fuzz n` runs it; elsewhere a test that replays tests/fuzz/corpus/n.
function(syncline_add_fuzzer)
    cmake_parse_arguments(FUZZER "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
    if(NOT SYNCLINE_FUZZ)
        syncline_add_program_test(NAME ${FUZZER_NAME} SOURCES ${FUZZER_SOURCES} replay.c
            LIBRARIES ${FUZZER_LIBRARIES} fuzz syncline_warnings LABELS fuzz
            ARGUMENTS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${FUZZER_NAME})
        return()
    endif()
    add_executable(${FUZZER_NAME} ${FUZZER_SOURCES})
    target_link_libraries(${FUZZER_NAME} PRIVATE ${FUZZER_LIBRARIES} fuzz syncline_warnings)
    target_link_options(${FUZZER_NAME} PRIVATE -fsanitize=fuzzer)
endfunction()

function(syncline_set_up_test NAME LABELS)
    target_compile_options(${NAME} PRIVATE -Wall -Wextra -Wshadow
                           $<$<BOOL:${SYNCLINE_WERROR}>:-Werror>)
    target_compile_definitions(${NAME} PRIVATE SYNCLINE_SOURCE="${CMAKE_SOURCE_DIR}"
                               SYNCLINE_BIN="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    add_test(NAME ${NAME} COMMAND ${NAME} ${ARGN})
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 900 LABELS "${LABELS}"
        FAIL_REGULAR_EXPRESSION "LeakSanitizer|AddressSanitizer|runtime error|ThreadSanitizer")
endfunction()
