# A Criterion test: syncline_add_test(NAME n SOURCES … LIBRARIES …). Criterion prints leaks and passes, so ctest looks
# for the sanitizers' reports itself; it cannot start under ThreadSanitizer at all, where thread tests are plain programs.
function(syncline_add_test)
    cmake_parse_arguments(TEST "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
    if(SYNCLINE_SANITIZE STREQUAL "thread")
        return()
    endif()
    add_executable(${TEST_NAME} ${TEST_SOURCES})
    target_link_libraries(${TEST_NAME} PRIVATE ${TEST_LIBRARIES} PkgConfig::CRITERION)
    target_compile_options(${TEST_NAME} PRIVATE -Wall -Wextra -Wshadow
                           $<$<BOOL:${SYNCLINE_WERROR}>:-Werror>)
    target_compile_definitions(${TEST_NAME} PRIVATE SYNCLINE_SOURCE="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${TEST_NAME} COMMAND ${TEST_NAME} -j2)
    set_tests_properties(${TEST_NAME} PROPERTIES TIMEOUT 300
        FAIL_REGULAR_EXPRESSION "LeakSanitizer|AddressSanitizer|runtime error|ThreadSanitizer")
endfunction()
