import { errorEntry, PurlinError, toPurlinError } from '@purlin/base'
import type { Bmc } from '@purlin/bmc'
import type { Command, CommandWork } from './command.ts'
import type { ConsoleKeeper } from './console-keeper.ts'
import type { CommandOutcome } from './event.ts'
import type { Life } from './life.ts'
import type { LifeGrounds } from './ports.ts'
import { prepare } from './prepare.ts'
import type { LifeRecords } from './records.ts'
import { TRIES_MAX } from './words/commands.ts'

const SOFT_OFF_MS = 120_000

/** What commands are carried out with. */
export interface CommandMeans {
  readonly grounds: LifeGrounds
  readonly records: LifeRecords
  readonly consoles: ConsoleKeeper
  /** Holds the console of the chassis. */
  readonly holder: object
}

/** Carries a command out; it may have been carried out before. Never rejects: a failure is an
 *  outcome, and says whether the same may succeed later by itself. */
export async function carryOut(
  means: CommandMeans,
  life: Life,
  command: Command,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  try {
    if (command.work.do === 'prepare') return await prepare(means, life, signal)
    const bmc = await means.grounds.bmcOf(life.chassis)
    return await atBmc(means, life, command, bmc, signal)
  } catch (thrown) {
    const { code, message } = toPurlinError(thrown)
    const passing = errorEntry(code)?.retry === 'later'
    return { did: 'nothing', command: command.work.do, code, cause: message, passing }
  }
}

async function atBmc(
  means: CommandMeans,
  life: Life,
  { work, tries }: Command,
  bmc: Bmc,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  switch (work.do) {
    case 'identify': {
      const power = await bmc.powerState({ signal })
      return { did: 'identify', identity: await bmc.identity({ signal }), power }
    }
    case 'stop':
      await bmc.power('off', { signal })
      return { did: 'stop' }
    case 'start': {
      await means.consoles.hold(life.chassis, bmc, means.holder)
      const lasting = await setBoot(life, bmc, 'pxe', work.lasting, signal)
      await bmc.power('on', { signal })
      return { did: 'start', lasting }
    }
    case 'set-disk':
      await bmc.setBootDevice(
        { device: 'disk', lasting: false, firmware: life.firmware },
        { signal },
      )
      return { did: 'set-disk' }
    case 'clear-boot-device':
      await bmc.clearBootDevice({ signal })
      return { did: 'clear-boot-device' }
    case 'settle':
      await bmc.power('off', { signal })
      await withoutNeed(bmc.clearBootDevice({ signal }))
      return { did: 'settle' }
    case 'start-from-disk':
      await bmc.power('off', { signal })
      await setBoot(life, bmc, 'disk', false, signal)
      await bmc.power('on', { signal })
      return { did: 'start-from-disk' }
    case 'diagnose':
      return await diagnose(means, life, bmc, work.off, tries + 1 >= TRIES_MAX, signal)
    case 'power':
      await switchPower(bmc, work, signal)
      return { did: 'power', power: await bmc.powerState({ signal }) }
    case 'prepare':
      throw new Error('prepare is no command of a BMC')
  }
}

/** Sets the boot device. A BMC that takes it and reports another, or knows no boot device, may
 *  still start as its firmware is set up to; so that stops nothing. */
async function setBoot(
  { firmware }: Life,
  bmc: Bmc,
  device: 'pxe' | 'disk',
  lasting: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await bmc.setBootDevice({ device, lasting, firmware }, { signal })).lasting
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    const goesOn = ['PUR_BMC_BOOT_IGNORED', 'PUR_BMC_UNSUPPORTED', 'PUR_BMC_REFUSED']
    if (!goesOn.includes(thrown.code)) throw thrown
    return lasting
  }
}

/** What was to be seen when a step failed, then off. What cannot be read is left out. */
async function diagnose(
  { consoles }: CommandMeans,
  life: Life,
  bmc: Bmc,
  off: boolean,
  last: boolean,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  const power = await withoutNeed(bmc.powerState({ signal }))
  const events = (await withoutNeed(bmc.events({ signal }))) ?? []
  const consoleTail = consoles.tail(life.chassis)
  if (off) await (last ? withoutNeed(bmc.power('off', { signal })) : bmc.power('off', { signal }))
  return {
    did: 'diagnose',
    ...(power !== undefined && { power }),
    ...(off && { powerAfter: 'off' as const }),
    eventLog: events.slice(-32).map(({ atMs, sensor, text }) => ({
      sensor,
      text,
      ...(atMs !== undefined && { atMs }),
    })),
    consoleTail,
  }
}

async function switchPower(
  bmc: Bmc,
  work: Extract<CommandWork, { readonly do: 'power' }>,
  signal: AbortSignal,
): Promise<void> {
  const { action, deadlineMs = SOFT_OFF_MS, otherwise = 'fail' } = work
  if (action === 'soft') await bmc.powerSoft({ deadlineMs, otherwise, signal })
  else if (action === 'cycle') await bmc.powerCycle({ signal })
  else if (action === 'reset') await bmc.powerReset({ signal })
  else await bmc.power(action, { signal })
}

async function withoutNeed<Value>(wanted: Promise<Value>): Promise<Value | undefined> {
  try {
    return await wanted
  } catch {
    return undefined
  }
}
