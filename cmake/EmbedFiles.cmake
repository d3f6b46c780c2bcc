# Run by layernas_embed (LayernasTargets.cmake). Writes OUTPUT, which defines NAME as the
# concatenated contents of INPUTS.
set(text "")
foreach(input IN LISTS INPUTS)
  file(READ "${input}" content)
  string(APPEND text "${content}")
endforeach()
if(text MATCHES "\\)embedded\"")
  message(FATAL_ERROR "${INPUTS}: the text contains the end mark of a raw string")
endif()
# Writes an unchanged raw string literal, so that a debugger or a diff shows the text. GCC does not
# limit its length.
file(WRITE "${OUTPUT}" "extern const char ${NAME}[];\nconst char ${NAME}[] = R\"embedded(${text})embedded\";\n")
