import { cascade } from './cascade.ts';
import { cocktail } from './cocktail.ts';
import { dynba } from './dynba.ts';
import { ms } from './ms.ts';
import type { StrategyName } from './names.ts';
import { noCascade } from './no-cascade.ts';
import { noSwitching } from './no-switching.ts';
import type { Strategy } from './strategy.ts';

export const STRATEGIES: Readonly<Record<StrategyName, Strategy>> = {
  cascade,
  dynba,
  ms,
  cocktail,
  'no-switching': noSwitching,
  'no-cascade': noCascade,
};
