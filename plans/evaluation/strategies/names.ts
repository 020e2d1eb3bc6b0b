export const STRATEGY_NAMES = ['cascade', 'dynba', 'ms', 'cocktail', 'no-switching', 'no-cascade'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** What others offer: savings are counted against the cheapest of these. The rest are parts of our own. */
export const BASELINES: readonly StrategyName[] = ['dynba', 'ms', 'cocktail'];
