# el_lua: Lua 5.4 as every target of this project links it.  The static library is
# preferred, because the program then starts without loading one more file; all of it is
# taken, because Lua's C modules resolve its functions in the program.
pkg_check_modules(LUA REQUIRED lua5.4)
find_library(LUA_STATIC NAMES liblua5.4.a HINTS ${LUA_LIBRARY_DIRS})
find_path(LUA_INCLUDE lua.h HINTS ${LUA_INCLUDE_DIRS})

add_library(el_lua INTERFACE)
target_include_directories(el_lua SYSTEM INTERFACE ${LUA_INCLUDE})
if(LUA_STATIC)
  target_link_libraries(el_lua INTERFACE
    -Wl,--whole-archive ${LUA_STATIC} -Wl,--no-whole-archive m ${CMAKE_DL_LIBS})
else()
  target_link_libraries(el_lua INTERFACE ${LUA_LINK_LIBRARIES} m ${CMAKE_DL_LIBS})
endif()
