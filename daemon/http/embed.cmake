# cmake -D SOURCES=DIR -D OUTPUT=FILE.cpp -P embed.cmake: the dashboard's files as one page in a byte array. All in
# hexadecimal, as CMake's strings would take brackets and semicolons for lists.
function(put_in marker files)
  set(text "")
  foreach(file IN LISTS files)
    file(READ ${SOURCES}/${file} piece HEX)
    string(APPEND text "${piece}")
  endforeach()
  string(HEX "${marker}" marker_hex)
  string(FIND "${page}" "${marker_hex}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "index.html has no ${marker}")
  endif()
  string(REPLACE "${marker_hex}" "${text}" page "${page}")
  set(page "${page}" PARENT_SCOPE)
endfunction()

file(READ ${SOURCES}/index.html page HEX)
put_in("/* style.css */" "style.css")
put_in("/* script */" "figures.js;widgets.js;dashboard.js")
string(LENGTH "${page}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${page}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <cstddef>
namespace weir::daemon::http {
extern const unsigned char embedded_page[];
extern const std::size_t embedded_page_size;
const unsigned char embedded_page[] = {
${bytes}};
const std::size_t embedded_page_size = ${size};
}  // namespace weir::daemon::http
")
