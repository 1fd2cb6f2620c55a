// Of the network's input and of what is laid over it.

export const INPUT = 84; // the input is INPUT x INPUT pixels
export const STACK = 4; // frames in it
export const CELLS = 7; // the attention's grid, and Grad-CAM's, is CELLS x CELLS
export const SPOTS = 17; // the perturbations' is SPOTS x SPOTS
