compdef -d attn-ppo-train
compdef _python python python3
unfunction _attn_ppo_complete _attn_ppo_python
