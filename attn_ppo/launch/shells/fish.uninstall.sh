complete -e -c attn-ppo-train
complete -e -c python -n _attn_ppo_is_train
complete -e -c python3 -n _attn_ppo_is_train
functions -e _attn_ppo_complete _attn_ppo_is_train
