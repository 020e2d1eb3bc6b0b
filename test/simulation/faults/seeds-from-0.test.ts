import { checkSeeds } from '../support/check-seeds.ts';

checkSeeds(0, 250);
