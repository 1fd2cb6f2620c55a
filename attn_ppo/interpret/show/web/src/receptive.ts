// From cells and spots to pixels, as in receptive_field.py and perturbation.py. No DOM here.
//
// Cell (i, j) sees rows 8i..8i+35, columns 8j..8j+35. All boxes begin and end at multiples of 4
// pixels, so that a grid of 21 x 21 holds the maps exactly. Spot (i, j) is centred on pixel (5i, 5j).

import { CELLS, INPUT, SPOTS } from "./sizes";

export const GRID = 21;
const BLOCK = 4; // pixels of a grid's square
const STRIDE = 2; // between cells, in squares
const SIZE = 9; // of a cell's box, in squares
const SPOT_STRIDE = 5; // pixels between spots

export interface Kernel {
  name: string;
  label: string;
  about: string; // what a pixel shows
  spread: (cells: Float32Array) => Float32Array; // (49) >= 0 -> (441)
}

/** All but `box_sum` and `density` draw uniform weights of 1 as 1 everywhere. */
export const KERNELS: Kernel[] = [
  { name: "box_max", label: "Box of each strong cell", about: "the greatest of the cells that see a pixel", spread: boxMax },
  { name: "box_mean", label: "Box mean", about: "the mean of the cells that see a pixel", spread: boxMean },
  { name: "density", label: "Density", about: "each cell divided among the pixels it sees", spread: density },
  { name: "box_sum", label: "Box sum", about: "the sum of the cells that see a pixel", spread: boxSum },
  { name: "strongest", label: "Strongest cell only", about: "the strongest cell alone", spread: strongest },
];

export function kernelNamed(name: string): Kernel {
  return KERNELS.find((kernel) => kernel.name === name) ?? KERNELS[0];
}

function boxMax(cells: Float32Array): Float32Array {
  const out = new Float32Array(GRID * GRID);
  eachSquare((cell, square) => (out[square] = Math.max(out[square], cells[cell])));
  return out;
}

function boxSum(cells: Float32Array): Float32Array {
  const out = new Float32Array(GRID * GRID);
  eachSquare((cell, square) => (out[square] += cells[cell]));
  return out;
}

function boxMean(cells: Float32Array): Float32Array {
  return boxSum(cells).map((sum, square) => sum / OVERLAP[square]);
}

/** The mean over all pixels is that over the cells. */
function density(cells: Float32Array): Float32Array {
  const even = INPUT ** 2 / CELLS ** 2; // pixels a cell has, were they dealt out evenly
  return boxMean(cells.map((value, cell) => (value * even) / MASS[cell]));
}

function strongest(cells: Float32Array): Float32Array {
  const best = strongestCell(cells);
  return boxSum(cells.map((value, cell) => (cell === best ? value : 0)));
}

/** Index of the greatest weight, the first of equals. */
export function strongestCell(weights: Float32Array): number {
  return weights.reduce((best, weight, cell) => (weight > weights[best] ? cell : best), 0);
}

/** (17 x 17) spots -> (84 x 84) pixels, bilinear; beyond the last spot its value. */
export function betweenSpots(spots: ArrayLike<number>): Float32Array {
  const out = new Float32Array(INPUT * INPUT);
  for (let row = 0; row < INPUT; row++) {
    const [above, down] = spotBefore(row);
    for (let column = 0; column < INPUT; column++) {
      const [left, right] = spotBefore(column);
      const at = above * SPOTS + left;
      const upper = spots[at] * (1 - right) + spots[at + 1] * right;
      const lower = spots[at + SPOTS] * (1 - right) + spots[at + SPOTS + 1] * right;
      out[row * INPUT + column] = upper * (1 - down) + lower * down;
    }
  }
  return out;
}

/** The spot at or before a pixel, and how far it is from there to the next, 0..1. */
function spotBefore(pixel: number): [spot: number, share: number] {
  const at = Math.min(pixel / SPOT_STRIDE, SPOTS - 1);
  const spot = Math.min(Math.floor(at), SPOTS - 2);
  return [spot, at - spot];
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
const MASS = massOfBoxes(); // pixels of a cell's box, each divided by the boxes that hold it

function massOfBoxes(): Float32Array {
  const mass = new Float32Array(CELLS * CELLS);
  eachSquare((cell, square) => (mass[cell] += BLOCK ** 2 / OVERLAP[square]));
  return mass;
}
