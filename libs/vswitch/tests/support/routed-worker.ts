/** A host of its own as a process, started inside its network namespace: Open vSwitch, the driver
 *  and machines. It obeys lines of JSON `{ id, call, args }` and answers `{ id, value }` or `{ id,
 *  error }`. */
import { createInterface } from 'node:readline'
import { run } from '@purlin/base'
import { createVswitchDriver, type VswitchDesired } from '../../src/index.ts'
import { datapath } from './datapath.ts'
import { type Machine, startHost } from './host.ts'
import { planNow, reconcileOnce } from './reconcile.ts'

const host = await startHost()
const driver = createVswitchDriver({
  databaseSocket: host.databaseSocket,
  datapath,
  runFolder: host.runFolder,
})
const machines = new Map<string, Machine>()

function machineOf(key: string): Machine {
  const machine = machines.get(key)
  if (machine === undefined) throw new Error(`no machine ${key} here`)
  return machine
}

function textAsNumbers(_key: string, value: unknown): unknown {
  const isNumber = typeof value === 'string' && value.startsWith('bigint ')
  return isNumber ? BigInt(value.slice(7)) : value
}

const calls: Readonly<Record<string, (...args: never[]) => Promise<unknown>>> = {
  /** Brings the host to the state, in as many rounds as it takes; answers their number. */
  reconcile: async (desired: VswitchDesired) => {
    for (let round = 1; round <= 5; round++) {
      await reconcileOnce(driver, desired)
      if ((await planNow(driver, desired)).length === 0) return round
    }
    throw new Error(`still to do: ${(await planNow(driver, desired)).join('; ')}`)
  },
  machine: async (key: string, mac: string, isDirect: boolean) => {
    const machine = await host.machine(key, mac)
    machines.set(key, machine)
    if (isDirect) {
      await run('ip', ['link', 'set', machine.devices.tap, 'up'], { timeoutMs: 5_000 })
    } else {
      await host.plug(machine)
    }
    return machine.namespace
  },
  /** Puts a machine's tap that came from another host into its bridge. */
  plugTap: async (tap: string, bridge: string) => {
    await run('ip', ['link', 'set', tap, 'master', bridge, 'up'], { timeoutMs: 5_000 })
  },
  command: async (key: string, program: string, ...args: string[]) =>
    (await machineOf(key).command(program, ...args)).stdout,
  client: (key: string, ...args: string[]) => machineOf(key).client(...args),
  run: async (program: string, ...args: string[]) => {
    const options = { timeoutMs: 20_000, acceptedExitCodes: [1, 2] }
    return (await run(program, args, options)).stdout
  },
  announce: (port: Parameters<typeof driver.announce>[0], rounds: number) =>
    driver.announce(port, rounds, AbortSignal.timeout(5_000)),
  folder: async () => host.folder,
  stop: async () => {
    driver.close()
    await host.stop()
  },
}

process.stdout.write('{"id":0}\n')
for await (const line of createInterface({ input: process.stdin })) {
  const { id, call, args } = JSON.parse(line, textAsNumbers)
  const answer = (value: object): void => {
    process.stdout.write(`${JSON.stringify({ id, ...value })}\n`)
  }
  calls[call]?.(...(args as never[])).then(
    (value) => answer({ value: value ?? null }),
    (thrown) => answer({ error: thrown instanceof Error ? thrown.message : String(thrown) }),
  )
}
