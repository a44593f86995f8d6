import { type Clock, PurlinError, type Run, run, systemClock } from '@purlin/base'
import type { Bmc } from './bmc.ts'
import { type StartProgram, startProgram } from './console/program.ts'
import type { BmcDriver } from './driver.ts'
import { ipmiConsole } from './ipmi/ipmi-console.ts'
import { IpmiDriver, LEAST_GAP_MS } from './ipmi/ipmi-driver.ts'
import { Ipmitool } from './ipmi/ipmitool.ts'
import type { CommandPool } from './queue/pool.ts'
import { QueuedBmc } from './queued-bmc.ts'
import { RedfishConnection, type RedfishTrust } from './redfish/connection.ts'
import { RedfishDriver } from './redfish/redfish-driver.ts'

const IPMI_PORT = 623
const HTTPS_PORT = 443
const TRIES = 3
/** A BMC that is down costs ipmitool 12 s; a full sensor list of a slow one takes a minute. */
const COMMAND_TIMEOUT_MS = 90_000

interface Account {
  /** Name of the chassis, for errors. */
  readonly name: string
  readonly address: string
  readonly port?: number
  readonly username: string
  readonly password: string
  /** Between two calls; 5 s over IPMI and 0.25 s over Redfish unless told. */
  readonly leastGapMs?: number
  /** Of one attempt; 90 s unless told. */
  readonly commandTimeoutMs?: number
}

/** Where a BMC is and how it is spoken to. */
export type BmcTarget =
  | (Account & {
      readonly protocol: 'ipmi'
      /** For password files: a folder of memory that only this user may enter. */
      readonly folder: string
      /** How often a packet is sent that is not answered; 3 unless told, 1 fails on some boards. */
      readonly tries?: number
    })
  | (Account & {
      readonly protocol: 'redfish'
      readonly trust: RedfishTrust
      /** Needed for a BMC of several systems. */
      readonly systemId?: string
    })

export interface OpenBmcOptions {
  readonly target: BmcTarget
  /** One for all BMCs of a process. */
  readonly pool: CommandPool
  readonly clock?: Clock
  readonly run?: Run
  readonly start?: StartProgram
}

/** A BMC, of which nothing is asked yet. Errors: PUR_INVALID for an account that the protocol
 *  cannot carry. */
export function openBmc(options: OpenBmcOptions): Bmc {
  const { target, pool, clock = systemClock } = options
  return new QueuedBmc({ name: target.name, driver: driverOf(options), pool, clock: clock })
}

function driverOf({
  target,
  clock = systemClock,
  run: runProgram = run,
  start = startProgram,
}: OpenBmcOptions): BmcDriver {
  const { name, address, username, password } = target
  const commandTimeoutMs = target.commandTimeoutMs ?? COMMAND_TIMEOUT_MS
  if (target.protocol === 'redfish') {
    const { trust, systemId, port = HTTPS_PORT } = target
    checkPin(name, trust)
    const subject = { name, address }
    const account = { username, password }
    const connection = new RedfishConnection({ subject, port, trust, ...account, commandTimeoutMs })
    return new RedfishDriver(connection, systemId, target.leastGapMs)
  }
  const { folder, port = IPMI_PORT, tries = TRIES, leastGapMs = LEAST_GAP_MS } = target
  const account = { address, port, username, password }
  const seams = { run: runProgram, clock }
  const tool = new Ipmitool({
    name,
    account,
    folder,
    ...seams,
    leastGapMs,
    commandTimeoutMs,
    tries,
  })
  return new IpmiDriver(tool, ipmiConsole(tool, start, { folder, password }), leastGapMs)
}

function checkPin(name: string, trust: RedfishTrust): void {
  if (trust.by !== 'pin' || /^[0-9a-f]{64}$/i.test(trust.sha256.replaceAll(':', ''))) return
  const problem = { path: 'trust.sha256', message: 'must be a SHA-256 of 64 hexadecimal digits' }
  const message = `chassis ${name}: ${problem.path} ${problem.message}`
  throw new PurlinError('PUR_INVALID', { message, problems: [problem] })
}
