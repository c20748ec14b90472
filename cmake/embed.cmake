# SPDX-License-Identifier: MIT
# cmake -DOUT=x.c -DFILES='a|b' -P embed.cmake: files as arrays of a C file, which ends each with a NUL that is not counted.
# A file page.js is `const struct vmsim__asset vmsim__asset_page_js`.
string(REPLACE "|" ";" FILES "${FILES}")
set(text "/* Generated of src/report/assets by cmake/embed.cmake. */\n#include \"report/assets.h\"\n")
foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${name})
    file(READ ${file} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND text "static const unsigned char ${name}[] = {\n${bytes}0};\n"
                       "const struct vmsim__asset vmsim__asset_${name} = {(const char *)${name}, ${size}};\n")
endforeach()
file(WRITE ${OUT} "${text}")
