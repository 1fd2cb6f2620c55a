"""The edits of each game, a file a game: which byte of its memory is what, what we write there.

The addresses are facts of the games. Those of Breakout, MsPacman, Frostbite and Seaquest, and of
BeamRider's places, were published by Anand et al. 2019 (Unsupervised State Representation Learning
in Atari, the annotated RAM interface) and Delfosse et al. 2023 (OCAtari). The bits of bricks and
pills, what hides an object, and Enduro's cars were found by writing each byte and looking. A test
sees every edit on the screen.
"""
