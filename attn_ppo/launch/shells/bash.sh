# attn_ppo: completes keys, games and options of attn-ppo-train and of python -m attn_ppo.train.
_attn_ppo_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" word cut
    word="${line##*[[:space:]]}"
    local IFS=$'\n'
    COMPREPLY=($(COMP_LINE="$line" @QUERY@ 2>/dev/null))
    cut="${word%"${word##*=}"}"  # bash replaces what follows the last = only
    if [[ "$COMP_WORDBREAKS" == *=* && -n "$cut" ]]; then
        COMPREPLY=("${COMPREPLY[@]#*=}")
    fi
}
_attn_ppo_python() {
    if [[ "${COMP_WORDS[*]:1:2}" == "-m attn_ppo.train" && $COMP_CWORD -gt 2 ]]; then
        _attn_ppo_complete
    elif [[ -n "$_attn_ppo_before" ]]; then
        "$_attn_ppo_before" "$@"
    fi
}
if ! complete -p python 2>/dev/null | grep -q _attn_ppo_python; then
    _attn_ppo_before=$(complete -p python 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
fi
complete -o nospace -o default -F _attn_ppo_complete attn-ppo-train
complete -o nospace -o bashdefault -o default -F _attn_ppo_python python python3
