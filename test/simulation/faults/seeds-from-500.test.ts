import { checkSeeds } from '../support/check-seeds.ts';

checkSeeds(500, 750);
