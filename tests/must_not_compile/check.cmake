# A program that must not compile proves something only if its correct twin does, and if it fails for the right reason.
# FILE must compile as it is, and with MUST_FAIL defined must not: then the compiler must print the text of FILE's line
#   // expect: <text, without quotes or backslashes, which compilers print differently>
# or, where people would have to search for it otherwise, among the first lines of all that it prints:
#   // expect in the first 5 lines: <text>
# cmake -DCOMPILER=<c++> -DFLAGS=<flags> -DINCLUDES=<list of folders> -DFILE=<cpp> -P check.cmake

file(READ "${FILE}" source)
if(NOT source MATCHES "// expect( in the first 5 lines)?: ([^\n]+)")
  message(FATAL_ERROR "${FILE} has no line `// expect: <text>`")
endif()
set(in_first_lines "${CMAKE_MATCH_1}")
string(STRIP "${CMAKE_MATCH_2}" expected)

separate_arguments(flags UNIX_COMMAND "${FLAGS}")
list(TRANSFORM INCLUDES PREPEND -isystem)
set(ENV{LC_ALL} C)
function(compile)
  execute_process(COMMAND "${COMPILER}" ${flags} -std=c++20 -fsyntax-only ${INCLUDES} ${ARGN} "${FILE}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(result "${result}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

compile()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${FILE} must compile without MUST_FAIL, and does not:\n${output}")
endif()

compile(-DMUST_FAIL)
if(result EQUAL 0)
  message(FATAL_ERROR "${FILE} must not compile with MUST_FAIL, and does")
endif()
set(searched "${output}")
if(in_first_lines)
  string(REGEX MATCH "^([^\n]*\n?)([^\n]*\n?)([^\n]*\n?)([^\n]*\n?)([^\n]*\n?)" searched "${output}")
endif()
string(FIND "${searched}" "${expected}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${FILE} does not compile with MUST_FAIL, but not because of `${expected}`${in_first_lines}:\n${output}")
endif()
