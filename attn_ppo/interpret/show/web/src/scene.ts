// The tree in space: frames as pictures, nodes as balls, relevance as tubes. Draws only on change.

import {
  DataTexture, DoubleSide, LinearFilter, Mesh, MeshBasicMaterial, NearestFilter, PerspectiveCamera, PlaneGeometry, Scene,
  SRGBColorSpace, Spherical, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { make } from "./dom";
import { onFrame } from "./frames";
import { frameDepth, type Point } from "./layout";
import { INPUT, STACK } from "./sizes";
import { createBalls, createTubes, type Ball, type Tube } from "./tubes";

export interface Label {
  text: string;
  at: Point;
  kind: string;
}

export interface Drawing {
  tubes: Tube[];
  balls: Ball[];
  labels: Label[];
  depth: Depth; // that everything lies within
}

export interface Stage {
  element: HTMLElement;
  draw: (drawing: Drawing) => void;
  paintFrame: (frame: number, paint: (pixels: Uint32Array) => void) => void;
}

const FIELD = 18; // degrees: long and narrow, so that the depths stay comparable
const LINE = 16; // pixels of a label's line
const RIM = 8; // that labels keep from the edges
const TURN = 0.12; // radians a key
const START = { polar: 1.33, azimuth: -0.95 }; // from the left and a little above

/** Null where there is no WebGL. `onPick` gets the index of a ball, or -1 for none near. */
export function createStage(onPick: (ball: number) => void): Stage | null {
  const canvas = make("canvas", { id: "tree-3d", tabindex: 0, role: "application",
    "aria-label": "Relevance tree in three dimensions. Arrow keys turn it, plus and minus zoom, 0 resets. The list holds the same nodes." });
  const renderer = createRenderer(canvas);
  if (!renderer) return null;
  const scene = new Scene();
  const camera = new PerspectiveCamera(FIELD, 1, 1, 5000);
  const controls = new OrbitControls(camera, canvas);
  const frames = Array.from({ length: STACK }, (_, frame) => createFrame(scene, frame));
  const [tubes, balls] = [createTubes(scene), createBalls(scene)];
  const labels = make("div", { class: "labels", "aria-hidden": "true" });
  const element = make("div", { class: "stage-3d" }, canvas, labels);
  let drawn = false;
  let drawing: Drawing = { tubes: [], balls: [], labels: [], depth: [0, 0] };
  const render = () => {
    if (!drawn) return;
    renderer.render(scene, camera);
    placeLabels(labels, drawing.labels, camera, element);
  };
  const soon = onFrame(render);
  let sized = false;
  const look = createLook(camera, controls, () => drawing.depth);
  controls.addEventListener("change", () => {
    look.fit();
    soon();
  });
  listen(canvas, camera, controls, look.reset);
  listenToPicks(canvas, (x, y) => onPick(nearest(drawing.balls, camera, canvas, x, y)));
  canvas.addEventListener("webglcontextrestored", soon);
  new ResizeObserver(() => {
    const { clientWidth, clientHeight } = element;
    if (!clientWidth || !clientHeight) return;
    renderer.setSize(clientWidth, clientHeight, false);
    camera.aspect = clientWidth / clientHeight;
    camera.updateProjectionMatrix();
    if (sized) look.fit();
    else look.reset();
    sized = true;
    render();
  }).observe(element);
  return {
    element,
    draw: (next) => {
      const moved = next.depth.join() !== drawing.depth.join();
      drawing = next;
      drawn = true;
      tubes.show(next.tubes);
      balls.show(next.balls);
      if (moved) look.reset();
      soon();
    },
    paintFrame: (frame, paint) => frames[frame](paint),
  };
}

function createRenderer(canvas: HTMLCanvasElement): WebGLRenderer | null {
  // Asked for first, since three.js writes to the console where it fails.
  const context = canvas.getContext("webgl2", { antialias: true, alpha: true });
  if (!context) return null;
  try {
    const renderer = new WebGLRenderer({ canvas, context, antialias: true, alpha: true });
    renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    return renderer;
  } catch {
    return null;
  }
}

/** A frame of the input, and how to paint it: rows from the top, where a texture's begin at the foot. */
function createFrame(scene: Scene, frame: number): (paint: (pixels: Uint32Array) => void) => void {
  const pixels = new Uint32Array(INPUT * INPUT);
  const flipped = new Uint32Array(INPUT * INPUT);
  const texture = new DataTexture(new Uint8Array(flipped.buffer), INPUT, INPUT);
  texture.colorSpace = SRGBColorSpace;
  texture.magFilter = NearestFilter;
  texture.minFilter = LinearFilter;
  const material = new MeshBasicMaterial({ map: texture, side: DoubleSide });
  const mesh = new Mesh(new PlaneGeometry(INPUT, INPUT), material);
  mesh.position.z = frameDepth(frame) - 0.3; // so that nodes on it aren't half sunk
  scene.add(mesh);
  return (paint) => {
    paint(pixels);
    for (let row = 0; row < INPUT; row++)
      flipped.set(pixels.subarray(row * INPUT, (row + 1) * INPUT), (INPUT - 1 - row) * INPUT);
    texture.needsUpdate = true;
  };
}

type Depth = [near: number, far: number];

/** Where the camera looks: a little low, since the labels stand under the planes. */
function middle([near, far]: Depth): Vector3 {
  return new Vector3(0, -6, near + 0.52 * (far - near));
}

/** How far from the middle the camera sees all that is drawn, by the direction in which it stands. */
function fitDistance(camera: PerspectiveCamera, direction: Vector3, depth: Depth): number {
  const right = new Vector3(0, 1, 0).cross(direction).normalize();
  const up = direction.clone().cross(right);
  const tangent = Math.tan((FIELD * Math.PI) / 360);
  const half = INPUT / 2;
  const corners = [-half, half].flatMap((x) => [-half - 10, half].flatMap((y) => depth.map((z) => new Vector3(x, y, z).sub(middle(depth)))));
  return Math.max(...corners.map((corner) => {
    const across = Math.abs(corner.dot(right)) / (tangent * camera.aspect * 0.94);
    const along = Math.abs(corner.dot(up)) / (tangent * 0.95);
    return corner.dot(direction) + Math.max(across, along);
  }));
}

/** Keeps all in sight however the view is turned, unless the reader comes nearer. */
function createLook(camera: PerspectiveCamera, controls: OrbitControls, depthOf: () => Depth): { reset: () => void; fit: () => void } {
  let [zoom, distance] = [1, 1]; // the reader's own, and as it was last set
  const stand = (direction: Vector3) => {
    const all = fitDistance(camera, direction, depthOf());
    distance = all * zoom;
    [controls.minDistance, controls.maxDistance] = [all * 0.15, all * 3];
    camera.position.copy(controls.target).addScaledVector(direction, distance);
    camera.lookAt(controls.target);
  };
  return {
    reset: () => {
      zoom = 1;
      controls.target.copy(middle(depthOf()));
      stand(new Vector3().setFromSpherical(new Spherical(1, START.polar, START.azimuth)));
      controls.update();
    },
    fit: () => {
      const offset = camera.position.clone().sub(controls.target);
      zoom *= offset.length() / distance;
      stand(offset.normalize());
    },
  };
}

function listen(canvas: HTMLCanvasElement, camera: PerspectiveCamera, controls: OrbitControls, reset: () => void): void {
  // The wheel belongs to the page until the view is clicked or tabbed to.
  controls.enableZoom = false;
  canvas.addEventListener("focus", () => (controls.enableZoom = true));
  canvas.addEventListener("blur", () => (controls.enableZoom = false));
  canvas.addEventListener("pointerdown", () => canvas.focus({ preventScroll: true }));
  const turn = (azimuth: number, polar: number, zoom = 1) => () => {
    const offset = new Spherical().setFromVector3(camera.position.clone().sub(controls.target));
    offset.theta += azimuth;
    offset.phi += polar;
    offset.radius *= zoom;
    camera.position.copy(controls.target).add(new Vector3().setFromSpherical(offset.makeSafe()));
    controls.update();
  };
  const keys: Record<string, () => void> = {
    ArrowLeft: turn(-TURN, 0), ArrowRight: turn(TURN, 0), ArrowUp: turn(0, -TURN), ArrowDown: turn(0, TURN),
    "+": turn(0, 0, 0.88), "=": turn(0, 0, 0.88), "-": turn(0, 0, 1 / 0.88), "0": reset,
  };
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}

/** A click or tap that didn't turn the view. */
function listenToPicks(canvas: HTMLCanvasElement, pick: (x: number, y: number) => void): void {
  let down: [number, number] | null = null;
  canvas.addEventListener("pointerdown", (event) => (down = event.isPrimary ? [event.clientX, event.clientY] : null));
  canvas.addEventListener("pointerup", (event) => {
    if (!down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 5) return;
    const { left, top } = canvas.getBoundingClientRect();
    pick(event.clientX - left, event.clientY - top);
  });
}

/** The ball whose middle is nearest on the screen, within a fingertip; -1 if none. Balls are too small to hit. */
function nearest(balls: Ball[], camera: PerspectiveCamera, canvas: HTMLCanvasElement, x: number, y: number): number {
  let [best, distance] = [-1, 18];
  balls.forEach(({ at }, i) => {
    const [ballX, ballY] = project(at, camera, canvas);
    const far = Math.hypot(ballX - x, ballY - y);
    if (far < distance) [best, distance] = [i, far];
  });
  return best;
}

function project(at: Point, camera: PerspectiveCamera, { clientWidth, clientHeight }: { clientWidth: number; clientHeight: number }): [number, number] {
  const { x, y } = new Vector3(...at).project(camera);
  return [((x + 1) / 2) * clientWidth, ((1 - y) / 2) * clientHeight];
}

/** At their places, but whole: within the stage, and not over one another. */
function placeLabels(holder: HTMLElement, labels: Label[], camera: PerspectiveCamera, { clientWidth, clientHeight }: HTMLElement): void {
  while (holder.children.length > labels.length) holder.lastChild?.remove();
  while (holder.children.length < labels.length) holder.append(make("span"));
  const taken: { left: number; right: number; top: number }[] = [];
  labels.forEach(({ text, at, kind }, i) => {
    const label = holder.children[i] as HTMLElement;
    if (label.textContent !== text) {
      label.textContent = text;
      label.className = kind;
      label.dataset["width"] = `${label.offsetWidth}`;
    }
    const [x, y] = project(at, camera, { clientWidth, clientHeight });
    const width = Number(label.dataset["width"]);
    const left = Math.max(RIM, Math.min(clientWidth - width - RIM, x - width / 2));
    const top = Math.max(RIM, Math.min(clientHeight - LINE - RIM, y));
    const seen = x > 0 && x < clientWidth && y > 0 && y < clientHeight + LINE;
    const clear = taken.every((other) => left > other.right + 4 || left + width + 4 < other.left || Math.abs(top - other.top) > LINE - 4);
    label.style.visibility = seen && clear ? "visible" : "hidden";
    label.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
    if (seen && clear) taken.push({ left, right: left + width, top });
  });
}
