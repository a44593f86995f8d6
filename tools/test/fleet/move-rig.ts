import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { systemClock } from '@purlin/base'
import type { MovePhase, PortSpec } from '@purlin/schema'
import type { FleetHost } from './host.ts'
import { FleetMachine, type FleetNic } from './machine.ts'
import { Fabric } from './open-vswitch.ts'
import { FleetRig } from './rig.ts'

/** The NIC that is moved, of the machine `mover`. */
export const MOVER = 'mover.eth0'

const READY_LIMIT_MS = 30_000
const POLL_MS = 10

/** What a talker says at its end: of a stream the first three, of knocks the others. */
export interface LastWords {
  readonly sent: number
  readonly back: number
  readonly broken: boolean
  readonly tries: number
  readonly letIn: number
}

/** A talker that runs. */
export interface Talk {
  end(): Promise<LastWords>
}

/** Two hosts with agents and Open vSwitch on one fabric, and machines whose ports move. */
export class MoveRig {
  readonly a: FleetHost
  readonly b: FleetHost
  readonly fabric: Fabric
  readonly #rig: FleetRig
  readonly #machines: FleetMachine[] = []
  readonly #talkers = new Set<ChildProcess>()

  private constructor(rig: FleetRig, fabric: Fabric) {
    this.#rig = rig
    this.fabric = fabric
    this.a = rig.host(0)
    this.b = rig.host(1)
  }

  /** Starts the hosts with these resources, of which each agent knows. */
  static async start(resources: readonly object[]): Promise<MoveRig> {
    const rig = await FleetRig.start({ hosts: 2 })
    let fabric: Fabric | undefined
    try {
      fabric = await Fabric.start(rig.folder, rig.hosts)
      await rig.startAgents()
      const started = new MoveRig(rig, fabric)
      await started.a.client.apply([...resources])
      return started
    } catch (thrown) {
      await fabric?.stop()
      await rig.end()
      throw thrown
    }
  }

  /** The stand-in of a machine on a host, plugged once its ports stand there. */
  async made(
    name: string,
    host: FleetHost,
    nics: readonly string[] = ['eth0'],
    pathOf: (port: PortSpec) => FleetNic['path'] = () => 'filterable',
  ): Promise<FleetMachine> {
    const specs: PortSpec[] = []
    for (const nic of nics) {
      const port = `${name}.${nic}`
      await eventually(`${port} stands`, () => isReady(host, port))
      specs.push((await host.client.ports.get(port)).spec)
    }
    const [first, ...others] = specs
    if (first === undefined) throw new RangeError(`${name} has no NIC`)
    const further = others.map((port) => ({ port, path: pathOf(port) }))
    const machine = await FleetMachine.make(name, first, host, further)
    this.#machines.push(machine)
    await machine.plug()
    return machine
  }

  /** Starts a talker and answers when it is ready. */
  async talk(from: FleetMachine, ...words: readonly string[]): Promise<Talk> {
    const child = from.talk(...words)
    this.#talkers.add(child)
    const lines: string[] = []
    const over = new Promise((resolve) => child.once('exit', resolve))
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(line))
    await eventually(`${words[0]} is ready`, async () => lines[0] === 'ready')
    return {
      end: async () => {
        child.kill('SIGTERM')
        await over
        return JSON.parse(lines.at(-1) ?? '')
      },
    }
  }

  /** The phase of the move, as the agent of a host knows it. */
  async phaseOf(host: FleetHost): Promise<MovePhase | undefined> {
    return (await host.client.ports.get(MOVER)).spec.move?.phase
  }

  /** Answers when the move is in a phase, in milliseconds. */
  async reached(phase: MovePhase | undefined, host: FleetHost = this.a): Promise<number> {
    return await eventually(`phase ${phase}`, async () => (await this.phaseOf(host)) === phase)
  }

  async end(): Promise<void> {
    for (const child of this.#talkers) child.kill('SIGKILL')
    for (const machine of this.#machines) await machine.end()
    await this.fabric.stop()
    await this.#rig.end()
  }
}

/** Waits until something holds and answers how long that took, in milliseconds. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  limitMs = READY_LIMIT_MS,
): Promise<number> {
  const startMs = systemClock.monotonicMs()
  while (!(await holds())) {
    if (systemClock.monotonicMs() - startMs > limitMs) throw new Error(`not in time: ${what}`)
    await systemClock.sleep(POLL_MS)
  }
  return systemClock.monotonicMs() - startMs
}

/** Whether rules and port of a NIC stand on its host. */
async function isReady(host: FleetHost, port: string): Promise<boolean> {
  const { status } = await host.client.ports.get(port)
  return status.conditions.every((one) => one.type !== 'Ready' || one.status === 'true')
}
