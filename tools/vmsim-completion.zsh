#compdef vmsim
# SPDX-License-Identifier: MIT
# zsh completion of vmsim: that of bash, which lies beside it or where it is installed, through zsh's own bridge.
autoload -U +X bashcompinit && bashcompinit
for _vmsim_file in "${(%):-%x:h}/vmsim-completion.bash" "${(%):-%x:h}/../../bash-completion/completions/vmsim"; do
    if [[ -r $_vmsim_file ]]; then
        source "$_vmsim_file"
        break
    fi
done
unset _vmsim_file
