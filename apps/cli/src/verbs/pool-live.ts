import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { withChangeOptions } from '../options.ts'
import { poolPicture } from '../views/pool-picture.ts'
import { printTask } from './apply.ts'
import { type ChangeFlags, changePool } from './change-pool.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'

interface RebalanceFlags extends ChangeFlags {
  readonly pause?: true
  readonly resume?: true
}

interface ScrubFlags {
  readonly deep?: true
  readonly pause?: true
  readonly resume?: true
}

async function scrub(cli: Cli, name: string, { deep, pause, resume }: ScrubFlags): Promise<void> {
  if ([deep, pause, resume].filter((flag) => flag === true).length > 1) {
    throw new CommandFailure('give one of --deep, --pause and --resume', exitCodes.usage)
  }
  const action = pause === true ? 'pause' : resume === true ? 'resume' : 'begin'
  const answer = await cli.client.storagePools.scrub(name, { action, deep: deep === true })
  const what = { begin: 'has begun', pause: 'is held', resume: 'goes on' }[action]
  cli.print(answer, () => `the scrub of pool ${name} ${what}\n`)
}

/** The verbs of `purlin pool` that ask the agent. */
export function addPoolLive(group: Command, cli: Cli): void {
  group
    .command('list')
    .description('all pools')
    .action(() => printResources(cli, 'StoragePool', undefined))
  group
    .command('show')
    .alias('status')
    .description('a pool as a tree: where its disks stand, how full and how well they are')
    .argument('<name>')
    .action(async (name: string) => {
      const pool = await cli.client.resources('StoragePool').get(name)
      const nowMs = cli.streams.clock.nowMs()
      cli.print(pool, () => poolPicture(pool, nowMs, cli.colours))
    })
  group
    .command('describe')
    .description('a pool with its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'StoragePool', name))
  withChangeOptions(
    group
      .command('rebalance')
      .description('move stripes to where placement wants them; progress is in pool show')
      .argument('<name>')
      .option('--pause', 'hold the moving of what is safe where it is')
      .option('--resume', 'let it go on'),
  ).action(async (name: string, { pause, resume, ...flags }: RebalanceFlags) => {
    if (pause === true || resume === true) {
      await changePool(cli, name, flags, ({ rebalance: _before, ...spec }) => ({
        ...spec,
        ...(pause === true && { rebalance: 'paused' }),
      }))
      return
    }
    const begun = await cli.client.storagePools.rebalance(name)
    cli.print(begun, () => `the rebalance of pool ${name} has begun\n`)
  })
  group
    .command('scrub')
    .description('read a pool’s map through for what is bad; progress is in pool show')
    .argument('<name>')
    .option('--deep', 'read all that is stored as well')
    .option('--pause', 'hold the scrub that runs')
    .option('--resume', 'let it go on')
    .action((name: string, flags: ScrubFlags) => scrub(cli, name, flags))
  withChangeOptions(
    group
      .command('delete')
      .description('delete a pool that has no volumes; its disks keep what is on them')
      .argument('<name>'),
  ).action(async (name: string, flags: { ifRevision?: number } & WaitOptions) => {
    const { ifRevision } = flags
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const handle = await cli.client.resources('StoragePool').delete(name, revision)
    printTask(cli, await cli.finish(handle, flags))
  })
}
