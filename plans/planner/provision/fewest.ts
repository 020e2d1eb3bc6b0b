/**
 * The smallest count in [1, max] that will do, found by doubling and then bisection, so that few and mostly small counts are tried.
 * Assumes that if a count will do, larger ones will too.
 * @param attempt returns undefined if the count will not do.
 * @param hopeless called with each count that failed while doubling; true ends the search without an answer.
 */
export async function fewest<T>(
  max: number,
  attempt: (count: number) => Promise<T | undefined>,
  hopeless: (count: number) => boolean = () => false,
  from = 1,
): Promise<{ readonly count: number; readonly value: T } | undefined> {
  let failed = from - 1;
  let count = Math.min(from, max);
  let value = await attempt(count);
  while (value === undefined) {
    if (count >= max || hopeless(count)) return undefined;
    failed = count;
    count = Math.min(max, count * 2);
    value = await attempt(count);
  }
  while (count - failed > 1) {
    const middle = (count + failed) >> 1;
    const smaller = await attempt(middle);
    if (smaller === undefined) failed = middle;
    else {
      count = middle;
      value = smaller;
    }
  }
  return { count, value };
}
