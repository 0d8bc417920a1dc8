/**
 * The script for bash. It is our own, since that of @bomb.sh/tab hands the words of the line to eval and the answers to compgen, both of
 * which run what stands in `$(…)`: a name on a server must not become a command. Here nothing that is read is evaluated.
 */
export const BASH_SCRIPT = `# bash completion for nvactl; put into ~/.bashrc: source <(nvactl completion bash)
_nvactl() {
    local line value directive=4 given=() before="\${COMP_LINE:0:COMP_POINT}"
    COMPREPLY=()
    # The words as blanks part them: bash itself parts them at ":" and "=" too, and compares with the last of these parts.
    read -ra given <<< "$before"
    [[ $before == *[[:space:]] ]] && given+=("")
    local current="\${given[\${#given[@]}-1]}" part="\${COMP_WORDS[COMP_CWORD]}"
    [[ $part == : || $part == = ]] && part=""
    local kept="\${current%"$part"}"
    while IFS= read -r line; do
        if [[ $line == :[0-9]* ]]; then
            directive="\${line#:}"
            continue
        fi
        value="\${line%%$'\\t'*}"
        [[ $value == "$current"* ]] && COMPREPLY+=("\${value#"$kept"}")
    done < <(nvactl complete -- "\${given[@]:1}" 2> /dev/null)
    if (( (directive & 4) == 0 )); then
        compopt -o default 2> /dev/null
    else
        compopt +o default 2> /dev/null
    fi
}
complete -F _nvactl nvactl
`;
