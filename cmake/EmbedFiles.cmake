# Run by layernas_embed (LayernasTargets.cmake): writes OUTPUT, which defines NAME as the contents of INPUTS, one after the other.
set(text "")
foreach(input IN LISTS INPUTS)
  file(READ "${input}" content)
  string(APPEND text "${content}")
endforeach()
if(text MATCHES "\\)embedded\"")
  message(FATAL_ERROR "${INPUTS}: the text holds the end mark of a raw string")
endif()
# A raw string literal as it stands, so that a debugger or a diff shows the text. GCC has no limit of its length.
file(WRITE "${OUTPUT}" "extern const char ${NAME}[];\nconst char ${NAME}[] = R\"embedded(${text})embedded\";\n")
