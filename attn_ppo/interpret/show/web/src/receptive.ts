// Attention on pixels, as in receptive_field.py: cell (i, j) sees rows 8i..8i+35, columns 8j..8j+35.
// All boxes begin and end at multiples of 4 pixels, so that a grid of 21 x 21 holds the maps exactly. No DOM here.

import { CELLS } from "./sizes";

export const GRID = 21;
const BLOCK = 4; // pixels of a grid's square
const STRIDE = 2; // between cells, in squares
const SIZE = 9; // of a cell's box, in squares

export interface Kernel {
  name: string;
  label: string;
  unit: string;
  spread: (weights: Float32Array) => Float32Array;
}

export const KERNELS: Kernel[] = [
  { name: "box_mean", label: "Box mean", unit: "mean weight of the cells that see a pixel", spread: boxMean },
  { name: "density", label: "Density", unit: "weight per pixel", spread: density },
  { name: "box_sum", label: "Box sum", unit: "summed weight of the cells that see a pixel", spread: boxSum },
  { name: "strongest", label: "Strongest cell only", unit: "weight of the strongest cell", spread: strongest },
];

export function kernelNamed(name: string): Kernel {
  return KERNELS.find((kernel) => kernel.name === name) ?? KERNELS[0];
}

/** (49) weights -> (441): in each square the sum of the boxes that hold it. */
function boxSum(weights: Float32Array): Float32Array {
  const out = new Float32Array(GRID * GRID);
  eachSquare((cell, square) => (out[square] += weights[cell]));
  return out;
}

function boxMean(weights: Float32Array): Float32Array {
  return boxSum(weights).map((sum, square) => sum / OVERLAP[square]);
}

function density(weights: Float32Array): Float32Array {
  return boxMean(weights.map((weight, cell) => weight / MASS[cell]));
}

function strongest(weights: Float32Array): Float32Array {
  const best = strongestCell(weights);
  return boxSum(weights.map((weight, cell) => (cell === best ? weight : 0)));
}

/** Index of the greatest weight, the first of equals. */
export function strongestCell(weights: Float32Array): number {
  return weights.reduce((best, weight, cell) => (weight > weights[best] ? cell : best), 0);
}

function eachSquare(visit: (cell: number, square: number) => void): void {
  for (let cell = 0; cell < CELLS * CELLS; cell++) {
    const top = STRIDE * Math.floor(cell / CELLS);
    const left = STRIDE * (cell % CELLS);
    for (let row = top; row < top + SIZE; row++)
      for (let column = left; column < left + SIZE; column++) visit(cell, row * GRID + column);
  }
}

const OVERLAP = boxSum(new Float32Array(CELLS * CELLS).fill(1)); // boxes that hold a square, 1 to 25
const MASS = massOfBoxes(); // so that a cell's spread sums to its weight over the pixels

function massOfBoxes(): Float32Array {
  const mass = new Float32Array(CELLS * CELLS);
  eachSquare((cell, square) => (mass[cell] += BLOCK ** 2 / OVERLAP[square]));
  return mass;
}
