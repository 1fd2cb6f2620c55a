# attn_ppo: completes keys, games and options of attn-ppo-train and of python -m attn_ppo.train.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
_attn_ppo_complete() {
    local -a found
    found=("${(@f)$(COMP_LINE="$LBUFFER" @QUERY@ 2>/dev/null)}")
    [[ -n "$found[1]" ]] && compadd -U -Q -S '' -- $found || _files
}
_attn_ppo_python() {
    if [[ "$words[2,3]" == "-m attn_ppo.train" && $CURRENT -gt 3 ]]; then
        _attn_ppo_complete
    else
        _python "$@"
    fi
}
compdef _attn_ppo_complete attn-ppo-train
compdef _attn_ppo_python python python3
