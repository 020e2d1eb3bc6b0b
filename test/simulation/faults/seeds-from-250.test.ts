import { checkSeeds } from '../support/check-seeds.ts';

checkSeeds(250, 500);
