# SPDX-License-Identifier: MIT
# cmake -DOUT=commit.h -DSOURCE=DIR -P commit.cmake: the commit that is built as VMSIM_COMMIT, "" where there is no git.
find_program(GIT git)
set(commit "")
if(GIT)
    execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit ERROR_QUIET
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
set(text "#define VMSIM_COMMIT \"${commit}\"\n")
set(before "")
if(EXISTS ${OUT})
    file(READ ${OUT} before)
endif()
if(NOT text STREQUAL before)
    file(WRITE ${OUT} "${text}")
endif()
