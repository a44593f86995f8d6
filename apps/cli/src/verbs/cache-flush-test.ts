import { join } from 'node:path'
import type { Command } from 'commander'
import { LOCKS } from '../cache-place.ts'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { positiveNumber } from '../options.ts'

type DeviceFacts = import('@purlin/cache-native').DeviceFacts

interface FlushFlags {
  readonly witness?: string
  readonly write?: true
  readonly check?: true
  readonly seconds: number
  readonly locks: string
}

/** `purlin cache flush-test` and its witness. */
export function addCacheFlushTest(group: Command, cli: Cli): void {
  group
    .command('flush-test')
    .description('whether a device keeps what it has flushed when its power is cut')
    .argument('<device>', 'what is to be the cache; --write destroys what is on it')
    .option('--witness <host:port>', 'a witness on another host: purlin cache flush-witness')
    .option('--write', 'write under the witness; cut the power meanwhile')
    .option('--check', 'after the power is back: whether what the witness heard is there')
    .option('--seconds <seconds>', 'how long to write', positiveNumber, 3600)
    .option('--locks <folder>', 'where proofs are kept', LOCKS)
    .action((device: string, flags: FlushFlags) => flushTest(cli, device, flags))
  group
    .command('flush-witness')
    .description('listen to writers of flush-test on other hosts')
    .requiredOption('--listen <address:port>', 'where')
    .option('--log <file>', 'what was heard', join(LOCKS, 'flush-witness.log'))
    .action(async ({ listen, log }: { readonly listen: string; readonly log: string }) => {
      const [, host, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(listen) ?? []
      if (host === undefined) {
        throw new CommandFailure(`${listen}: ADDRESS:PORT is needed`, exitCodes.usage)
      }
      const { startWitness } = await import('@purlin/cache-native')
      const witness = await startWitness(host, Number(port), log)
      cli.say(`a witness listens at ${host}:${witness.port}; end it with Ctrl-C`)
      const { signal } = cli.streams
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      witness.close()
    })
}

async function flushTest(cli: Cli, device: string, flags: FlushFlags): Promise<void> {
  const { deviceFacts, writeUnderWitness, checkByWitness, keepProof } = await import(
    '@purlin/cache-native'
  )
  const facts = await deviceFacts(device)
  if (flags.write === undefined && flags.check === undefined) {
    return cli.print(facts, () => factsText(facts))
  }
  const { witness } = flags
  if (witness === undefined || (flags.write === true && flags.check === true)) {
    throw new CommandFailure('give --witness, and one of --write and --check', exitCodes.usage)
  }
  const { clock, signal } = cli.streams
  const run = { device, witness, clock, signal }
  if (flags.write === true) {
    cli.say(`writing over ${device}; cut the power, then start again with --check`)
    const batches = await writeUnderWitness(run, flags.seconds)
    return cli.print({ batches }, () => `${batches} batches were flushed; nobody cut the power\n`)
  }
  const verdict = await checkByWitness(run)
  const passed = verdict.lost === 0 && verdict.powerWasCut && verdict.batches > 0
  if (passed) await keepProof(flags.locks, facts, verdict.batches, clock)
  cli.print({ ...verdict, passed }, () =>
    passed
      ? `passed: all of ${verdict.batches} flushed batches are there after the power cut\n`
      : `not passed: ${whyNot(verdict)}\n`,
  )
  if (!passed) cli.exitCode = exitCodes.failed
}

function whyNot(verdict: {
  readonly lost: number
  readonly powerWasCut: boolean
  readonly batches: number
}): string {
  if (verdict.lost > 0) {
    return `${verdict.lost} blocks are not as they were flushed (${verdict.batches} batches)`
  }
  return verdict.powerWasCut ? 'nothing was flushed' : 'this host was not started anew since'
}

function factsText(facts: DeviceFacts): string {
  const rows = [
    ['device', `${facts.path} on ${facts.disk}, ${facts.model}, ${facts.identity}`],
    ['write cache', facts.writeCache],
    ['FUA', facts.forcedUnitAccess ? 'yes' : 'no'],
    ['power loss', facts.powerLoss],
    ['rotates', facts.rotates ? 'yes' : 'no'],
  ]
  return rows.map(([name = '', text]) => `${name.padEnd(12)}${text}\n`).join('')
}
