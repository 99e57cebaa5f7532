# Completion for syncline and synclined. Commands and options are read from --help, so that they are those of the program.
_syncline() {
    local word=${COMP_WORDS[COMP_CWORD]} help
    help=$("$1" --help 2>/dev/null)
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -o -- '--[a-z][a-z-]*' <<<"$help")" -- "$word")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        # `  command ...` of a list, or `usage: program command ...`; a|b are two.
        mapfile -t COMPREPLY < <(compgen -W "$(sed -En \
            -e 's/^  ([a-z][a-z|]+) .*/\1/p' -e 's/^(usage:|      ) synclined ([a-z]+).*/\2/p' <<<"$help" | tr '|' ' ')" -- "$word")
    fi
}
complete -o default -F _syncline syncline synclined
