// Lines with a width, and balls: many of each in one draw call. WebGL's own lines are 1 pixel wide.

import {
  Color, CylinderGeometry, InstancedMesh, Matrix4, MeshBasicMaterial, Quaternion, SphereGeometry, Vector3,
  type BufferGeometry, type Scene,
} from "three";
import type { Color as Rgb } from "./color";
import type { Point } from "./layout";

export interface Tube {
  from: Point;
  to: Point;
  radius: number;
  color: Rgb;
}

export interface Ball {
  at: Point;
  radius: number;
  color: Rgb;
}

export interface Instances<T> {
  show: (items: T[]) => void;
}

const UP = new Vector3(0, 1, 0);

export function createTubes(scene: Scene): Instances<Tube> {
  return createInstances(scene, new CylinderGeometry(1, 1, 1, 8, 1, true), ({ from, to, radius }) => {
    const [start, end] = [new Vector3(...from), new Vector3(...to)];
    const along = end.clone().sub(start);
    const length = along.length() || 1e-6;
    const turn = new Quaternion().setFromUnitVectors(UP, along.divideScalar(length));
    return new Matrix4().compose(start.add(end).multiplyScalar(0.5), turn, new Vector3(radius, length, radius));
  });
}

export function createBalls(scene: Scene): Instances<Ball> {
  return createInstances(scene, new SphereGeometry(1, 16, 12), ({ at, radius }) =>
    new Matrix4().compose(new Vector3(...at), new Quaternion(), new Vector3(radius, radius, radius)));
}

function createInstances<T extends { color: Rgb }>(scene: Scene, geometry: BufferGeometry, matrixOf: (item: T) => Matrix4): Instances<T> {
  const material = new MeshBasicMaterial();
  const color = new Color();
  let mesh: InstancedMesh | null = null;
  const grow = (capacity: number) => {
    if (mesh) scene.remove(mesh);
    mesh?.dispose();
    mesh = new InstancedMesh(geometry, material, capacity);
    mesh.frustumCulled = false; // its bounds would be those of the first step
    scene.add(mesh);
    return mesh;
  };
  return {
    show: (items) => {
      const room = mesh?.instanceMatrix.count ?? 0;
      const target = mesh && room >= items.length ? mesh : grow(Math.max(64, 2 * items.length));
      items.forEach((item, i) => {
        target.setMatrixAt(i, matrixOf(item));
        target.setColorAt(i, color.setRGB(item.color[0] / 255, item.color[1] / 255, item.color[2] / 255, "srgb"));
      });
      target.count = items.length;
      target.instanceMatrix.needsUpdate = true;
      if (target.instanceColor) target.instanceColor.needsUpdate = true;
    },
  };
}
