// Of the network's input and its attention.

export const INPUT = 84; // the input is INPUT x INPUT pixels
export const STACK = 4; // frames in it
export const CELLS = 7; // the attention's grid is CELLS x CELLS
