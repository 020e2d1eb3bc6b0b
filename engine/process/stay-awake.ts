/**
 * Keeps the event loop polling for a while after work, instead of sleeping until the next event. Waking a sleeping processor,
 * particularly a virtual one, takes as long as the inference of a small model; a request that follows soon finds this one awake.
 *
 * @param forMs how long to poll after the last call. It costs that much processor time on an otherwise idle core.
 * @returns a function to call whenever there is nothing to do. `idle` says whether that is still so: otherwise, other threads of this
 *   process may need the core.
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
