# SPDX-License-Identifier: MIT
# bash completion of vmsim: commands, options and names, as the program itself tells them (--help, `preset list`,
# `policy list`), so that there is nothing here to keep up to date. Installed where bash-completion finds it; by hand:
#     source vmsim-completion.bash

# Words that may follow COMMAND: what its usage lines name in small letters.
_vmsim_words() {
    "$1" "$2" --help 2>/dev/null | sed -nE "s/^(Usage:|  or:|      ) +vmsim $2 (\[OPTION\.\.\.\] )?([a-z]+)( .*)?$/\3/p"
}

_vmsim_options() {
    local help
    help=$("$1" "$2" --help 2>/dev/null) || return
    { grep -E '^  +(-[[:alpha:]?], |    )?--[a-z]' <<<"$help" | sed -E 's/^[^-]*(-.,)? *(--[a-z-]+).*/\2/'
      grep -E '^(Usage:|  or:|      ) +vmsim ' <<<"$help" | grep -oE -- '--[a-z][a-z-]*'; } | sort -u
}

# What OPTION of COMMAND takes: FILE, DIR, ...; nothing if it stands alone.
_vmsim_argument() {
    "$1" "$2" --help 2>/dev/null | sed -nE "s/^ +(-., +)?(--[a-z-]+)=([A-Z]+).*/\1 \2 \3/p" |
        awk -v option="$3" '$1 == option "," || $1 == option || $2 == option { print $NF }'
}

# Keys of scenario files as --set takes them, "machine.nodes[0].memory="; steps of programs apart.
_vmsim_keys() {
    "$1" schema --reference 2>/dev/null | awk '
        /^## `/ { split($0, part, "`"); prefix = part[2]; gsub(/\[\]/, "[0]", prefix); prefix = prefix "." }
        /^## / && !/`/ { prefix = "" }
        /^\| `/ && prefix !~ /program/ { split($0, part, "`"); print prefix part[2] "=" }' | sort -u
}

_vmsim() {
    local program=$1 word=$2 before=$3 command=${COMP_WORDS[1]} argument
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "--help --version $("$program" --help 2>/dev/null |
            sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')" -- "$word")
        return
    fi
    argument=$(_vmsim_argument "$program" "$command" "$before")
    case "$argument" in
    "") ;;
    KEY)
        mapfile -t COMPREPLY < <(compgen -W "$(_vmsim_keys "$program")" -- "$word")
        compopt -o nospace 2>/dev/null
        return
        ;;
    DIR)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    case "$command/$before/$word" in
    */*/-*) mapfile -t COMPREPLY < <(compgen -W "$(_vmsim_options "$program" "$command")" -- "$word") ;;
    preset/show/*) mapfile -t COMPREPLY < <(compgen -W "$("$program" preset list 2>/dev/null | awk '{ print $1 }')" -- "$word") ;;
    policy/show/*) mapfile -t COMPREPLY < <(compgen -W "$("$program" policy list 2>/dev/null | awk '{ print $2 }')" -- "$word") ;;
    *)
        [ "$COMP_CWORD" -ne 2 ] ||
            mapfile -t COMPREPLY < <(compgen -W "$(_vmsim_words "$program" "$command")" -- "$word")
        [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    esac
}

complete -o filenames -F _vmsim vmsim
