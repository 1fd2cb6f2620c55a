// Drawing no more often than the screen shows, and not what isn't on it.

/** Acts before the next frame, once, however often it is asked. */
export function onFrame(act: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      act();
    });
  };
}

/** As `onFrame`, but waits while the element is scrolled out of sight. */
export function whenSeen(element: Element, act: () => void): () => void {
  let [seen, stale] = [false, false];
  const draw = onFrame(() => {
    stale = false;
    act();
  });
  new IntersectionObserver(([entry]) => {
    seen = entry?.isIntersecting ?? true;
    if (seen && stale) draw();
  }).observe(element);
  return () => {
    stale = true;
    if (seen) draw();
  };
}
