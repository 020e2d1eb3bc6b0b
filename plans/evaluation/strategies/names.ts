export const STRATEGY_NAMES = ['cascade', 'dynba', 'ms', 'cocktail', 'no-switching', 'no-cascade'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Strategies of others: savings are relative to the cheapest of these. The rest are ablations of our own. */
export const BASELINES: readonly StrategyName[] = ['dynba', 'ms', 'cocktail'];
