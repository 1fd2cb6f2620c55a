# attn_ppo: completes keys, games and options of attn-ppo-train and of python -m attn_ppo.train.
function _attn_ppo_complete
    COMP_LINE=(commandline -cp | string collect) @QUERY@ 2>/dev/null
end
function _attn_ppo_is_train
    string match -qr '^\S+ -m attn_ppo.train\s' -- (commandline -cp)
end
complete -c attn-ppo-train -f -a '(_attn_ppo_complete)'
complete -c python -c python3 -n _attn_ppo_is_train -f -a '(_attn_ppo_complete)'
