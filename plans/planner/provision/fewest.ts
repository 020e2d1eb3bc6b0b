/**
 * The smallest count in [1, max] that will do: doubling, then bisection, so that few and mostly small counts are tried. What
 * will do with some devices is taken to do with more.
 * @param attempt undefined where the count does not do.
 * @param hopeless told of two failed counts, the second double the first: true ends the search without an answer.
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
