# One interface target that every target of this project links: its warnings, and the
# sanitizers when they are asked for.
add_library(el_common INTERFACE)
target_compile_definitions(el_common INTERFACE _GNU_SOURCE
  $<$<BOOL:${EL_SANITIZE}>:EL_SANITIZED>)
target_compile_options(el_common INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla
  $<$<BOOL:${EL_WERROR}>:-Werror>
  $<$<BOOL:${EL_SANITIZE}>:-fsanitize=address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=undefined>
  $<$<BOOL:${EL_FUZZ}>:-fsanitize=fuzzer-no-link>)
target_link_options(el_common INTERFACE
  $<$<BOOL:${EL_SANITIZE}>:-fsanitize=address,undefined>)
