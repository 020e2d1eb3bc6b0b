import { checkSeeds } from '../support/check-seeds.ts';

checkSeeds(750, 1000);
