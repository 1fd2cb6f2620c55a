complete -r attn-ppo-train python python3 2>/dev/null
[[ -n "$_attn_ppo_before" ]] && complete -F "$_attn_ppo_before" python python3
unset -f _attn_ppo_complete _attn_ppo_python
unset _attn_ppo_before
