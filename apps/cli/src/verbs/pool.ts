import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { addPoolExplain } from './pool-explain.ts'
import { addPoolLive } from './pool-live.ts'
import { addPoolPlan } from './pool-plan.ts'

/** `purlin pool`: storage pools. The library is loaded on demand. */
export function addPool(program: Command, cli: Cli): void {
  const group = program
    .command('pool')
    .description('storage pools: what disks can hold and survive')
  addPoolLive(group, cli)
  addPoolPlan(group, cli)
  addPoolExplain(group, cli)
}
