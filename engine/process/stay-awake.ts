/**
 * Keeps the event loop polling for a while after work, instead of sleeping until the next event. To wake a sleeping processor, a
 * virtual one above all, takes as long as the inference of a small model; a request that follows soon finds this one awake.
 *
 * @param forMs how long, since the last call; the price is that much processor time, of a core that has nothing else to do.
 * @returns to be called whenever there is nothing to do; `idle` tells whether that is still so: other threads of this process may
 *   need the core otherwise.
 */
export function stayAwake(forMs: number): (idle: () => boolean) => void {
  let until = 0;
  let polling = false;
  return (idle) => {
    until = performance.now() + forMs;
    if (polling) return;
    polling = true;
    setImmediate(poll);
    function poll(): void {
      polling = idle() && performance.now() < until;
      if (polling) setImmediate(poll);
    }
  };
}
