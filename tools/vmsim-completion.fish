# SPDX-License-Identifier: MIT
# fish completion of vmsim: commands, options and names, as the program itself tells them. Installed where fish finds it;
# by hand: source vmsim-completion.fish
function __vmsim_commands
    vmsim --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) *\(.*\)/\1\t\2/p'
end

function __vmsim_options
    set -l command (commandline -opc)[2]
    vmsim $command --help 2>/dev/null | sed -nE 's/^ +(-., +)?(--[a-z-]+)(=[A-Z]+|\[=[A-Z]+\])? *(.*)/\2\t\4/p'
end

function __vmsim_words
    set -l command (commandline -opc)[2]
    vmsim $command --help 2>/dev/null | sed -nE "s/^(Usage:|  or:|      ) +vmsim $command (\[OPTION\.\.\.\] )?([a-z]+)( .*)?\$/\3/p"
end

# Keys of scenario files as --set takes them, "machine.nodes[0].memory="; steps of programs apart.
function __vmsim_keys
    vmsim schema --reference 2>/dev/null | awk '
        /^## `/ { split($0, part, "`"); prefix = part[2]; gsub(/\[\]/, "[0]", prefix); prefix = prefix "." }
        /^## / && !/`/ { prefix = "" }
        /^\| `/ && prefix !~ /program/ { split($0, part, "`"); print prefix part[2] "=" }' | sort -u
end

complete -c vmsim -s s -l set -x -a '(__vmsim_keys)'
complete -c vmsim -n 'test (count (commandline -opc)) -eq 1' -f -a '(__vmsim_commands)'
complete -c vmsim -n 'test (count (commandline -opc)) -eq 2' -a '(__vmsim_words)'
complete -c vmsim -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__vmsim_options)'
complete -c vmsim -n 'string match -q "preset show" (string join " " (commandline -opc)[2..3])' -f -a '(vmsim preset list 2>/dev/null | awk "{ print \$1 }")'
complete -c vmsim -n 'string match -q "policy show" (string join " " (commandline -opc)[2..3])' -f -a '(vmsim policy list 2>/dev/null | awk "{ print \$2 }")'
